// The status of a container that outlives its engine: computed from what is true now, and what each operation asks of it.
import type { Either } from '#fp/Either'
import * as E from '#fp/Either'
import type { ContainerDocument } from './container-document.ts'
import type { EngineError, WrongStatus } from './errors.ts'
import type { ExitRecord, MonitorState } from './monitor-state.ts'

/** Docker's words. */
export type ContainerStatus = 'created' | 'running' | 'paused' | 'restarting' | 'exited'

export interface ContainerFacts {
  /** Its last end. */
  readonly exit?: ExitRecord
  /** What its monitor wrote last, on this boot. */
  readonly state?: MonitorState
  /** There is a state that cannot be read. */
  readonly isStateDamaged?: boolean
  /** Somebody holds the monitor's lock. */
  readonly hasMonitor: boolean
  /** The first process of the state is there, the very one. */
  readonly isAlive: boolean
  readonly isFrozen: boolean
}

/** A monitor that has not written a state yet is about to start the container, or to end. */
export const statusOf = (facts: ContainerFacts): ContainerStatus => {
  const { exit, state, hasMonitor, isAlive, isFrozen } = facts
  // Its monitor knows, and is asked.
  if (hasMonitor && facts.isStateDamaged === true) return 'running'
  if (isAlive && !isBetween(facts)) return isFrozen ? 'paused' : 'running'
  if (isBetween(facts)) return (state?.restarts ?? 0) > 0 ? 'restarting' : 'running'
  if (hasMonitor && state?.status === 'restarting') return 'restarting'
  // One that could not be executed has not run.
  return exit === undefined || (exit.failure !== undefined && exit.begunMs === 0) ? 'created' : 'exited'
}

/** Or will, by itself. */
export const runs = (status: ContainerStatus): boolean =>
  status === 'running' || status === 'paused' || status === 'restarting'

/**
 * A run that nobody saw end: its monitor was killed with it, or could write nothing. When it ended is not known either: at the earliest
 * when it began.
 */
export const unseenEnd = ({ exit, state, hasMonitor, isAlive }: ContainerFacts): ExitRecord | undefined => {
  if (state?.status !== 'running' || hasMonitor || isAlive || exit?.begunMs === state.begunMs)
    return undefined
  const { id, begunMs, restarts } = state
  return { id, exitCode: -1, oomKilled: false, begunMs, endedMs: begunMs, restarts, stopped: false }
}

/** Its first process has ended, or is not its program yet, and its monitor has not said what follows: soon it will. */
const isBetween = ({ hasMonitor, isAlive, state }: ContainerFacts): boolean =>
  hasMonitor && (state?.status === 'starting' || (state?.status === 'running' && !isAlive))

/** Who decides by it waits until it is: also a monitor that has said nothing yet, or has said its last, is about to. */
export const isSettled = (facts: ContainerFacts): boolean =>
  !isBetween(facts) && !(facts.hasMonitor && facts.state === undefined && facts.isStateDamaged !== true)

/** It has run, was to be removed after that, and whoever was to do it died. */
export const isSpent = (
  facts: ContainerFacts & {
    readonly document: Pick<ContainerDocument, 'policies'>
    readonly isWanted: boolean
  },
): boolean =>
  facts.document.policies.autoRemove &&
  !facts.hasMonitor &&
  !runs(statusOf(facts)) &&
  (facts.isWanted || (facts.state?.begunMs ?? 0) > 0)

/** It runs, and nobody holds its streams: its monitor died. */
export const isOrphan = ({ hasMonitor, isAlive }: ContainerFacts): boolean => isAlive && !hasMonitor

export type ContainerOperation =
  | 'start'
  | 'stop'
  | 'kill'
  | 'signal'
  | 'pause'
  | 'unpause'
  | 'remove'
  | 'exec'
  | 'attach'
  | 'update'

/** The statuses an operation works in, and the one word for them. Docker's rules. */
const WORKS_IN: Readonly<
  Record<ContainerOperation, readonly [wanted: string, ...statuses: ContainerStatus[]]>
> = {
  start: ['stopped', 'created', 'exited'],
  stop: ['running', 'running', 'paused', 'restarting'],
  kill: ['running', 'running', 'paused', 'restarting'],
  signal: ['running', 'running', 'paused'],
  pause: ['running', 'running'],
  unpause: ['paused', 'paused'],
  remove: ['stopped', 'created', 'exited'],
  exec: ['running', 'running'],
  attach: ['running', 'running', 'restarting'],
  update: ['there', 'created', 'running', 'paused', 'restarting', 'exited'],
}

export const worksIn = (operation: ContainerOperation, status: ContainerStatus): boolean =>
  (WORKS_IN[operation] as readonly string[]).indexOf(status, 1) > 0

/** Fails: WrongStatus. */
export const allowed = <A extends ContainerFacts & { readonly document: ContainerDocument }>(
  operation: ContainerOperation,
  container: A,
): Either<EngineError, A> => {
  const status = statusOf(container)
  if (worksIn(operation, status)) return E.right(container)
  const [wanted] = WORKS_IN[operation]
  return E.left({ _tag: 'WrongStatus', container: container.document.name, status, wanted })
}

/** `status`: also `starting` and `stopping`, of one that is between two. */
export const notRunning = (container: string, status: string): WrongStatus => ({
  _tag: 'WrongStatus',
  container,
  status,
  wanted: 'running',
})
