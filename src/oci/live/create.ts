// create: everything but the program. What is half made when something fails is taken down again.
import { mkdirSync, statSync } from 'node:fs'
import path from 'node:path'
import * as E from '#fp/Either'
import { capabilityNumber } from '../../model/capabilities.ts'
import type { EngineError } from '../../model/errors.ts'
import type { CreateRequest, Streams } from '../../model/oci-requests.ts'
import type { Hook, Spec } from '../../model/oci-spec.ts'
import type { OciRecord } from '../../model/oci-state.ts'
import type { LaunchPlan } from '../../plan/launch/index.ts'
import type { InnerHook, Lasting } from '../../plan/launch/lasting.ts'
import { attempt, attempted } from '../attempt.ts'
import { replaceFile } from '../state-dir.ts'
import { programOf, START_SOCKET } from '../status-facts.ts'
import { rememberConfig } from './config.ts'
import { copyUps } from './copy-up.ts'
import { planOf } from './document.ts'
import { type Group, groupsOf, makeGroups, openParents } from './groups.ts'
import { handOver } from './hand-over.ts'
import { withHome } from './home.ts'
import { runHooks, stateText } from './hooks.ts'
import { LastingLaunch } from './launch.ts'
import { inOwnUsers } from './own-users.ts'
import type { Parts } from './parts.ts'
import { identityOf, namespacesOf, recordFor, rootfsOf } from './record.ts'
import { listenAt } from './sockets.ts'
import { openScope, type Scope } from './systemd/scope.ts'
import { takeDown } from './take-down.ts'
import { limitUnit, writesOf } from './update.ts'

/** The steps of the payload's own program, for whoever starts it: a failure is told by number. */
export const STEPS_FILE = 'steps.json'
/** Where the root is attached for a moment, in the container's own mount namespace. */
const SCRATCH = 'root'

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
  const saved = E.flatMap(() => state.save(record))(state.saveConfig(id, request.config))
  if (E.isLeft(saved)) return saved
  const begun = await scope?.begin()
  if (begun !== undefined && E.isLeft(begun)) return begun
  undo.push(() => takeDown(parts, record.cgroup))
  const groups = attempt(() => makeGroups(parts, wanted.right, spec, scope))
  if (E.isLeft(groups)) return groups
  const inside = attempt(() => inOwnUsers(parts, withHomeOf(parts, request)))
  if (E.isLeft(inside)) return inside
  undo.push(inside.right.close)
  const scratch = path.join(directory, SCRATCH)
  mkdirSync(scratch, { mode: 0o711 })
  const lasting = lastingOf(request, !isWaitedFor && canLeave())
  const plan = planOf(
    { ...parts, facts: inside.right.facts },
    {
      id,
      spec: inside.right.spec,
      rootfs: rootfsOf(request),
      scratch,
      cgroups: groups.right,
      lasting,
    },
  )
  if (E.isLeft(plan)) return plan
  replaceFile(directory, STEPS_FILE, JSON.stringify(stepsOf(plan.right)))
  const socket = listenAt(parts, path.join(directory, START_SOCKET))
  if (E.isLeft(socket)) return socket
  const copies = copyUps(parts, spec, rootfsOf(request))
  if (E.isLeft(copies)) return copies
  const launch = startOf(parts, plan.right, request, groups.right, {
    socket: socket.right,
    copies: copies.right,
    // On v2 it is born in its group, and whoever kept that must not count among those it may have.
    ...(scope !== undefined && parts.facts.cgroup.mode === 'v2' ? { born: () => void scope.joined() } : {}),
  })
  undo.push(async () => {
    launch.kill()
    await launch.end
  })
  const reached = await reachCreated(parts, request, { launch, record, scope }, [socket.right])
  addon.closeFds(Int32Array.of(socket.right, ...copies.right))
  if (E.isLeft(reached)) return reached
  undo.splice(undo.indexOf(inside.right.close), 1)
  inside.right.close()
  const handed = await handOver(parts, request, launch)
  return E.isLeft(handed) ? handed : E.right(launch)
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

interface Start {
  readonly launch: LastingLaunch
  readonly record: OciRecord
  readonly scope: Scope | undefined
}

/** Up to the moment it waits for `start`, with the hooks of the runtime's own namespaces on the way. */
const reachCreated = async (
  parts: Parts,
  { id, spec, bundle, streams, extraFds }: CreateRequest,
  { launch, record, scope }: Start,
  given: readonly number[],
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
    launch.goOn([streams.stdin, streams.stdout, streams.stderr, ...given, ...extraOf(extraFds)])
    reached = await launch.next()
  }
  if (E.isLeft(reached)) return reached
  const init = identityOf(launch.pid)
  const waitsAs = programOf(launch.pid)
  const created = {
    ...record,
    ...(init === undefined ? {} : { init }),
    ...(waitsAs === undefined ? {} : { waitsAs }),
    namespaces: namespacesOf(spec, launch.pid),
  }
  rememberConfig(parts, created, spec)
  const saved = parts.state.save(created)
  if (E.isLeft(saved)) return saved
  launch.answer()
  if (scope === undefined) return saved
  const writes = writesOf(parts, record.cgroup, spec.linux?.resources ?? {})
  return limitUnit(scope.manager, scope.unit.name, writes, scope.isUsers)
}

const runtimeHooks = ({ hooks = {} }: Spec): readonly (readonly [string, readonly Hook[]])[] => [
  ['prestart', hooks.prestart ?? []],
  ['createRuntime', hooks.createRuntime ?? []],
]

const lastingOf = (
  { id, spec, bundle, extraFds, noNewKeyring }: CreateRequest,
  leavesParent: boolean,
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

interface Given {
  readonly socket: number
  readonly copies: readonly number[]
  /** Called as soon as there is a process. */
  readonly born?: () => void
}

const startOf = (
  { addon }: Parts,
  plan: LaunchPlan,
  { spec, streams, extraFds }: CreateRequest,
  groups: readonly Group[],
  given: Given,
): LastingLaunch => {
  const parents = openParents(groups)
  try {
    const slots = slotsOf(streams, parents.fds, [given.socket, ...extraOf(extraFds), ...given.copies])
    return new LastingLaunch(addon, plan, slots, spec.process?.args?.[0] ?? '', parents.close, {
      born: given.born,
    })
  } catch (error) {
    parents.close()
    throw error
  }
}

const stepsOf = ({ stages }: LaunchPlan): readonly (readonly [string, string | undefined])[] =>
  (stages.at(-1)?.infos ?? []).map(({ step, path: what }) => [step, what])

/** The first process of a pid namespace has no parent in it to give a child to. clone(2), CLONE_PARENT. */
export const canLeave = (): boolean => process.pid !== 1
