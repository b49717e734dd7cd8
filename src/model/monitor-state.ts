// What a monitor tells of its container: the state file and the exit record. docs/monitor.md, Files.
import type { Either } from '#fp/Either'
import * as E from '#fp/Either'
import {
  array,
  boolean,
  type Decoder,
  integer,
  type Mismatch,
  mismatch,
  object,
  oneOf,
  optional,
  text,
} from './decode.ts'
import { parseJson } from './json.ts'

/** Of the two documents; another one is refused. */
export const MONITOR_STATE_VERSION = 1

/**
 * `starting`: its plan is being carried out. `restarting`: it has ended, and starts again at `nextMs`. `stopped`: it has ended, and so
 * does the monitor.
 */
export type MonitorStatus = 'starting' | 'running' | 'restarting' | 'stopped'

export interface MonitorHealth {
  readonly status: 'starting' | 'healthy' | 'unhealthy'
  /** Probes that failed, one after another. */
  readonly failing: number
}

/** One line of `monitors/<id>/state`. Times are milliseconds since 1970. */
export interface MonitorState {
  readonly id: string
  readonly bootId: string
  readonly status: MonitorStatus
  /** The monitor's own. */
  readonly monitorPid: number
  /** First process, as the host counts; 0 while there is none. */
  readonly pid: number
  /** In clock ticks since the boot: /proc/<pid>/stat, field 22. 0 while there is none. */
  readonly startTime: number
  /** When it last began to run; 0: never. */
  readonly begunMs: number
  readonly restarts: number
  /** The container's own group in each hierarchy, absolute. */
  readonly groups?: readonly string[]
  /** Of `restarting`. */
  readonly nextMs?: number
  readonly health?: MonitorHealth
}

/** One line of `monitors/<id>/health`. */
export interface ProbeResult {
  readonly begunMs: number
  readonly endedMs: number
  /** -1: it took too long, or was not started. */
  readonly exitCode: number
  /** The first 4 KiB. */
  readonly output: string
}

/** Where a start failed, as the addon tells of it. `errno` 0: it died, and `op` is the word it wrote last: placeOf. */
export interface StartFailure {
  readonly phase: number
  readonly stage: number
  readonly op: number
  readonly errno: number
}

/** `containers/<id>/exit.json`. */
export interface ExitRecord {
  readonly id: string
  /** 128 + n for a signal; -1 where the kernel cannot tell, or where it was never executed. */
  readonly exitCode: number
  readonly signal?: number
  readonly oomKilled: boolean
  readonly begunMs: number
  readonly endedMs: number
  readonly restarts: number
  /** Asked for: no policy starts it again but `always`, at the next boot. */
  readonly stopped: boolean
  /** It was not executed. */
  readonly failure?: StartFailure
}

const version: Decoder<number> = (value) =>
  value === MONITOR_STATE_VERSION
    ? E.right(MONITOR_STATE_VERSION)
    : mismatch(`is not ${MONITOR_STATE_VERSION}`, value)
const count = integer(0)

const state: Decoder<MonitorState> = object({
  version,
  id: text,
  bootId: text,
  status: oneOf('starting', 'running', 'restarting', 'stopped'),
  monitorPid: count,
  pid: count,
  startTime: count,
  begunMs: count,
  restarts: count,
  groups: optional(array(text)),
  nextMs: optional(count),
  health: optional(object({ status: oneOf('starting', 'healthy', 'unhealthy'), failing: count })),
})

const probe: Decoder<ProbeResult> = object({
  begunMs: count,
  endedMs: count,
  exitCode: integer(-1, 255),
  output: text,
})

/** Oldest first. A line that cannot be read says nothing. */
export const decodeProbeResults = (lines: string): readonly ProbeResult[] =>
  lines.split('\n').flatMap((line) => {
    const parsed = fromJson(line, probe)
    return E.isRight(parsed) ? [parsed.right] : []
  })

const exit: Decoder<ExitRecord> = object({
  version,
  id: text,
  exitCode: integer(-1, 255),
  signal: optional(integer(1, 64)),
  oomKilled: boolean,
  begunMs: count,
  endedMs: count,
  restarts: count,
  stopped: boolean,
  failure: optional(object({ phase: count, stage: count, op: count, errno: count })),
})

export const decodeMonitorState = (line: string): Either<Mismatch, MonitorState> => fromJson(line, state)

export const decodeExitRecord = (line: string): Either<Mismatch, ExitRecord> => fromJson(line, exit)

const fromJson = <A>(line: string, decoder: Decoder<A>): Either<Mismatch, A> => {
  const parsed = parseJson(line)
  return E.isLeft(parsed) ? mismatch(parsed.left, line) : decoder(parsed.right)
}
