// The status of an OCI container: computed from what the kernel says now, and what each operation asks of it.

import type { Either } from '#fp/Either'
import * as E from '#fp/Either'
import type { EngineError } from './errors.ts'
import type { OciRecord, ProcessIdentity } from './oci-state.ts'
import { statFields } from './process-stat.ts'

/** Those of runtime-spec runtime.md, State, and `paused`, which runc and crun have too. */
export type OciStatus = 'creating' | 'created' | 'running' | 'paused' | 'stopped'

export interface ProcessStat {
  /** One letter; `Z` is a zombie, `X` dead or on its way there. */
  readonly state: string
  readonly startTime: number
}

/** What is looked up for a status. */
export interface StatusFacts {
  readonly init?: ProcessIdentity
  readonly creator?: ProcessIdentity
  /** By pid, of those two; absent where there is no such process. */
  readonly processes: ReadonlyMap<number, ProcessStat>
  /** The socket the payload waits at: it is there from `create` to `start`. */
  readonly hasStartSocket: boolean
  readonly isFrozen: boolean
}

export const statusOf = (facts: StatusFacts): OciStatus => {
  if (facts.init === undefined) return isAlive(facts, facts.creator) ? 'creating' : 'stopped'
  if (!isAlive(facts, facts.init)) return 'stopped'
  if (facts.isFrozen) return 'paused'
  return facts.hasStartSocket ? 'created' : 'running'
}

/** A zombie runs nothing any more, and a number with another start time belongs to somebody else. */
const isAlive = ({ processes }: StatusFacts, wanted: ProcessIdentity | undefined): boolean => {
  const found = wanted === undefined ? undefined : processes.get(wanted.pid)
  return found !== undefined && found.startTime === wanted?.startTime && !/^[ZXx]$/.test(found.state)
}

/** include/linux/sched.h: it executes nothing any more. */
const PF_EXITING = 4

/**
 * Fields 3, 9 and 22 of /proc/<pid>/stat. The first process of a pid namespace becomes a zombie only when everybody in it has been
 * waited for, as a process of `exec` by its caller: it is asleep meanwhile, and yet has ended.
 */
export const parseProcessStat = (text: string): ProcessStat | undefined => {
  const fields = statFields(text)
  const [state, flags, startTime] = [fields[0], Number(fields[6]), Number(fields[19])]
  if (state === undefined || state === '' || !Number.isSafeInteger(startTime)) return undefined
  return { state: (flags & PF_EXITING) === 0 ? state : 'X', startTime }
}

/** `freezer.state` of v1 says FROZEN, `cgroup.freeze` of v2 says 1. */
export const isFrozenText = (text: string): boolean => /^(FROZEN|1)$/.test(text.trim())

/** A container as it was a moment ago. Whoever changes it looks again under the lock of its directory. */
export interface OciContainer {
  readonly record: OciRecord
  readonly status: OciStatus
  /** `<root>/<id>`, absolute. */
  readonly directory: string
}

export type OciOperation =
  | 'start'
  | 'kill'
  | 'delete'
  | 'exec'
  | 'exec ignoring pause'
  | 'pause'
  | 'resume'
  | 'update'
  | 'events'

/** The statuses an operation works in, and the one word for them. runc's rules. */
const WORKS_IN: Readonly<Record<OciOperation, readonly [wanted: string, ...statuses: OciStatus[]]>> = {
  start: ['created', 'created'],
  kill: ['running', 'created', 'running', 'paused'],
  // A container that was never started is killed first.
  delete: ['stopped', 'stopped', 'created'],
  exec: ['running', 'created', 'running'],
  'exec ignoring pause': ['running', 'created', 'running', 'paused'],
  pause: ['running', 'created', 'running'],
  resume: ['paused', 'paused'],
  update: ['running', 'created', 'running', 'paused'],
  events: ['running', 'created', 'running', 'paused'],
}

/** Fails: WrongStatus. */
export const allow = (
  operation: OciOperation,
  container: OciContainer,
): Either<EngineError, OciContainer> => {
  const [wanted, ...statuses] = WORKS_IN[operation]
  const { record, status } = container
  if (statuses.includes(status)) return E.right(container)
  return E.left({ _tag: 'WrongStatus', container: record.id, status, wanted })
}
