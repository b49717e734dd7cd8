// exec: one more process in the namespaces, groups and root of a container that runs. It ends with whoever asked for it, unless it was
// told to stay.
import type { Writable } from 'node:stream'
import * as E from '#fp/Either'
import { pipe } from '#fp/function'
import type { TaskEither } from '#fp/TaskEither'
import * as TE from '#fp/TaskEither'
import { allowed } from '../../model/container-status.ts'
import type { EngineError } from '../../model/errors.ts'
import type { DecodedExec } from '../../model/exec-options.ts'
import type { Spec } from '../../model/oci-spec.ts'
import type { DecodedOptions } from '../../model/options-decoded.ts'
import { type ResolvedUser, resolveUser } from '../../model/user-db.ts'
import { type CgroupParent, type LaunchInput, type LaunchPlan, planLaunch } from '../../plan/launch/index.ts'
import { PROC_NAMES } from '../../plan/launch/joined.ts'
import { ownerOf } from '../../plan/launch/owner.ts'
import type { DetachedContainer } from '../ports/detached.ts'
import type { LaunchedProcess } from '../ports/launcher.ts'
import type { OpenStdio, OutputStream } from '../ports/stdio.ts'
import type { Ports } from '../ports.ts'
import { streamsOf } from '../start.ts'
import { planDetached } from './plan.ts'
import { imageOf } from './start.ts'

const EXIT_SIGNAL_BASE = 128
const SIGKILL = 9
const UNKNOWN = 255

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
  (id: string, request: ExecRequest) =>
  (ports: Ports): TaskEither<EngineError, ExecProcess> =>
    pipe(
      TE.fromEither(ports.detached.read(id)),
      TE.flatMapEither((found) =>
        found === undefined
          ? E.left<EngineError>({ _tag: 'ContainerNotFound', container: id.slice(0, 12) })
          : allowed('exec', found),
      ),
      TE.bindTo('container'),
      TE.bind('plan', ({ container }) => planExec(ports, container, request)),
      TE.flatMap(({ plan }) => launched(ports, plan, request)),
    )

interface ExecPlan {
  readonly plan: LaunchPlan
  readonly spec: Spec
  readonly parents: readonly CgroupParent[]
}

const planExec = (
  ports: Ports,
  { document, state }: DetachedContainer,
  request: ExecRequest,
): TaskEither<EngineError, ExecPlan> => {
  const pid = state?.pid ?? 0
  return pipe(
    TE.Do,
    TE.bind('image', () => ports.host.prepareImage(imageOf(document))),
    TE.bind('user', () => userInside(ports, pid, request.user)),
    TE.flatMap(({ image, user }) => {
      let joined: Spec | undefined
      const planOf = (input: LaunchInput): LaunchPlan => {
        joined = specInside(input.spec, pid)
        return planLaunch({
          ...input,
          spec: joined,
          rootfs: { kind: 'directory', path: '/' },
          files: [],
          cgroups: input.cgroups.map(
            (parent): CgroupParent => ({ ...parent, group: document.id, isEntered: true }),
          ),
          init: false,
          lasting: LASTING_EXEC,
        })
      }
      return pipe(
        planDetached(
          ports,
          {
            ...document,
            image,
            argv: request.argv,
            options: optionsInside(document.options, request),
            ...(user === undefined ? {} : { user }),
          },
          planOf,
        ),
        TE.map(({ plan, spec, parents }): ExecPlan => ({ plan, spec: joined ?? spec, parents })),
      )
    }),
  )
}

/** The container's own, but for what this process has for itself. */
const optionsInside = (
  { tty: _tty, ...own }: DecodedOptions,
  { env, cwd, user, tty, privileged }: ExecRequest,
): DecodedOptions => ({
  ...own,
  // The image's is that of the first process.
  entrypoint: [],
  init: false,
  ...(env === undefined ? {} : { env: { ...own.env, ...env } }),
  ...(cwd === undefined ? {} : { cwd }),
  ...(user === undefined ? {} : { user }),
  ...(tty === undefined ? {} : { tty }),
  ...(privileged === true ? { security: { ...own.security, privileged } } : {}),
})

const LASTING_EXEC: NonNullable<LaunchInput['lasting']> = {
  leavesParent: false,
  waitsForStart: false,
  extraFds: 0,
  copiesUp: false,
  pausesBeforeRoot: false,
  createContainer: [],
  startContainer: [],
  isExec: true,
  keepsKeyring: true,
}

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

/** Every namespace the container has, by its first process; nothing is mounted or limited anew. */
const specInside = ({ ociVersion, linux, process }: Spec, pid: number): Spec => ({
  ociVersion,
  root: { path: '/' },
  ...(process === undefined ? {} : { process }),
  linux: {
    namespaces: (linux?.namespaces ?? []).map(({ type }) => ({
      type,
      path: `/proc/${pid}/ns/${PROC_NAMES[type]}`,
    })),
    ...(linux?.seccomp === undefined ? {} : { seccomp: linux.seccomp }),
  },
})

const launched = (
  ports: Ports,
  { plan, spec, parents }: ExecPlan,
  request: ExecRequest,
): TaskEither<EngineError, ExecProcess> => {
  const stdio = ports.stdio.open(streamsOf(request), ownerOf(spec))
  if (E.isLeft(stdio)) return TE.left(stdio.left)
  const streams = stdio.right
  const none = { containers: -1, records: -1, cgroups: parents.map(() => -1) }
  return pipe(
    ports.launcher.launch(plan, '', { ...streams.fds, ...none }, { command: request.argv[0] ?? '' }),
    TE.bimap(
      (error) => {
        streams.abandon()
        return error
      },
      (process) => {
        streams.started()
        return runningExec(ports, streams, process, request)
      },
    ),
  )
}

const runningExec = (
  ports: Ports,
  streams: OpenStdio,
  process: LaunchedProcess,
  { detach }: ExecRequest,
): ExecProcess => {
  const terminal = process.terminal === undefined ? undefined : ports.stdio.terminal(process.terminal)
  // It does not outlive us, unless that was asked for.
  const unguard = detach === true ? () => {} : ports.host.guard(process.pidfd, '', NO_GUARDIAN)
  if (detach === true) process.leave()
  let isOver = false
  const exit = process.end.then(async ({ code, signal }) => {
    isOver = true
    unguard()
    streams.ended()
    await streams.finished
    return signal === undefined ? (code ?? UNKNOWN) : EXIT_SIGNAL_BASE + signal
  })
  streams.onBroken(() => process.kill(SIGKILL))
  return {
    pid: process.pid,
    stdin: terminal?.stdin ?? streams.stdin,
    stdout: terminal?.stdout ?? streams.stdout,
    stderr: terminal === undefined ? streams.stderr : null,
    exit,
    kill: (signal) => !isOver && process.kill(signal) === 0,
    resize: terminal?.resize ?? (() => {}),
  }
}

/** It has registered with none: every one is told. */
const NO_GUARDIAN = -1
