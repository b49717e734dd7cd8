// exec: one more process in the namespaces, groups and root of a container that runs. It ends with whoever asked for it, unless it was
// told to stay.
import type { Writable } from 'node:stream'
import * as E from '#fp/Either'
import { pipe } from '#fp/function'
import type { TaskEither } from '#fp/TaskEither'
import * as TE from '#fp/TaskEither'
import { notRunning } from '../../model/container-status.ts'
import type { EngineError } from '../../model/errors.ts'
import { containerEvent } from '../../model/events-of-containers.ts'
import type { DecodedExec } from '../../model/exec-options.ts'
import { type ResolvedUser, resolveUser } from '../../model/user-db.ts'
import { HeldPromise } from '../held-promise.ts'
import { noteAll } from '../note.ts'
import type { OutputStream } from '../ports/stdio.ts'
import type { Ports } from '../ports.ts'
import { findHome, type Home, type HomeKey, runningHome } from './exec-home.ts'
import { cannotLeave, type HeldExec, hasTerminal, isGuarded, launchExec } from './exec-process.ts'
import { type Guarded, type JoiningPlan, planJoining } from './joining.ts'

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
  /**
   * Its exit code, 128 + n after signal n; resolves when all it wrote was passed on. Never rejects. One that was left keeps the event loop
   * alive only while this is waited for.
   */
  readonly exit: Promise<number>
  /** True when it was there to receive it. */
  readonly kill: (signal: number) => boolean
  readonly resize: (columns: number, rows: number) => void
  /**
   * Leaves it to its container, with its terminal: it goes on when this process ends, and its streams end here. Fails: Unsupported where
   * it is not detachable, WrongStatus, SyscallFailed; it is the caller's still then.
   */
  readonly detach: TaskEither<EngineError, void>
  /** It has a terminal, and its container somebody to hold that. */
  readonly isDetachable: boolean
}

/**
 * Resolves when it has been executed. Fails: ContainerNotFound, AmbiguousContainer, WrongStatus, Unsupported, CommandNotFound,
 * CommandNotExecutable, UnknownUser …
 */
export const execIn =
  (wanted: string, request: ExecRequest) =>
  (ports: Ports): TaskEither<EngineError, ExecProcess> =>
    pipe(
      TE.fromEither(findHome(ports, wanted)),
      TE.filterOrElse(
        ({ isAttached }) => !(isAttached && mustBeLeft(request)),
        (): EngineError => cannotLeave(`container ${wanted} is attached`),
      ),
      TE.flatMap((home) => execWhileItRuns(ports, home, request)),
    )

/** One that ends, or has ended, is soon said to. */
const MOST_LOOKS = 100
const LOOK_MS = 10

/** Whatever failed in one that has ended meanwhile failed by that; it may run again by now. */
const execWhileItRuns =
  (ports: Ports, key: HomeKey, request: ExecRequest): TaskEither<EngineError, ExecProcess> =>
  async () => {
    const begun = once(ports, ports.host.randomId())
    for (let looks = 0; ; looks++) {
      const home = await runningHome(ports, key)()
      if (E.isLeft(home)) return home
      const done = await pipe(
        planExec(ports, home.right, request),
        TE.tapTask((plan) => () => begun.tell(home.right, plan)),
        TE.flatMap((plan) => launchExec(ports, home.right, begun.execID, plan, request)),
      )()
      // Executed: whatever fails from here on is not tried again.
      if (E.isRight(done)) return told(ports, home.right, done.right, request)()
      const end = await endOf(ports, key, home.right)
      if (end === undefined || looks === MOST_LOOKS) return E.left(end ?? done.left)
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
    }
  }

/** Of the run that was met, where that is over by now, whoever has said so. */
const endOf = async (ports: Ports, key: HomeKey, { pid, event }: Home): Promise<EngineError | undefined> => {
  const now = await runningHome(ports, key)()
  if (E.isLeft(now)) return now.left
  if (now.right.pid !== pid) return notRunning(event.name, 'restarting')
  return ports.host.isEnding(pid) ? notRunning(event.name, 'stopping') : undefined
}

/**
 * Its life in the journal, with Docker's words: the command line is part of the action. That it is begun is told before it can do anything,
 * so also of one that cannot be executed, as Docker does; its end by its container's monitor where it was left to that, else by us.
 */
const once = (
  ports: Ports,
  execID: string,
): { readonly execID: string; readonly tell: (home: Home, plan: JoiningPlan) => Promise<void> } => {
  let isTold = false
  return {
    execID,
    tell: async ({ event }, { spec }) => {
      if (isTold) return
      isTold = true
      const words = spec.process?.args?.join(' ') ?? ''
      const actions = [`exec_create: ${words}`, `exec_start: ${words}`]
      await noteAll(
        ports,
        actions.map((action) => containerEvent(action, event, { execID })),
      )
    },
  }
}

const told =
  (
    ports: Ports,
    { event }: Home,
    process: HeldExec,
    request: ExecRequest,
  ): TaskEither<EngineError, ExecProcess> =>
  async () => {
    const { execID, pid, stderr, kill, resize, isDetachable, detach, hold } = process
    const left = request.detach === true ? await leftAtOnce(process, request)() : E.right(undefined)
    // Told before the caller goes on, who may end at once.
    const exit = process.exit.then(async (exitCode) => {
      if (!(await process.isLeft()))
        await noteAll(ports, [containerEvent('exec_die', event, { exitCode: String(exitCode), execID })])
      return exitCode
    })
    if (request.detach === true && (E.isLeft(left) || process.hasEnded())) await exit
    if (E.isLeft(left)) return left
    const isOurs = !(request.detach === true && hasTerminal(request))
    const [stdin, stdout] = isOurs ? [process.stdin, process.stdout] : [null, null]
    const held = HeldPromise.of(exit, hold)
    return E.right({ pid, stdin, stdout, stderr, exit: held, kill, resize, isDetachable, detach })
  }

/** One whose terminal nobody takes would hear its hangup as soon as we end: that is not what was asked for. */
const leftAtOnce = (process: HeldExec, request: ExecRequest): TaskEither<EngineError, void> =>
  hasTerminal(request)
    ? pipe(
        process.leaveWithTerminal,
        TE.tapError(() => TE.fromIO(() => process.kill(SIGKILL))),
      )
    : TE.fromTask(process.leave)

/** Somebody has to have its terminal when we end. */
const mustBeLeft = (request: ExecRequest): boolean =>
  request.detachable === true || (request.detach === true && hasTerminal(request))

const planExec = (ports: Ports, home: Home, request: ExecRequest): TaskEither<EngineError, JoiningPlan> =>
  pipe(
    TE.Do,
    TE.bind('image', () => ports.host.prepareImage(home.image)),
    TE.bind('user', () => userInside(ports, home.pid, request.user)),
    TE.bind('guarded', () => guardedOf(ports, home, request)),
    TE.flatMap(({ image, user, guarded }) =>
      planJoining(ports, home, image, `/proc/${home.pid}`, request, user, guarded),
    ),
  )

/** One that is to stay is the container's, like any process of it: at once, or with its terminal. */
const guardedOf = (
  ports: Ports,
  { hasMonitor }: Home,
  request: ExecRequest,
): TaskEither<EngineError, Guarded | undefined> =>
  !isGuarded(request)
    ? TE.right(undefined)
    : pipe(
        ports.host.execGroups,
        TE.map((next) => ({ next, isReleasable: hasMonitor && hasTerminal(request) })),
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
