// What a caller may ask of a container that outlives it: the options of every container, and what becomes of it while nobody looks.
import type { Either } from '#fp/Either'
import * as E from '#fp/Either'
import { check, type Decoder, exactObject, integer, isObject, oneOf, optional, text } from './decode.ts'
import type { EngineError } from './errors.ts'
import { type DecodedHealth, type HealthOptions, health } from './health.ts'
import type { ContainerOptions, Duration, Size } from './options.ts'
import { CONTAINER, decodeTable, type OptionLimits, optionsOf, type Table } from './options-decode.ts'
import * as value from './options-decode-values.ts'
import type { DecodedOptions } from './options-decoded.ts'

/** What follows an end that nobody asked for. docker-run(1), --restart. */
export interface RestartPolicy {
  readonly name: 'no' | 'on-failure' | 'always' | 'unless-stopped'
  /** Of `on-failure`: so many starts after the first; 0 is no bound. */
  readonly most: number
}

export interface LogOptions {
  /** Default `'compact'`. `'json-file'` is Docker's form, for programs that collect it; `'none'` keeps nothing. */
  readonly form?: 'compact' | 'json-file' | 'none'
  /** Of one file. Default 10 MB. */
  readonly maxSize?: Size
  /** Default 3. */
  readonly maxFiles?: number
  /** Let the program wait for a disk that does not keep up, instead of losing what it writes. Default false. */
  readonly blocking?: boolean
}

export interface DetachedOptions extends ContainerOptions {
  /** `'no'` (default), `'always'`, `'unless-stopped'`, `'on-failure'`, or `'on-failure:5'`. */
  readonly restart?: string
  /** Keep standard input open, for who attaches. Default false: /dev/null. */
  readonly stdin?: boolean
  readonly log?: LogOptions
  /** Between the stop signal and SIGKILL. Default 10 s; `-1` waits for ever. */
  readonly stopTimeout?: Duration
  /** Remove the container when it has ended. Default false. */
  readonly autoRemove?: boolean
  /** Is it well? Default: as its image says. `false`: nobody looks. */
  readonly health?: HealthOptions | false
}

export interface StopOptions {
  /** Default: the container's stop signal, else the image's, else SIGTERM. */
  readonly signal?: string
  /** Until SIGKILL; -1: never. Default: the container's. */
  readonly timeout?: Duration
}

export interface DecodedLog {
  readonly form: 'compact' | 'json-file' | 'none'
  readonly maxBytes: number
  readonly maxFiles: number
  readonly blocking: boolean
}

export interface Policies {
  readonly restart: RestartPolicy
  readonly log: DecodedLog
  readonly stdin: boolean
  /** -1: never. */
  readonly stopMs: number
  readonly autoRemove: boolean
}

export interface DecodedDetached {
  readonly options: DecodedOptions
  readonly policies: Policies
  /** To be put together with what the image says. */
  readonly health?: DecodedHealth | false
}

const MB = 1000 * 1000
const MIN_LOG_BYTES = 64 * 1024
const MAX_LOG_BYTES = 2 ** 31
const MAX_LOG_FILES = 1000
const MAX_TRIES = 2 ** 31 - 1
const DEFAULT_STOP_MS = 10_000
const MAX_STOP_MS = 2 ** 31 - 1

/** `on-failure:5` and the like. */
export const restartPolicy: Decoder<RestartPolicy> = (given) => {
  const word = text(given)
  if (E.isLeft(word)) return word
  const [name = '', count, ...more] = word.right.split(':')
  const known = restartName(name)
  if (E.isLeft(known)) return E.left({ ...known.left, value: given })
  if (count === undefined) return E.right({ name: known.right, most: 0 })
  const most = Number(count)
  const isCount = /^\d+$/.test(count) && most <= MAX_TRIES && more.length === 0
  if (isCount && known.right === 'on-failure') return E.right({ name: known.right, most })
  const why = isCount
    ? 'only on-failure has a number of tries'
    : `${JSON.stringify(count)} is no number of tries`
  return E.left({ where: '', why, value: given })
}
const restartName = oneOf('no', 'on-failure', 'always', 'unless-stopped')

const logSize = check(value.size, (bytes) =>
  bytes < MIN_LOG_BYTES || bytes > MAX_LOG_BYTES ? 'is not between 64 KiB and 2 GiB' : undefined,
)
const log = exactObject({
  form: optional(oneOf('compact', 'json-file', 'none')),
  maxSize: optional(logSize),
  maxFiles: optional(integer(1, MAX_LOG_FILES)),
  blocking: optional(value.flag),
})

const stopTimeout: Decoder<number> = (given) =>
  given === -1 || given === '-1'
    ? E.right(-1)
    : check(value.duration, (ms) => (ms > MAX_STOP_MS ? 'is longer than 24 days' : undefined))(given)

const OWN: Table = {
  restart: restartPolicy,
  stdin: value.flag,
  log,
  stopTimeout,
  autoRemove: value.flag,
  health,
}

interface Own {
  readonly restart?: RestartPolicy
  readonly stdin?: boolean
  readonly log?: {
    readonly form?: DecodedLog['form']
    readonly maxSize?: number
    readonly maxFiles?: number
    readonly blocking?: boolean
  }
  readonly stopTimeout?: number
  readonly autoRemove?: boolean
  readonly health?: DecodedHealth | false
}

/** What this page adds, and the rest. */
const apart = (options: unknown): readonly [own: unknown, others: unknown] => {
  if (!isObject(options)) return [{}, options]
  const entries = Object.entries(options)
  const isOwn = ([name]: readonly [string, unknown]): boolean => Object.hasOwn(OWN, name)
  return [
    Object.fromEntries(entries.filter(isOwn)),
    Object.fromEntries(entries.filter((entry) => !isOwn(entry))),
  ]
}

/** From untyped JavaScript. Fails: InvalidOption. */
export const decodeDetachedOptions = (
  options: unknown,
  limits: OptionLimits,
): Either<EngineError, DecodedDetached> => {
  const [ours, others] = apart(options)
  const rest = decodeTable<DecodedOptions>(CONTAINER, others, limits)
  if (E.isLeft(rest)) return rest
  const own = optionsOf<Own>(OWN)(ours)
  if (E.isLeft(own)) return own
  const { restart, stdin, log: kept = {}, stopTimeout: stopMs, autoRemove, health: asked } = own.right
  const policies: Policies = {
    restart: restart ?? { name: 'no', most: 0 },
    stdin: stdin ?? false,
    log: {
      form: kept.form ?? 'compact',
      maxBytes: kept.maxSize ?? 10 * MB,
      maxFiles: kept.maxFiles ?? 3,
      blocking: kept.blocking ?? false,
    },
    stopMs: stopMs ?? DEFAULT_STOP_MS,
    autoRemove: autoRemove ?? false,
  }
  const refused = restartOfPassing(policies)
  if (refused !== undefined) return E.left(refused)
  return E.right({ options: rest.right, policies, ...(asked === undefined ? {} : { health: asked }) })
}

/** Why these cannot be had together, if so. */
export const restartOfPassing = ({ autoRemove, restart }: Policies): EngineError | undefined =>
  autoRemove && restart.name !== 'no'
    ? {
        _tag: 'InvalidOption',
        option: 'restart',
        value: restart.name,
        why: 'a container that is removed at its end (autoRemove) cannot be started again',
      }
    : undefined

const STOP: Table = { signal: value.stopSignal, timeout: stopTimeout }

export const decodeStopOptions = (
  options: unknown,
): Either<EngineError, { readonly signal?: string; readonly timeoutMs?: number }> =>
  E.map(({ signal, timeout }: { readonly signal?: string; readonly timeout?: number }) => ({
    ...(signal === undefined ? {} : { signal }),
    ...(timeout === undefined ? {} : { timeoutMs: timeout }),
  }))(optionsOf<{ readonly signal?: string; readonly timeout?: number }>(STOP)(options))
