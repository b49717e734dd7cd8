// Verbs on containers that run in whatever process: wait, kill, pause, unpause, rename, update, top.
import * as E from '#fp/Either'
import { pipe } from '#fp/function'
import type { TaskEither } from '#fp/TaskEither'
import * as TE from '#fp/TaskEither'
import { cancelled, onAbort } from '../model/abort.ts'
import { restartOfPassing } from '../model/detached-options.ts'
import type { EngineError } from '../model/errors.ts'
import type { DecodedUpdate, WaitCondition } from '../model/living.ts'
import type { LinuxResources } from '../model/oci-spec.ts'
import { DEFAULT_PS, parsePs, psWords, type TopResult } from '../model/top.ts'
import { limitedControllers } from '../plan/launch/cgroup.ts'
import { planUpdate } from '../plan/update.ts'
import { type ContainerSummary, findContainer, hasProcesses, isDetached, summaryOf } from './containers.ts'
import { rewrite } from './detached/renew.ts'
import { killContainer as killDetached } from './detached/stop.ts'
import { waitForContainer } from './detached/wait.ts'
import type { DetachedContainer } from './ports/detached.ts'
import type { JournalPort } from './ports/journal.ts'
import type { LivingPort, MoreGroups } from './ports/living.ts'
import type { Ports } from './ports.ts'

const SIGKILL = 9
const SIGTERM = 15
const EINVAL = 22
const SHORT_ID = 12

/** What each of these verbs is given. */
export interface Living {
  readonly ports: Ports
  readonly living: LivingPort
  readonly journal: Pick<JournalPort, 'note'>
}
type Program<A> = (living: Living) => TaskEither<EngineError, A>

const wrongStatus = ({ id }: ContainerSummary, status: string, wanted: string): EngineError => ({
  _tag: 'WrongStatus',
  container: id.slice(0, SHORT_ID),
  status,
  wanted,
})

/** Also one that is paused. Fails: ContainerNotFound, AmbiguousContainer, WrongStatus for one that has ended. */
const findRunning = (ports: Ports, wanted: string): E.Either<EngineError, ContainerSummary> =>
  E.flatMap(mustRun)(findContainer(ports, wanted))

const mustRun = (found: ContainerSummary): E.Either<EngineError, ContainerSummary> =>
  hasProcesses(found) ? E.right(found) : E.left(wrongStatus(found, found.status, 'running'))

/**
 * Sends a signal to a container's first process, and gives what it was then. One that is paused goes on when it is to end by it. Fails:
 * ContainerNotFound, AmbiguousContainer, WrongStatus, SyscallFailed.
 */
export const killContainer =
  (wanted: string, signal: number): Program<ContainerSummary> =>
  ({ ports, living }) =>
    pipe(
      TE.fromEither(findContainer(ports, wanted)),
      TE.tap((found) =>
        isDetached(found)
          ? killDetached(found.id, String(signal))(ports)
          : TE.fromEither(E.flatMap(() => signalFirst(living, found, signal))(mustRun(found))),
      ),
      TE.tap(({ id, status }) =>
        status === 'paused' && (signal === SIGKILL || signal === SIGTERM)
          ? living.unpause(id)
          : TE.right(false),
      ),
    )

const signalFirst = (
  living: LivingPort,
  found: ContainerSummary,
  signal: number,
): E.Either<EngineError, void> => {
  const ended = wrongStatus(found, 'stopped', 'running')
  const first = living.first(found)
  if (first === undefined) return E.left(ended)
  try {
    return E.flatMap((sent: boolean) => (sent ? E.right(undefined) : E.left(ended)))(first.signal(signal))
  } finally {
    first.close()
  }
}

/** Fails: ContainerNotFound, AmbiguousContainer, WrongStatus, HostUnfit, SyscallFailed. */
export const pauseContainer =
  (wanted: string): Program<ContainerSummary> =>
  ({ ports, living }) =>
    pipe(
      TE.fromEither(findRunning(ports, wanted)),
      TE.tap((found) => orWrongStatus(found, 'paused', 'not paused')(living.pause(found.id, found.groups))),
    )

const orWrongStatus = (found: ContainerSummary, status: string, wanted: string) =>
  TE.filterOrElse(
    (done: boolean) => done,
    () => wrongStatus(found, status, wanted),
  )

/** Fails: ContainerNotFound, AmbiguousContainer, WrongStatus, SyscallFailed. */
export const unpauseContainer =
  (wanted: string): Program<ContainerSummary> =>
  ({ ports, living }) =>
    pipe(
      TE.fromEither(findRunning(ports, wanted)),
      TE.tap((found) => orWrongStatus(found, 'running', 'paused')(living.unpause(found.id))),
    )

/**
 * Gives a container another name, whether it runs or has ended. Fails: ContainerNotFound, AmbiguousContainer, NameInUse, InvalidOption
 * where it has that name.
 */
export const renameContainer =
  (wanted: string, name: string): Program<ContainerSummary> =>
  ({ ports }) =>
    pipe(
      TE.fromEither(findContainer(ports, wanted)),
      TE.flatMap((found) =>
        isDetached(found)
          ? renameDetached(ports, found, name)
          : renamed(ports, found, name, true, noteName(ports, found, name)),
      ),
    )

const noteName =
  ({ host: { state } }: Ports, { id }: ContainerSummary, name: string): TaskEither<EngineError, void> =>
  async () =>
    state.change(id, { ...state.changes().get(id), name })

/** The name it has by then is the one it gives up. */
const renameDetached = (
  ports: Ports,
  found: ContainerSummary,
  name: string,
): TaskEither<EngineError, ContainerSummary> =>
  ports.detached.locked(found.id, (container) => {
    const { document } = container
    const noted = rewrite(ports, container, { ...document, name })
    return renamed(ports, { ...found, name: document.name }, name, false, noted)()
  })

/**
 * `note` writes the name down: of one that belongs to an engine beside its record, which is that engine's alone to write, of another
 * one in its document. `isThere`: see StatePort.
 */
const renamed =
  (
    { host: { state } }: Ports,
    found: ContainerSummary,
    name: string,
    isThere: boolean,
    note: TaskEither<EngineError, void>,
  ): TaskEither<EngineError, ContainerSummary> =>
  async () => {
    if (found.name === name)
      return E.left({ _tag: 'InvalidOption', option: 'newName', value: name, why: 'is its name already' })
    const taken = state.takeName(name, found.id, isThere)
    if (E.isLeft(taken)) return taken
    const noted = await note()
    state.freeName(E.isRight(noted) ? found.name : name, found.id)
    return E.map(() => found)(noted)
  }

/**
 * Changes limits: of one that runs at once, and its record tells them from then on; of one that outlives its engine also for all runs to
 * come, and what becomes of it at its end. Fails: ContainerNotFound, AmbiguousContainer, WrongStatus, Unsupported for the policy of an
 * attached one, HostUnfit where no group can hold the limit here, InvalidOption and SyscallFailed where the kernel refuses a value.
 */
export const updateContainer =
  (wanted: string, update: DecodedUpdate): Program<ContainerSummary> =>
  (tools) =>
    pipe(
      TE.fromEither(findContainer(tools.ports, wanted)),
      TE.tap((found) =>
        isDetached(found)
          ? updateDetached(tools, found, update)
          : TE.fromEither(updateAttached(tools, found, update)),
      ),
    )

const updateAttached = (
  tools: Living,
  found: ContainerSummary,
  { resources, restart }: DecodedUpdate,
): E.Either<EngineError, void> =>
  restart === undefined
    ? E.flatMap(() => limitNow(tools, found, resources))(mustRun(found))
    : E.left({
        _tag: 'Unsupported',
        feature: `a restart policy of container ${found.name}`,
        why: 'it is attached: it ends with the command or the process that runs it',
      })

const updateDetached = (
  tools: Living,
  found: ContainerSummary,
  { resources, options, restart }: DecodedUpdate,
): TaskEither<EngineError, void> =>
  tools.ports.detached.locked(found.id, async (container) => {
    const { document } = container
    const now = summaryOf(container)
    const policies = { ...document.policies, ...(restart === undefined ? {} : { restart }) }
    const refused = restartOfPassing(policies)
    if (refused !== undefined) return E.left(refused)
    const changed = { ...document, policies, options: { ...document.options, ...options } }
    // On file first: what was refused for want of room there has changed nothing.
    const noted = await rewrite(tools.ports, container, changed)()
    if (E.isLeft(noted) || !hasProcesses(now) || Object.keys(resources).length === 0) return noted
    const limited = await limitRun(tools, container, resources)
    if (E.isLeft(limited)) await rewrite(tools.ports, { ...container, document: changed }, document)()
    return limited
  })

/** How often it is looked at again, of one that starts again all the time. */
const MOST_RUNS = 10

/**
 * One that ends meanwhile takes its groups with it: what is noted holds from its next start on. A run that began before that was noted has
 * groups of its own.
 */
const limitRun = async (
  tools: Living,
  container: DetachedContainer,
  resources: LinuxResources,
  left = MOST_RUNS,
): Promise<E.Either<EngineError, void>> => {
  const limited = limitNow(tools, summaryOf(container), resources)
  if (E.isRight(limited)) return limited
  const found = await tools.ports.detached.settled(container.document.id)()
  if (E.isLeft(found) || !found.right.isAlive) return E.right(undefined)
  const isAnother = found.right.state?.begunMs !== container.state?.begunMs
  return isAnother && left > 0 ? limitRun(tools, found.right, resources, left - 1) : limited
}

const limitNow = (
  tools: Living,
  found: ContainerSummary,
  resources: LinuxResources,
): E.Either<EngineError, void> =>
  E.flatMap((more: MoreGroups) => limit(tools, found, more, resources))(
    tools.living.groupsFor(found, limitedControllers(resources)),
  )

/** Noted first, where there may be no room for it; then the limits: nobody is in a new group before they hold. */
const limit = (
  { ports: { host }, living }: Living,
  found: ContainerSummary,
  more: MoreGroups,
  resources: LinuxResources,
): E.Either<EngineError, void> => {
  const before = host.state.changes().get(found.id)
  const groups = more.added.length === 0 ? {} : { groups: [...found.groups, ...more.added] }
  const after = { ...before, ...groups, resources: merged(before?.resources, resources) }
  const done = pipe(
    host.state.change(found.id, after),
    E.flatMap(() => planUpdate(more.groups, resources)),
    E.flatMap(host.setLimits),
    E.mapLeft((error) => explained(error, resources)),
    E.flatMap(() => living.enter(more)),
  )
  if (E.isLeft(done)) {
    more.undo()
    host.state.change(found.id, before)
  }
  return done
}

const merged = (before: LinuxResources = {}, after: LinuxResources): LinuxResources => ({
  ...before,
  ...after,
  ...(after.memory === undefined ? {} : { memory: { ...before.memory, ...after.memory } }),
  ...(after.cpu === undefined ? {} : { cpu: { ...before.cpu, ...after.cpu } }),
})

/** v1 counts memory and swap together: a limit of memory alone cannot be above that. */
const explained = (error: EngineError, { memory }: LinuxResources): EngineError =>
  error._tag === 'SyscallFailed' &&
  error.errno === EINVAL &&
  error.path?.startsWith('memory.limit_in_bytes') === true &&
  memory?.swap === undefined
    ? {
        _tag: 'InvalidOption',
        option: 'memory',
        value: String(memory?.limit ?? ''),
        why: 'is above the limit of memory and swap together, which stays as it was: change both',
      }
    : error

/** Of one that went with its end, where this kernel tells the status to its parent alone (before Linux 6.15). */
const UNKNOWN = -1

/**
 * Resolves with the exit code when the container has ended, at once when it has; -1 where nobody knows it. Fails: ContainerNotFound,
 * AmbiguousContainer, Cancelled by `signal`.
 */
export const waitForEnd =
  (wanted: string, condition: WaitCondition, signal: AbortSignal): Program<number> =>
  (tools) =>
  async () => {
    const found = findContainer(tools.ports, wanted)
    if (E.isLeft(found)) return found
    return isDetached(found.right)
      ? Promise.race([waitForContainer(found.right.id, condition)(tools.ports)(), aborted(signal)])
      : untilEnded(tools, found.right, signal)
  }

const aborted = (signal: AbortSignal): Promise<E.Either<EngineError, never>> =>
  new Promise((resolve) => {
    const end = (): void => resolve(E.left(cancelled(signal.reason, 'wait')))
    if (signal.aborted) end()
    else onAbort(signal, end)
  })

const untilEnded = async (
  { ports, living }: Living,
  found: ContainerSummary,
  signal: AbortSignal,
): Promise<E.Either<EngineError, number>> => {
  const first = found.status === 'stopped' ? undefined : living.first(found)
  const watch = living.watchRecords([signal])
  try {
    for (;;) {
      const now = findContainer(ports, found.id)
      if (E.isLeft(now)) return E.right(first?.exitCode() ?? UNKNOWN)
      if (now.right.status === 'stopped') return E.right(now.right.exitCode ?? first?.exitCode() ?? UNKNOWN)
      if (signal.aborted) return E.left(cancelled(signal.reason, 'wait'))
      await watch.next()
    }
  } finally {
    watch.close()
    first?.close()
  }
}

/**
 * The container's processes, as ps(1) of this host shows them with these words. Fails: ContainerNotFound, AmbiguousContainer, WrongStatus,
 * InvalidOption for words that ps refuses or that show no pid, HostUnfit where there is no ps to give words to.
 */
export const topOf =
  (wanted: string, given: readonly string[]): Program<TopResult> =>
  ({ ports, living }) => {
    const words = psWords(given)
    return pipe(
      TE.fromEither(findRunning(ports, wanted)),
      TE.bindTo('found'),
      TE.bind('text', () => living.ps(words)),
      // Read afterwards: who has come since is in no line, but who has gone is in none of these.
      TE.flatMapEither(({ found, text }) => topResult(living, living.processes(found), words, text)),
    )
  }

const topResult = (
  living: LivingPort,
  pids: readonly number[],
  words: readonly string[],
  text: string | undefined,
): E.Either<EngineError, TopResult> => {
  if (text !== undefined) return parsePs(text, pids, words)
  if (words.join(' ') === DEFAULT_PS.join(' '))
    return E.right({ titles: PS_TITLES, processes: living.processRows(pids) })
  return E.left({
    _tag: 'HostUnfit',
    need: `ps ${words.join(' ')}`,
    why: 'there is no program ps on the PATH',
    remedy: 'install procps, or ask without words: the usual columns are read from /proc',
  })
}

const PS_TITLES = ['UID', 'PID', 'PPID', 'C', 'STIME', 'TTY', 'TIME', 'CMD'] as const
