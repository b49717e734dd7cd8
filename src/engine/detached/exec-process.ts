// One more process of a container in the hands of whoever asked for it: guarded, or left to the container.
import { basename, dirname } from 'node:path'
import * as E from '#fp/Either'
import { pipe } from '#fp/function'
import type { TaskEither } from '#fp/TaskEither'
import * as TE from '#fp/TaskEither'
import { allowed, runs, statusOf } from '../../model/container-status.ts'
import type { EngineError } from '../../model/errors.ts'
import type { DecodedExec } from '../../model/exec-options.ts'
import { ownerOf } from '../../plan/launch/owner.ts'
import { findContainer, hasProcesses } from '../containers.ts'
import { exitCodeOf, heldStreams } from '../payload.ts'
import type { MonitorConnection } from '../ports/detached.ts'
import type { ExecGroup } from '../ports/host.ts'
import type { LaunchedProcess } from '../ports/launcher.ts'
import type { OpenStdio } from '../ports/stdio.ts'
import type { Ports } from '../ports.ts'
import { streamsOf } from '../start.ts'
import type { ExecProcess, ExecRequest } from './exec.ts'
import type { Home } from './exec-home.ts'
import { heard } from './heard.ts'
import type { JoiningPlan } from './joining.ts'
import { connected } from './stop.ts'

const SIGKILL = 9

/** The caller's, or left to its container. */
export interface HeldExec extends ExecProcess {
  /** 64 hex digits. */
  readonly execID: string
  /** Its container's monitor tells how it ends; known once it has answered. Never rejects. */
  readonly isLeft: () => Promise<boolean>
  readonly hasEnded: () => boolean
  /** Asks the monitor to do so, where one lives and has room. Never fails. */
  readonly leave: () => Promise<void>
  /** From now on somebody waits for its end, also of one that was left. */
  readonly hold: () => void
  /** As `detach`, of one that nobody was attached to. */
  readonly leaveWithTerminal: TaskEither<EngineError, void>
}

/** One that was executed: in which container, under which id, with what. */
interface Executed {
  readonly ports: Ports
  readonly home: Home
  readonly execID: string
  readonly joining: JoiningPlan
  readonly streams: OpenStdio
  readonly process: LaunchedProcess
}

export const hasTerminal = ({ tty }: Pick<DecodedExec, 'tty'>): boolean => tty !== undefined && tty !== false

/** It ends with us, until somebody else has its terminal. */
export const isGuarded = (request: Pick<DecodedExec, 'tty' | 'detach'>): boolean =>
  request.detach !== true || hasTerminal(request)

/** Resolves when it has been executed, and leaves nothing where it could not be. */
export const launchExec = (
  ports: Ports,
  home: Home,
  execID: string,
  joining: JoiningPlan,
  request: ExecRequest,
): TaskEither<EngineError, HeldExec> => {
  const { plan, spec, groups } = joining
  const stdio = ports.stdio.open(streamsOf(request), ownerOf(spec))
  if (E.isLeft(stdio)) return TE.left(stdio.left)
  const streams = stdio.right
  const none = { containers: -1, records: -1, cgroups: Array.from({ length: groups }, () => -1) }
  return pipe(
    ports.launcher.launch(plan, '', { ...streams.fds, ...none }, { command: request.argv[0] ?? '' }),
    TE.tapError(() => async () => {
      streams.abandon()
      await abandoned(ports, joining)
      return E.right(undefined)
    }),
    TE.map((process) => {
      streams.started()
      const executed = { ports, home, execID, joining, streams, process }
      return isGuarded(request) ? guardedExec(executed) : leftExec(executed)
    }),
  )
}

/** It may have registered with the guardian. */
const abandoned = async (ports: Ports, { own, guard }: JoiningPlan): Promise<void> => {
  if (own !== undefined) await ports.host.endExecGroup(own)
  if (guard !== '') ports.host.guard(() => -1, guard, 0)()
}

/** It goes on without us. */
const leftExec = (executed: Executed): HeldExec => {
  executed.process.leave()
  return heldExec(executed, async () => {})
}

/** It does not outlive us, unless it is let go. */
const guardedExec = (executed: Executed): HeldExec => {
  const { ports, home, process, joining } = executed
  const { own, guard } = joining
  const unguard = ports.host.guard(process.pidfd, guard, process.guardian)
  let release: Promise<void> | undefined
  return heldExec(executed, () => {
    release ??= (own === undefined ? Promise.resolve() : leaveGroup(ports, own, home)).then(unguard)
    return release
  })
}

/** `letGo`: nobody in its group is tied to us any more; once, whoever calls it how often. */
const heldExec = (executed: Executed, letGo: () => Promise<void>): HeldExec => {
  const { ports, home, execID, streams, process } = executed
  const { id, hasMonitor } = home
  const terminal = process.terminal === undefined ? undefined : ports.stdio.terminal(process.terminal)
  const held = heldStreams(streams, terminal)
  const hasEnded = (): boolean => process.pidfd() < 0
  let isOver = false
  let isLeft = false
  let answered: Promise<unknown> = Promise.resolve()
  const exit = process.end.then(async (end) => {
    isOver = true
    streams.ended()
    await Promise.all([letGo(), streams.finished])
    return exitCodeOf(end)
  })
  streams.onBroken(() => process.kill(SIGKILL))
  // The master is closed as soon as nobody has its other end, though the program may live.
  const terminals = (): readonly number[] =>
    process.terminal === undefined || held.stdin?.destroyed === true ? [] : [process.terminal]
  const handed = async (
    connection: MonitorConnection,
    wasAttached: boolean,
  ): Promise<E.Either<EngineError, void>> => {
    // One that has ended is told of here.
    if (hasEnded()) return E.right(undefined)
    const fds = [process.pidfd(), ...terminals()]
    const done = await connection.hand({ _tag: 'Hold', pid: process.pid, wasAttached, execID }, fds)()
    isLeft ||= E.isRight(done)
    return done
  }
  const handTo =
    (connection: MonitorConnection, wasAttached: boolean): TaskEither<EngineError, void> =>
    () => {
      const handing = handed(connection, wasAttached).finally(connection.close)
      answered = handing
      return handing
    }
  const leaveWithTerminal =
    (wasAttached: boolean): TaskEither<EngineError, void> =>
    async () => {
      if (process.terminal === undefined)
        return E.left(cannotLeave('the program has no terminal: its streams end with whoever started it'))
      if (!hasMonitor) return E.left(cannotLeave('its container is attached'))
      const left = hasEnded()
        ? E.right(undefined)
        : await heard(ports, id, (container) =>
            pipe(
              TE.fromEither(allowed('exec', container)),
              TE.flatMap(() => connected(ports, container)),
              TE.flatMap((connection) => handTo(connection, wasAttached)),
            )(),
          )()
      if (E.isLeft(left)) return left
      await letGo()
      process.leave()
      for (const stream of [held.stdin, held.stdout]) stream?.destroy()
      return left
    }
  return {
    pid: process.pid,
    ...held,
    exit,
    kill: (signal) => !isOver && process.kill(signal) === 0,
    execID,
    isLeft: () => answered.then(() => isLeft),
    hasEnded,
    isDetachable: hasMonitor && process.terminal !== undefined,
    leave: async () => {
      if (!hasMonitor) return
      const connection = await ports.monitors.connect(id)()
      if (E.isRight(connection) && connection.right !== undefined) await handTo(connection.right, false)()
    },
    hold: process.hold,
    detach: leaveWithTerminal(true),
    leaveWithTerminal: leaveWithTerminal(false),
  }
}

export const cannotLeave = (why: string): EngineError => ({
  _tag: 'Unsupported',
  feature: 'to leave a program of exec running',
  why: why.endsWith('attached') ? `${why}: nobody would hold the terminal` : why,
})

/** With v2 it was in the way of the container's own, where that has ended meanwhile. */
const leaveGroup = async (ports: Ports, own: ExecGroup, { id, hasMonitor }: Home): Promise<void> => {
  await ports.host.endExecGroup(own)
  if (basename(own.parent.path) !== id) return
  const above = { ...own, directory: dirname(own.directory) }
  if (!hasMonitor) {
    const found = findContainer(ports, id)
    if (E.isLeft(found) || !hasProcesses(found.right)) await ports.host.endExecGroup(above)
    return
  }
  const found = ports.detached.read(id)
  if (E.isRight(found) && found.right?.isAlive === true) return
  await ports.detached.locked(id, async (container) => {
    if (!runs(statusOf(container))) await ports.host.endExecGroup(above)
    return E.right(undefined)
  })()
}
