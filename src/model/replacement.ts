// Another container in the place of one: what changes, what is on file meanwhile, and when the new one is good enough.
import * as E from '#fp/Either'
import { pipe } from '#fp/function'
import type { ContainerDocument } from './container-document.ts'
import { type ContainerFacts, statusOf } from './container-status.ts'
import { boolean, check, type Decoder, integer, isObject, object, text } from './decode.ts'
import { type DecodedDetached, type DetachedOptions, decodeDetachedOptions } from './detached-options.ts'
import type { EngineError } from './errors.ts'
import type { Duration, ImageSource } from './options.ts'
import { decodeArgv, decodeImage, type OptionLimits, optionsOf, START, type Table } from './options-decode.ts'
import * as value from './options-decode-values.ts'
import type { DecodedOptions } from './options-decoded.ts'
import { decodeDocument } from './state-document.ts'

/** What is not given stays. `env`, `labels`, `security` and `mounts` (by target) are added to what is there. */
export interface ReplaceChanges extends Omit<DetachedOptions, 'name'> {
  /** Default: what the container's reference means by now. */
  readonly image?: ImageSource
  /** In place of its arguments. */
  readonly argv?: readonly string[]
}

export interface ReplaceOptions {
  /** Until the new one must be good. Default 60 s. */
  readonly timeout?: Duration
  /** So long one without a health check must run. Default 5 s. */
  readonly grace?: Duration
  /** Gives up: the old one is put back. */
  readonly signal?: AbortSignal
}

export interface DecodedChanges {
  readonly image?: ImageSource
  readonly argv?: readonly string[]
  readonly options: DecodedOptions
  readonly policies: Partial<DecodedDetached['policies']>
  readonly health?: DecodedDetached['health']
}

export interface DecodedReplace {
  readonly timeoutMs: number
  readonly graceMs: number
  readonly signal?: AbortSignal
}

const POLICY_OF = {
  restart: 'restart',
  stdin: 'stdin',
  log: 'log',
  stopTimeout: 'stopMs',
  autoRemove: 'autoRemove',
} as const satisfies Partial<Record<keyof DetachedOptions, keyof DecodedDetached['policies']>>

/** From untyped JavaScript. Fails: InvalidOption. */
export const decodeReplaceChanges = (
  changes: unknown,
  limits: OptionLimits,
): E.Either<EngineError, DecodedChanges> => {
  const { image, argv, ...others } = isObject(changes) ? changes : {}
  const given = Object.entries(POLICY_OF).filter(([option]) => others[option] !== undefined)
  if (others.name !== undefined)
    return E.left({
      _tag: 'InvalidOption',
      option: 'name',
      value: String(others.name),
      why: 'the new container has the name of the old one',
    })
  return pipe(
    E.Do,
    E.bind('image', () => (image === undefined ? E.right(undefined) : decodeImage(image))),
    E.bind('argv', () => (argv === undefined ? E.right(undefined) : decodeArgv(argv))),
    E.bind('wanted', () => decodeDetachedOptions(isObject(changes) ? others : changes, limits)),
    E.map(({ wanted, ...what }) => ({
      ...(what.image === undefined ? {} : { image: what.image }),
      ...(what.argv === undefined ? {} : { argv: what.argv }),
      options: wanted.options,
      policies: Object.fromEntries(given.map(([, policy]) => [policy, wanted.policies[policy]])),
      ...(wanted.health === undefined ? {} : { health: wanted.health }),
    })),
  )
}

const TIMEOUT_MS = 60_000
const GRACE_MS = 5000
const REPLACE: Table = { timeout: value.duration, grace: value.duration, signal: START.signal }

/** From untyped JavaScript. Fails: InvalidOption. */
export const decodeReplaceOptions = (options: unknown): E.Either<EngineError, DecodedReplace> =>
  pipe(
    optionsOf<{ readonly timeout?: number; readonly grace?: number; readonly signal?: AbortSignal }>(REPLACE)(
      options,
    ),
    E.map(({ timeout = TIMEOUT_MS, grace = GRACE_MS, signal }) => ({
      timeoutMs: timeout,
      graceMs: grace,
      ...(signal === undefined ? {} : { signal }),
    })),
  )

/** What the new one is created by. Its image is the caller's business. */
export const changedRequest = (
  { argv, options, policies, askedHealth }: ContainerDocument,
  changes: DecodedChanges,
  name: string,
): DecodedDetached & { readonly argv: readonly string[] } => {
  const health = changes.health ?? askedHealth
  return {
    argv: changes.argv ?? argv,
    options: { ...changedOptions(options, changes.options), name },
    policies: { ...policies, ...changes.policies },
    ...(health === undefined ? {} : { health }),
  }
}

const changedOptions = (before: DecodedOptions, changes: DecodedOptions): DecodedOptions => {
  const targets = new Set((changes.mounts ?? []).map(({ target }) => target))
  const mounts = [
    ...(before.mounts ?? []).filter(({ target }) => !targets.has(target)),
    ...(changes.mounts ?? []),
  ]
  return {
    ...before,
    ...changes,
    ...(mounts.length === 0 ? {} : { mounts }),
    ...together(before, changes, 'env'),
    ...together(before, changes, 'labels'),
    ...together(before, changes, 'security'),
  }
}

const together = <Name extends 'env' | 'labels' | 'security'>(
  before: DecodedOptions,
  changes: DecodedOptions,
  name: Name,
): Pick<DecodedOptions, Name> | object =>
  changes[name] === undefined ? {} : { [name]: { ...before[name], ...changes[name] } }

/** On file from before the first step to after the last: who finds it and no living holder finishes, or puts the old one back. */
export interface Replacement {
  readonly version: 1
  /** Id of the old one. */
  readonly old: string
  /** The new one's name until it takes the old one's. */
  readonly temporary: string
  /** The old one ran. */
  readonly ran: boolean
}

/** As it is on file. */
export interface HeldReplacement extends Replacement {
  /** Who carries it out; `startTime` as in proc_pid_stat(5). */
  readonly holder: { readonly pid: number; readonly startTime: string }
}

const replacement = object({
  version: integer(1, 1) as Decoder<1>,
  old: check(text, (id) => (/^[0-9a-f]{64}$/.test(id) ? undefined : 'is not 64 hex digits')),
  temporary: text,
  ran: boolean,
  holder: object({ pid: integer(1), startTime: text }),
})

/** Fails: StateDamaged. */
export const decodeReplacement = decodeDocument<HeldReplacement>(replacement)

/** Is the new one good enough? */
export type Verdict = { readonly good: true } | { readonly good: false; readonly why: string }

/** Undefined: not known yet. */
export const verdictOf = (
  container: ContainerFacts & { readonly document: ContainerDocument },
  graceMs: number,
  nowMs: number,
): Verdict | undefined => {
  const { document, state, exit } = container
  const status = statusOf(container)
  if (status === 'exited' || status === 'created' || status === 'restarting' || (state?.restarts ?? 0) > 0)
    return { good: false, why: `ended${exit === undefined ? '' : ` with exit code ${exit.exitCode}`}` }
  const health = document.health === undefined ? undefined : state?.health?.status
  if (health === 'unhealthy') return { good: false, why: 'became unhealthy' }
  if (document.health !== undefined) return health === 'healthy' ? { good: true } : undefined
  return state !== undefined && state.begunMs > 0 && nowMs - state.begunMs >= graceMs
    ? { good: true }
    : undefined
}
