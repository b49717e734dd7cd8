// Health checks: what an image or a caller asks for, and what becomes of both. Docker's semantics (docker-run(1), Dockerfile HEALTHCHECK).
import type { Either } from '#fp/Either'
import * as E from '#fp/Either'
import { array, check, type Decoder, exactObject, integer, oneOf, optional, text } from './decode.ts'
import type { Duration } from './options.ts'
import * as value from './options-decode-values.ts'

export interface HealthOptions {
  /** A line for the container's shell, or a program and its arguments. Default: the image's. */
  readonly command?: string | readonly string[]
  /** Between probes. Default 30 s. */
  readonly interval?: Duration
  /** Of one probe. Default 30 s. */
  readonly timeout?: Duration
  /** Failures before that do not count. Default 0. */
  readonly startPeriod?: Duration
  /** Between probes in the start period. Default 5 s. */
  readonly startInterval?: Duration
  /** So many failures in a row are unhealthy. Default 3. */
  readonly retries?: number
  /** What becomes of an unhealthy container. `'restart'`: it is stopped, and its policy decides. Default `'none'`. */
  readonly onUnhealthy?: HealthAction
}

export type HealthAction = 'none' | 'stop' | 'restart' | 'kill'

/** As a document keeps it, and a monitor does it. Times in milliseconds. */
export interface HealthCheck {
  readonly argv: readonly string[]
  readonly intervalMs: number
  readonly timeoutMs: number
  readonly startPeriodMs: number
  readonly startIntervalMs: number
  readonly retries: number
  readonly onUnhealthy: HealthAction
}

/** `Healthcheck` of an image config, times in nanoseconds; 0 is the default (docker's image-spec, an extension of OCI's). */
export interface ImageHealthcheck {
  readonly Test?: readonly string[]
  readonly Interval?: number
  readonly Timeout?: number
  readonly StartPeriod?: number
  readonly StartInterval?: number
  readonly Retries?: number
}

/** moby container/health.go. */
const DEFAULTS = {
  interval: 30_000,
  timeout: 30_000,
  startPeriod: 0,
  startInterval: 5000,
  retries: 3,
} as const
const NANOSECONDS = 1_000_000
/** moby refuses shorter ones. */
const SHORTEST_MS = 1
const LONGEST_MS = 2 ** 31 - 1
const MOST_RETRIES = 2 ** 31 - 1

export interface DecodedHealth {
  readonly command?: readonly string[]
  readonly interval?: number
  readonly timeout?: number
  readonly startPeriod?: number
  readonly startInterval?: number
  readonly retries?: number
  readonly onUnhealthy?: HealthAction
}

/** A line is for the shell, as in CMD-SHELL. */
const command: Decoder<readonly string[]> = (given) => {
  if (typeof given === 'string')
    return E.map((line: string) => ['/bin/sh', '-c', line])(value.nonEmpty(given) as Either<never, string>)
  return check(array(text), (words) => (words.length === 0 || words[0] === '' ? 'is empty' : undefined))(
    given,
  )
}
const time = check(value.duration, (ms) =>
  ms < SHORTEST_MS || ms > LONGEST_MS ? 'is not between 1 ms and 24 days' : undefined,
)

const fields: Decoder<DecodedHealth> = exactObject({
  command: optional(command),
  interval: optional(time),
  timeout: optional(time),
  startPeriod: optional(value.duration),
  startInterval: optional(time),
  retries: optional(integer(1, MOST_RETRIES)),
  onUnhealthy: optional(oneOf('none', 'stop', 'restart', 'kill')),
})

/** `false`: none, whatever the image says. */
export const health: Decoder<DecodedHealth | false> = (given) =>
  given === false ? E.right(false) : fields(given)

/** What is asked for, and the image's where nothing is; undefined where there is no check. */
export const healthCheck = (
  asked: DecodedHealth | false | undefined,
  image: ImageHealthcheck | undefined,
): HealthCheck | undefined => {
  if (asked === false) return undefined
  const argv = asked?.command ?? programOf(image?.Test)
  if (argv === undefined) return undefined
  const ms = (own: number | undefined, ns: number | undefined, usual: number): number =>
    own ?? (ns === undefined || ns === 0 ? usual : Math.max(SHORTEST_MS, Math.round(ns / NANOSECONDS)))
  const { retries } = asked ?? {}
  return {
    argv,
    intervalMs: ms(asked?.interval, image?.Interval, DEFAULTS.interval),
    timeoutMs: ms(asked?.timeout, image?.Timeout, DEFAULTS.timeout),
    startPeriodMs: ms(asked?.startPeriod, image?.StartPeriod, DEFAULTS.startPeriod),
    startIntervalMs: ms(asked?.startInterval, image?.StartInterval, DEFAULTS.startInterval),
    retries: retries ?? (image?.Retries || DEFAULTS.retries),
    onUnhealthy: asked?.onUnhealthy ?? 'none',
  }
}

const programOf = ([kind, ...words]: readonly string[] = []): readonly string[] | undefined => {
  if (kind === 'CMD' && words.length > 0) return words
  return kind === 'CMD-SHELL' && words.length > 0 ? ['/bin/sh', '-c', words.join(' ')] : undefined
}
