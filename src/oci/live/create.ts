// create: everything but the program. What is half made when something fails is taken down again.
import { closeSync, constants, existsSync, mkdirSync, openSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import * as E from '#fp/Either'
import { pipe } from '#fp/function'
import { capabilityNumber } from '../../model/capabilities.ts'
import type { EngineError } from '../../model/errors.ts'
import type { CreateRequest, Streams } from '../../model/oci-requests.ts'
import type { Hook, Spec } from '../../model/oci-spec.ts'
import type { OciRecord } from '../../model/oci-state.ts'
import { takesNetwork } from '../../plan/launch/build.ts'
import type { InnerHook, Lasting } from '../../plan/launch/lasting.ts'
import { attempt, attempted } from '../attempt.ts'
import { type Commit, SCRATCH, STEPS } from '../state-dir.ts'
import { programOf, START_SOCKET } from '../status-facts.ts'
import { keyOf, rememberConfig } from './config.ts'
import { copyUps } from './copy-up.ts'
import { groupsOf, type OpenGroups, openGroups } from './groups.ts'
import { handOver } from './hand-over.ts'
import { withHome } from './home.ts'
import { runHooks, stateText } from './hooks.ts'
import { LastingLaunch } from './launch.ts'
import { inOwnUsers } from './own-users.ts'
import type { Parts } from './parts.ts'
import { type OwnPlan, ownPlan } from './plans.ts'
import { identityOf, namespacesOf, recordFor, rootfsOf } from './record.ts'
import { listenAt } from './sockets.ts'
import { openScope, type Scope } from './systemd/scope.ts'
import { takeDown } from './take-down.ts'
import { limitUnit, writesOf } from './update.ts'

export interface Made {
  readonly launch: LastingLaunch
  /** It has ended afterwards, and nothing of it is left. */
  readonly undo: () => Promise<void>
}

/**
 * `isWaitedFor`: this process stays to see its end. Fails: ContainerExists, InvalidSpec, HostUnfit, Unsupported, HookFailed,
 * CommandNotFound, SystemdFailed, SyscallFailed …
 */
export const create = async (
  parts: Parts,
  request: CreateRequest,
  isWaitedFor = false,
): Promise<E.Either<EngineError, Made>> => {
  const { state } = parts
  const reserved = state.reserve(request.id)
  if (E.isLeft(reserved)) return reserved
  const steps: Undo = [() => void state.remove(request.id)]
  const undo = async (): Promise<void> => {
    for (const step of steps.reverse()) await step()
  }
  const directory = reserved.right
  creating.add(directory)
  try {
    const made = await attempted(() =>
      withScope(parts, request, (scope) =>
        createIn(parts, request, { directory, scope, isWaitedFor, undo: steps }),
      ),
    )
    if (E.isLeft(made)) await undo()
    return E.map((launch: LastingLaunch): Made => ({ launch, undo }))(made)
  } finally {
    creating.delete(directory)
  }
}

const creating = new Set<string>()
/** Whether a `create` of this very process is under way in that directory. */
export const isCreating = (directory: string): boolean => creating.has(directory)

type Undo = (() => unknown)[]

const withScope = async <A>(
  parts: Parts,
  { spec, id }: CreateRequest,
  body: (scope: Scope | undefined) => Promise<E.Either<EngineError, A>>,
): Promise<E.Either<EngineError, A>> => {
  const scope = await openScope(parts, spec, id)
  if (E.isLeft(scope)) return scope
  try {
    return await body(scope.right)
  } finally {
    await scope.right?.close()
  }
}

interface Place {
  readonly directory: string
  /** Where systemd makes the groups. */
  readonly scope: Scope | undefined
  readonly isWaitedFor: boolean
  readonly undo: Undo
}

const createIn = async (
  parts: Parts,
  request: CreateRequest,
  { directory, scope, isWaitedFor, undo }: Place,
): Promise<E.Either<EngineError, LastingLaunch>> => {
  const { state, addon } = parts
  const { id, spec } = request
  warnOfCapabilities(parts, spec)
  const wanted = attempt(() => rootfsIsFolder(rootfsOf(request)) ?? groupsOf(parts, spec, id, scope?.path))
  if (E.isLeft(wanted)) return wanted
  // Its groups are known before they are there: should this process be killed, `delete` finds them and who is in them.
  const record = recordFor(parts, request, wanted.right, scope)
  const saved = state.save(record)
  if (E.isLeft(saved)) return saved
  const begun = await scope?.begin()
  if (begun !== undefined && E.isLeft(begun)) return begun
  undo.push(() => takeDown(parts, record.cgroup))
  const groups = attempt(() => openGroups(parts, wanted.right, spec, scope))
  if (E.isLeft(groups)) return groups
  undo.push(groups.right.close)
  const inside = attempt(() => inOwnUsers(parts, withHomeOf(parts, request)))
  if (E.isLeft(inside)) return inside
  undo.push(inside.right.close)
  const network = takeNetwork(parts, spec)
  const held = [...network]
  try {
    const plan = ownPlan(parts, spec, {
      facts: inside.right.facts,
      id,
      spec: inside.right.spec,
      rootfs: rootfsOf(request),
      scratch: makeScratch(parts),
      cgroups: groups.right.groups,
      lasting: lastingOf(request, !isWaitedFor && canLeave(), network.length > 0),
    })
    if (E.isLeft(plan)) return plan
    const socket = listenIn(parts, directory)
    if (E.isLeft(socket)) return socket
    held.push(socket.right)
    const copies = copyUps(parts, spec, rootfsOf(request))
    if (E.isLeft(copies)) return copies
    held.push(...copies.right)
    const given = { socket: socket.right, last: [...copies.right, ...network] }
    const start = startOf(parts, request, { plan: plan.right, groups: groups.right, record, scope, ...given })
    undo.splice(undo.indexOf(groups.right.close), 1)
    undo.push(async () => {
      start.launch.kill()
      await start.launch.end
    })
    const reached = await reachCreated(parts, request, start)
    if (E.isLeft(reached)) return reached
    undo.splice(undo.indexOf(inside.right.close), 1)
    inside.right.close()
    const handed = await handOver(parts, request, start.launch)
    return E.isLeft(handed) ? handed : E.right(start.launch)
  } finally {
    addon.closeFds(Int32Array.from(held))
  }
}

/** One that is ready, where the document wants one like any other. */
const takeNetwork = ({ facts, networks }: Parts, spec: Spec): readonly number[] =>
  takesNetwork({ spec, facts }) ? [networks.take()].filter((fd) => fd >= 0) : []

const makeScratch = ({ state }: Parts): string => {
  const scratch = path.join(state.root, SCRATCH)
  if (!existsSync(scratch)) mkdirSync(scratch, { recursive: true, mode: 0o711 })
  return scratch
}

const listenIn = (parts: Parts, directory: string): E.Either<EngineError, number> => {
  const fd = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY)
  try {
    return listenAt(parts, fd, path.join(directory, START_SOCKET))
  } finally {
    closeSync(fd)
  }
}

/** The specification wants those that cannot be granted logged: config.md, Linux process, capabilities. */
const warnOfCapabilities = ({ log, facts }: Parts, { process: program }: Spec): void => {
  const names = new Set(Object.values(program?.capabilities ?? {}).flat())
  const unknown = [...names].filter((name) => (capabilityNumber(name) ?? 64) > facts.lastCap)
  if (unknown.length > 0) log.warn(`ignored capabilities, which this kernel has not: ${unknown.join(', ')}`)
}

/** Throws an EngineError: the kernel would name another path, and only at the end. */
const rootfsIsFolder = (rootfs: string): undefined => {
  if (!statSync(rootfs).isDirectory())
    throw {
      _tag: 'InvalidSpec',
      document: 'config.json',
      where: '$.root.path',
      why: `${rootfs} is no directory`,
    } satisfies EngineError
}

interface Wanted {
  readonly plan: OwnPlan
  readonly groups: OpenGroups
  readonly record: OciRecord
  readonly scope: Scope | undefined
  /** The socket it waits at. Borrowed, as the others. */
  readonly socket: number
  /** What comes behind all others: what is copied up, and a network namespace. */
  readonly last: readonly number[]
}

interface Start extends Wanted {
  readonly launch: LastingLaunch
  /** What the state will be, written beside the old one. */
  readonly created: () => E.Either<EngineError, Created>
}

interface Created {
  readonly record: OciRecord
  readonly commit: Commit
}

const startOf = (parts: Parts, request: CreateRequest, wanted: Wanted): Start => {
  const { addon, facts } = parts
  const { spec, streams, extraFds } = request
  const { plan, groups, scope, socket, last } = wanted
  const slots = slotsOf(streams, groups.parents, [socket, ...extraOf(extraFds), ...last])
  let written: E.Either<EngineError, Created> | undefined
  const created = (): E.Either<EngineError, Created> => {
    written ??= writeCreated(parts, request, wanted, launch.pid)
    return written
  }
  const born = (): void => {
    // On v2 it is born in its group, and whoever kept that must not count among those it may have.
    if (facts.cgroup.mode === 'v2') void scope?.joined()
    // There is time for it: the process is busy with its mounts, and the launch thread has done its part.
    created()
  }
  const launch = new LastingLaunch(addon, plan, slots, spec.process?.args?.[0] ?? '', groups.close, { born })
  return { ...wanted, launch, created }
}

/** All that is asked for once it is created; its start time and program are known as soon as it is there. */
const writeCreated = (
  { state }: Parts,
  { id, spec, config }: CreateRequest,
  { record, plan }: Wanted,
  pid: number,
): E.Either<EngineError, Created> =>
  pipe(
    state.saveConfig(id, config),
    E.flatMap(() =>
      attempt((): OciRecord => {
        const steps = JSON.stringify(stepsOf(plan))
        writeFileSync(path.join(state.directoryOf(id), STEPS), steps, { mode: 0o600 })
        const init = identityOf(pid)
        const waitsAs = programOf(pid)
        return {
          ...record,
          ...(init === undefined ? {} : { init }),
          ...(waitsAs === undefined ? {} : { waitsAs }),
          namespaces: namespacesOf(spec, pid),
        }
      }),
    ),
    E.bindTo('record'),
    E.bind('commit', (made) => state.prepare(made.record)),
  )

/** Up to the moment it waits for `start`, with the hooks of the runtime's own namespaces on the way. */
const reachCreated = async (
  parts: Parts,
  { id, spec, bundle, streams, extraFds }: CreateRequest,
  { launch, scope, created, socket }: Start,
): Promise<E.Either<EngineError, void>> => {
  let reached = await launch.next()
  await scope?.joined()
  if (E.isRight(reached) && reached.right === 'paused') {
    const text = stateText(spec, { id, status: 'created', pid: launch.pid, bundle })
    const hooks = runtimeHooks(spec)
    for (const [name, list] of hooks) {
      const ran = await runHooks(name, list, text)
      if (E.isLeft(ran)) return ran
    }
    launch.goOn([streams.stdin, streams.stdout, streams.stderr, socket, ...extraOf(extraFds)])
    reached = await launch.next()
  }
  if (E.isLeft(reached)) return reached
  const written = created()
  if (E.isLeft(written)) return written
  const { record, commit } = written.right
  const saved = commit()
  if (E.isLeft(saved)) return saved
  rememberConfig(parts, record, spec)
  waitForStart(parts, record, launch)
  launch.answer()
  if (takesNetwork({ spec, facts: parts.facts })) parts.networks.refillAfter(launch.end)
  if (scope === undefined) return saved
  const writes = writesOf(parts, record.cgroup, spec.linux?.resources ?? {})
  return limitUnit(scope.manager, scope.unit.name, writes, scope.isUsers)
}

/** Where the same process starts it, it need not ask who that is. */
const waitForStart = ({ waiting }: Parts, record: OciRecord, launch: LastingLaunch): void => {
  const key = keyOf(record)
  waiting.set(key, launch)
  void launch.end.then(() => waiting.delete(key))
}

const runtimeHooks = ({ hooks = {} }: Spec): readonly (readonly [string, readonly Hook[]])[] => [
  ['prestart', hooks.prestart ?? []],
  ['createRuntime', hooks.createRuntime ?? []],
]

const lastingOf = (
  { id, spec, bundle, extraFds, noNewKeyring }: CreateRequest,
  leavesParent: boolean,
  networkGiven: boolean,
): Lasting => {
  const { hooks = {} } = spec
  // A hook in the container sees its first process as that one sees itself.
  const inner = (list: readonly Hook[] = []): InnerHook[] =>
    list.map((hook) => ({ hook, state: stateText(spec, { id, status: 'created', pid: 1, bundle }) }))
  return {
    leavesParent,
    waitsForStart: true,
    extraFds,
    copiesUp: true,
    networkGiven,
    pausesBeforeRoot: runtimeHooks(spec).some(([, list]) => list.length > 0),
    createContainer: inner(hooks.createContainer),
    startContainer: inner(hooks.startContainer),
    keepsKeyring: noNewKeyring,
  }
}

const withHomeOf = (parts: Parts, request: CreateRequest): Spec => {
  const { spec, listenFds } = request
  const whole = listenFds > 0 ? withListenFds(spec, listenFds) : spec
  const { process: program } = whole
  return program === undefined ? whole : { ...whole, process: withHome(parts, program, rootfsOf(request)) }
}

/** sd_listen_fds(3): the payload is told how many it has, and that they are its own. */
const withListenFds = (spec: Spec, count: number): Spec => {
  const { process: program } = spec
  if (program === undefined) return spec
  const env = [...(program.env ?? []), `LISTEN_FDS=${count}`, 'LISTEN_PID=1']
  return { ...spec, process: { ...program, env } }
}

/** Those this process was started with. */
export const extraOf = (count: number): readonly number[] =>
  Array.from({ length: count }, (_, index) => 3 + index)

/** What every plan's first slots are; nobody guards a lasting process, and it has no place in an engine's state. */
export const slotsOf = (
  { stdin, stdout, stderr }: Streams,
  parents: readonly number[],
  more: readonly number[],
): readonly number[] => [-1, stdin, stdout, stderr, -1, -1, ...parents, ...more]

const stepsOf = ({ plan, say }: OwnPlan): readonly (readonly [string, string | undefined])[] =>
  (plan.stages.at(-1)?.infos ?? []).map(({ step, path: what }) => [
    step,
    what === undefined ? what : say(what),
  ])

/** The first process of a pid namespace has no parent in it to give a child to. clone(2), CLONE_PARENT. */
export const canLeave = (): boolean => process.pid !== 1
