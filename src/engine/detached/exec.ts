// exec: one more process in the namespaces, groups and root of a container that runs. It ends with whoever asked for it, unless it was
// told to stay.
import { basename, dirname } from 'node:path'
import type { Writable } from 'node:stream'
import * as E from '#fp/Either'
import { pipe } from '#fp/function'
import type { TaskEither } from '#fp/TaskEither'
import * as TE from '#fp/TaskEither'
import { allowed, runs, statusOf } from '../../model/container-status.ts'
import type { EngineError } from '../../model/errors.ts'
import { containerEvent, eventContainer } from '../../model/events-of-containers.ts'
import type { DecodedExec } from '../../model/exec-options.ts'
import { type ResolvedUser, resolveUser } from '../../model/user-db.ts'
import { ownerOf } from '../../plan/launch/owner.ts'
import { noteAll } from '../note.ts'
import { exitCodeOf, heldStreams } from '../payload.ts'
import type { DetachedContainer } from '../ports/detached.ts'
import type { ExecGroup } from '../ports/host.ts'
import type { LaunchedProcess } from '../ports/launcher.ts'
import type { OpenStdio, OutputStream } from '../ports/stdio.ts'
import type { Ports } from '../ports.ts'
import { streamsOf } from '../start.ts'
import { findContainer } from './find.ts'
import { type Guarded, guardMessage, type JoiningPlan, planJoining } from './joining.ts'
import { imageOf } from './whole-plan.ts'

const ENOENT = 2
const ESRCH = 3
const SIGKILL = 9

export interface ExecRequest extends DecodedExec {
  readonly argv: readonly string[]
}

/** A process in somebody else's container, whose streams the caller holds. */
export interface ExecProcess {
  /** In the host's pid namespace. */
  readonly pid: number
  readonly stdin: Writable | null
  readonly stdout: OutputStream | null
  readonly stderr: OutputStream | null
  /** Its exit code, 128 + n after signal n; resolves when all it wrote was passed on. Never rejects. */
  readonly exit: Promise<number>
  /** True when it was there to receive it. */
  readonly kill: (signal: number) => boolean
  readonly resize: (columns: number, rows: number) => void
}

/** Resolves when it has been executed. Fails: ContainerNotFound, WrongStatus, CommandNotFound, CommandNotExecutable, UnknownUser … */
export const execIn =
  (wanted: string, request: ExecRequest) =>
  (ports: Ports): TaskEither<EngineError, ExecProcess> =>
    pipe(
      TE.fromEither(findContainer(ports, wanted)),
      TE.flatMap(({ document: { id } }) => execWhileItRuns(ports, id, request)),
    )

/** A process that ends gives up its namespaces before anybody calls it dead. */
const MOST_LOOKS = 100
const LOOK_MS = 10

/** Whatever failed in one that has ended meanwhile failed by that; it may run again by now. */
const execWhileItRuns =
  (ports: Ports, id: string, request: ExecRequest): TaskEither<EngineError, ExecProcess> =>
  async () => {
    for (let looks = 0; ; looks++) {
      const container = await running(ports, id)()
      if (E.isLeft(container)) return container
      const done = await pipe(
        planExec(ports, container.right, request),
        TE.bindTo('plan'),
        TE.bind('process', ({ plan }) => launched(ports, id, plan, request)),
        TE.flatMap(({ plan, process }) => TE.fromTask(() => told(ports, container.right, plan, process))),
      )()
      if (E.isRight(done)) return done
      if (!isOfItsEnd(done.left) || looks === MOST_LOOKS) {
        const now = await running(ports, id)()
        return E.isLeft(now) ? now : done
      }
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
    }
  }

const isOfItsEnd = (error: EngineError): boolean =>
  error._tag === 'SyscallFailed' &&
  (error.errno === ENOENT || error.errno === ESRCH) &&
  error.path?.startsWith('/proc/') === true

const running = (ports: Ports, id: string): TaskEither<EngineError, DetachedContainer> =>
  pipe(
    ports.detached.settled(id),
    TE.flatMapEither((container) => allowed('exec', container)),
  )

/**
 * Its life in the journal, with Docker's words: the command line is part of the action. That it was begun is told at once; of one that
 * stays the end is told by who is there to see it.
 */
const told = async (
  ports: Ports,
  { document }: DetachedContainer,
  { spec }: JoiningPlan,
  process: ExecProcess,
): Promise<ExecProcess> => {
  const execID = ports.host.randomId()
  const event = (action: string, more: Readonly<Record<string, string>> = {}) =>
    containerEvent(action, eventContainer(document), { ...more, execID })
  const words = spec.process?.args?.join(' ') ?? ''
  await noteAll(ports, [event(`exec_create: ${words}`), event(`exec_start: ${words}`)])
  const exit = process.exit.then(async (exitCode) => {
    await noteAll(ports, [event('exec_die', { exitCode: String(exitCode) })])
    return exitCode
  })
  return { ...process, exit }
}

const planExec = (
  ports: Ports,
  { document, state }: DetachedContainer,
  request: ExecRequest,
): TaskEither<EngineError, JoiningPlan> => {
  const pid = state?.pid ?? 0
  return pipe(
    TE.Do,
    TE.bind('image', () => ports.host.prepareImage(imageOf(document))),
    TE.bind('user', () => userInside(ports, pid, request.user)),
    TE.bind('guarded', () => guardedOf(ports, request)),
    TE.flatMap(({ image, user, guarded }) =>
      planJoining(ports, document, image, `/proc/${pid}`, request, user, guarded),
    ),
  )
}

/** One that is to stay is the container's, like any process of it. */
const guardedOf = (ports: Ports, { detach }: ExecRequest): TaskEither<EngineError, Guarded | undefined> =>
  detach === true
    ? TE.right(undefined)
    : pipe(
        ports.host.execGroups,
        TE.map((next) => ({ next })),
      )

/** By the files of the container as they are now; undefined where nobody was asked for. */
const userInside = (
  ports: Ports,
  pid: number,
  user: string | undefined,
): TaskEither<EngineError, ResolvedUser | undefined> =>
  user === undefined
    ? TE.right(undefined)
    : pipe(
        ports.host.userFiles({ kind: 'directory', path: `/proc/${pid}/root` }, {}, undefined),
        TE.flatMapEither(({ passwd, group }) => resolveUser(user, passwd, group, undefined)),
      )

const launched = (
  ports: Ports,
  id: string,
  { plan, spec, groups, own }: JoiningPlan,
  request: ExecRequest,
): TaskEither<EngineError, ExecProcess> => {
  const stdio = ports.stdio.open(streamsOf(request), ownerOf(spec))
  if (E.isLeft(stdio)) return TE.left(stdio.left)
  const streams = stdio.right
  const none = { containers: -1, records: -1, cgroups: Array.from({ length: groups }, () => -1) }
  return pipe(
    ports.launcher.launch(plan, '', { ...streams.fds, ...none }, { command: request.argv[0] ?? '' }),
    TE.tapError(() => async () => {
      streams.abandon()
      if (own !== undefined) await ports.host.endExecGroup(own)
      return E.right(undefined)
    }),
    TE.map((process) => {
      streams.started()
      return request.detach === true
        ? leftExec(ports, streams, process)
        : guardedExec(ports, streams, process, own, id)
    }),
  )
}

/** It goes on without us. */
const leftExec = (ports: Ports, streams: OpenStdio, process: LaunchedProcess): ExecProcess => {
  process.leave()
  return runningExec(ports, streams, process, async () => {})
}

/** It does not outlive us. */
const guardedExec = (
  ports: Ports,
  streams: OpenStdio,
  process: LaunchedProcess,
  own: ExecGroup | undefined,
  id: string,
): ExecProcess => {
  const unguard = ports.host.guard(process.pidfd, guardMessage(own), process.guardian)
  return runningExec(ports, streams, process, async () => {
    if (own !== undefined) await leaveGroup(ports, own, id)
    unguard()
  })
}

const runningExec = (
  ports: Ports,
  streams: OpenStdio,
  process: LaunchedProcess,
  ended: () => Promise<void>,
): ExecProcess => {
  const terminal = process.terminal === undefined ? undefined : ports.stdio.terminal(process.terminal)
  let isOver = false
  const exit = process.end.then(async (end) => {
    isOver = true
    streams.ended()
    await Promise.all([ended(), streams.finished])
    return exitCodeOf(end)
  })
  streams.onBroken(() => process.kill(SIGKILL))
  return {
    pid: process.pid,
    ...heldStreams(streams, terminal),
    exit,
    kill: (signal) => !isOver && process.kill(signal) === 0,
  }
}

/** With v2 it was in the way of the container's own, where that has ended meanwhile. */
const leaveGroup = async (ports: Ports, own: ExecGroup, id: string): Promise<void> => {
  await ports.host.endExecGroup(own)
  if (basename(own.parent.path) !== id) return
  const found = ports.detached.read(id)
  if (E.isRight(found) && found.right?.isAlive === true) return
  const above = { ...own, directory: dirname(own.directory) }
  await ports.detached.locked(id, async (container) => {
    if (!runs(statusOf(container))) await ports.host.endExecGroup(above)
    return E.right(undefined)
  })()
}
