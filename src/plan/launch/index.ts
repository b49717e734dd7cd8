// Spec + HostFacts → LaunchPlan: the whole start as data. Nothing is decided after this.

import type { Mount, Process } from '../../model/oci-spec.ts'
import {
  AT_FDCWD,
  CLONE_NEWNET,
  CLONE_NEWPID,
  CLONE_NEWUSER,
  EEXIST,
  MSG_NOSIGNAL,
  O_CLOEXEC,
  O_CREAT,
  O_EXCL,
  O_PATH,
  O_WRONLY,
  oDirectory,
} from '../kernel.ts'
import { type Arch, type OpInfo, Program, Slot, SlotSpace } from '../program.ts'
import { makeTerminal } from '../terminal.ts'
import { openBind } from './binds.ts'
import {
  type CgroupParent,
  groupPath,
  has,
  hasNew,
  LaunchBuild,
  type LaunchInput,
  type ReceivedLayers,
} from './build.ts'
import { type CgroupWrite, killFile, limitWrites } from './cgroup.ts'
import { makeDetached } from './detached.ts'
import { placeDevices } from './devices.ts'
import { type MappedBind, mapBinds, openShared } from './early-binds.ts'
import {
  enterJoined,
  enterTimeNamespace,
  isJoined,
  type JoinedNamespace,
  NAMESPACE_FLAGS,
  openJoined,
} from './joined.ts'
import { layerNames, overlayCount, overlaysOf } from './layer-names.ts'
import { isBind } from './mount-options.ts'
import {
  attachStores,
  makeReadonly,
  maskPaths,
  mountAll,
  mountFiles,
  mountLate,
  openBinds,
} from './mounts.ts'
import { type EngineNetwork, engineNetwork } from './network.ts'
import { patchesOf } from './own-text.ts'
import { writeFile } from './paths.ts'
import { enterTime, ownProc, setTimeOffsets } from './proc.ts'
import {
  bringUpLoopback,
  dieWithEngine,
  firePayload,
  parkPayload,
  type Sandbox,
  STREAM_NAMES,
  waitForPayload,
} from './process.ts'
import { spreadRoot } from './propagation.ts'
import { detachPropagation, engineOverlays, enterRoot, makeRootReadonly, mountRoot } from './rootfs.ts'
import { openUsageFiles, type UsageFile } from './usage.ts'
import { becomeRoot, mapLayer, openPrivateLayers, planCarriedCapabilities, writeMaps } from './userns.ts'

export type { CgroupParent, LaunchInput } from './build.ts'
export type { UsageFile } from './usage.ts'

/** What one engine-side or child-side program is, for errors and `explain`. */
export interface PlannedProgram {
  readonly bytes: Uint8Array
  readonly infos: readonly OpInfo[]
}

export interface PlannedStage extends PlannedProgram {
  /** Engine-side slots that travel with the stage; of a `later` one places in the list it is sent with. */
  readonly fds: readonly number[]
  readonly base: number
  /** `later`: sent when the sandbox is fired, with descriptors of that moment. */
  readonly when: 'early' | 'after' | 'last' | 'later'
}

/** Engine-side slots the caller fills before a launch. The rest the prepare program fills itself. */
export const ENGINE_SLOTS = {
  guardian: 0,
  stdin: 1,
  stdout: 2,
  stderr: 3,
  containers: 4,
  records: 5,
  cgroups: 6,
} as const

export interface LaunchPlan {
  /** The container the bytes and infos speak of; another start of this shape writes its own text in their place. */
  readonly id: string
  /** Where an own text goes, see own-text.ts. */
  readonly patches: Uint32Array
  readonly prepare: PlannedProgram
  readonly after: PlannedProgram
  /** Enters the namespaces that are there already, for the clone to be born in them. */
  readonly join?: PlannedProgram
  /** Run by the clone before it executes the helper. */
  readonly inChild?: PlannedProgram
  /** Run on the engine's second thread, while the first one makes the groups and the child. */
  readonly layers?: PlannedProgram
  readonly network?: PlannedProgram
  readonly stages: readonly PlannedStage[]
  readonly cloneFlags: number
  readonly cgroupSlot?: number
  readonly slotCount: number
  /** Files of the container's own groups that are kept open while it runs, to be read at its end. */
  readonly usage: readonly UsageFile[]
  /** Slots closed when the start is over. */
  readonly close: readonly number[]
}

/** The half of the engine: records and directories, cgroups and their limits. */
interface EngineHalf {
  readonly slots: SlotSpace
  readonly prepare: Program
  readonly layers: Program
  readonly after: Program
  readonly groups: Slot[]
  readonly usage: UsageFile[]
  /** Descriptors of `tasks` files, sent to the child so that it joins by itself. */
  readonly tasks: Slot[]
  /** With a user namespace: the layers as descriptors. */
  readonly mapped: Slot[]
  readonly join: Program
  /** Namespaces that are there already. */
  readonly joined: readonly JoinedNamespace[]
  /** Binds whose ids only the engine may change. */
  readonly mappedBinds: MappedBind[]
  /** Without one, where the engine can: the overlays, mounted. */
  overlays: readonly Slot[] | undefined
  readonly network: EngineNetwork | undefined
  cgroupSlot: number | undefined
}

/** A sandbox that is made ahead: all but the last stage, and what `planFire` needs to make that. */
export interface ArmedPlan extends LaunchPlan {
  readonly sandbox: Sandbox
  /** Slots of the child that are taken. */
  readonly takenSlots: number
}

export const planLaunch = (input: LaunchInput): LaunchPlan => assemble(input, false)

/** `lateMounts`: a start may bring mounts, which the filter of most profiles would refuse. */
export const planArmed =
  (lateMounts: boolean) =>
  (input: LaunchInput): ArmedPlan => {
    if (input.spec.process?.terminal === true) throw new Error('a sandbox that waits has no terminal')
    return assemble(input, true, lateMounts)
  }

/**
 * The stage that makes `process` the payload of a sandbox that waits. `given`: of the streams in their order, those that come with
 * it; the others are nothing but /dev/null. After the three streams come the sources of the binds among `mounts`.
 */
export const planFire = (
  { sandbox, takenSlots }: ArmedPlan,
  process: Process,
  given: readonly boolean[],
  mounts: readonly Mount[] = [],
): PlannedStage => {
  const slots = new SlotSpace()
  slots.count = takenSlots
  const fire = new Program(sandbox.arch, slots)
  const streamFds = [0, 1, 2].filter((fd) => given[fd] === true || !sandbox.connected)
  const streams = Object.fromEntries(streamFds.map((fd) => [STREAM_NAMES[fd], slots.next()]))
  const trees = mounts.filter(isBind).map(() => slots.next())
  mountLate(fire, sandbox, mounts, trees)
  firePayload(fire, sandbox, process, streams)
  const fds = [...streamFds, ...trees.map((_, index) => 3 + index)]
  return { ...planned(fire), fds, base: takenSlots, when: 'later' }
}

/** On the engine's side: the sources of binds, each into a slot of its own. */
export const planOpenBinds = (arch: Arch, binds: readonly Mount[]): PlannedProgram => {
  const program = new Program(arch, new SlotSpace())
  for (const mount of binds) openBind(program, mount)
  return planned(program)
}

const assemble = (input: LaunchInput, parked: boolean, lateMounts = false): ArmedPlan => {
  const process = input.spec.process
  if (process === undefined) throw new Error('a launch needs a process')
  const build = new LaunchBuild(input, parked)
  const engine = planEngine(input, build.hasUserns)
  const guardian = build.slots.next()
  const time = engine.joined.filter(({ type }) => type === 'time').map(({ fd }) => fd.index)
  const [joinedTime] = time.map(() => build.slots.next())
  const tasks = engine.tasks.map(() => build.slots.next())
  build.received = receiveLayers(build, engine)
  build.overlays = engine.overlays?.map(() => build.slots.next())
  for (const { mount } of engine.mappedBinds) build.receiveTree(mount)
  build.network = engine.network?.namespace && build.slots.next()
  const streams = { stdin: build.slots.next(), stdout: build.slots.next(), stderr: build.slots.next() }
  planBegin(build, guardian, joinedTime)
  const { root, proc, terminal } = planArm(build, tasks)
  parkPayload(build, proc, process)
  const made: Sandbox = {
    arch: build.arch,
    lastCap: input.facts.lastCap,
    root,
    dev: build.mounted.find(({ destination }) => destination === '/dev')?.fd,
    namespace: build.namespace,
    streams: terminal === undefined ? streams : { stdin: terminal, stdout: terminal, stderr: terminal },
    connected: false,
    noDevices: build.noDevices,
    terminal: terminal !== undefined,
    init: input.init,
    filter: input.filter,
    noNewPrivileges: process.noNewPrivileges === true,
  }
  const sandbox = parked ? waitForPayload(build, made, lateMounts) : made
  if (!parked) firePayload(build.fire, sandbox, process)
  const handed = [
    ...engine.tasks,
    ...engine.mapped,
    ...(engine.overlays ?? []),
    ...engine.mappedBinds.map(({ tree }) => tree),
  ]
  const handedAt = handed.map((slot) => slot.index)
  const makesUserns = hasNew(input.spec, 'user')
  const { guardian: socket, stdin, stdout, stderr } = ENGINE_SLOTS
  const waits = engine.after.opCount > 0 || engine.layers.opCount > 0
  const when = waits ? 'after' : 'early'
  const last = engine.network === undefined ? when : 'last'
  const programs = {
    prepare: planned(engine.prepare),
    after: planned(engine.after),
    ...(engine.join.opCount > 0 ? { join: planned(engine.join) } : {}),
    ...(build.hasUserns ? { inChild: planned(planCarriedCapabilities(input, engine.slots)) } : {}),
    ...(engine.layers.opCount > 0 ? { layers: planned(engine.layers) } : {}),
    ...(engine.network === undefined ? {} : { network: planned(engine.network.program) }),
    stages: [
      stage(build.begin, [socket, ...time], guardian, makesUserns ? 'after' : 'early'),
      stage(build.arm, handedAt, new Slot(guardian.index + 1 + time.length), when),
      ...(build.network && engine.network?.namespace
        ? [stage(build.settle, [engine.network.namespace.index], build.network, last)]
        : []),
      parked
        ? stage(build.park, [], streams.stdin, last)
        : stage(build.fire, [stdin, stdout, stderr], streams.stdin, last),
    ],
  }
  return {
    ...programs,
    sandbox,
    takenSlots: build.slots.count,
    id: input.id,
    patches: patchesOf(programs, input.id, input.createdMs),
    cloneFlags: (hasNew(input.spec, 'pid') ? CLONE_NEWPID : 0) | (makesUserns ? CLONE_NEWUSER : 0),
    ...(engine.cgroupSlot === undefined ? {} : { cgroupSlot: engine.cgroupSlot }),
    slotCount: engine.slots.count,
    usage: engine.usage,
    close: [
      ...[...engine.groups, ...handed, ...(engine.network?.namespace ? [engine.network.namespace] : [])].map(
        (slot) => slot.index,
      ),
      ...engine.joined.map(({ fd }) => fd.index),
    ],
  }
}

const stage = (
  program: Program,
  fds: readonly number[],
  base: Slot,
  when: PlannedStage['when'],
): PlannedStage => ({ ...planned(program), fds, base: base.index, when })

const planned = (program: Program): PlannedProgram => ({ bytes: program.encode(), infos: program.infos })

const planEngine = (input: LaunchInput, hasUserns: boolean): EngineHalf => {
  const slots = new SlotSpace()
  const arch = input.facts.arch
  for (let i = 0; i < ENGINE_SLOTS.cgroups + input.cgroups.length; i++) slots.next()
  const prepare = new Program(arch, slots)
  const join = new Program(arch, slots)
  const joined = openJoined(prepare, input)
  enterJoined(join, joined)
  const half: EngineHalf = {
    slots,
    prepare,
    join,
    joined,
    layers: new Program(arch, slots),
    after: new Program(arch, slots),
    groups: [],
    usage: [],
    tasks: [],
    mapped: [],
    mappedBinds: [],
    overlays: undefined,
    network: engineNetwork(input, slots, hasUserns),
    cgroupSlot: undefined,
  }
  writeRecord(half, input)
  makeLayers(half, input, hasUserns)
  if (!hasUserns) half.overlays = engineOverlays(half.layers, input)
  input.cgroups.forEach((parent, index) => {
    makeGroup(half, input, parent, ENGINE_SLOTS.cgroups + index)
  })
  if (hasUserns && overlayCount(input.rootfs) > 0) mapLayers(half, input)
  else finishMaps(half, input, hasNew(input.spec, 'user') ? writeMaps(half.after, input) : undefined)
  return half
}

/** The private layers' tree first, then every overlay's lowers. */
const mapLayers = (half: EngineHalf, input: LaunchInput): void => {
  half.mapped.push(openPrivateLayers(half.prepare, input, engineSlot('containers')))
  const namespace = writeMaps(half.after, input)
  for (const lower of overlaysOf(input.rootfs).flat())
    half.mapped.push(mapLayer(half.after, lower, namespace))
  finishMaps(half, input, namespace)
}

const finishMaps = (
  { after, mappedBinds, joined }: EngineHalf,
  input: LaunchInput,
  namespace: Slot | undefined,
): void => {
  const own = namespace ?? joined.find(({ type }) => type === 'user')?.fd
  mappedBinds.push(...mapBinds(after, input, own))
  if (namespace !== undefined) after.call('close', 'close', [namespace])
}

/** Slots of the child for what `mapLayers` made, in the same order. */
const receiveLayers = (build: LaunchBuild, engine: EngineHalf): readonly ReceivedLayers[] | undefined => {
  if (!build.hasUserns) return undefined
  const [own, ...lowers] = engine.mapped.map(() => build.slots.next())
  if (own === undefined) return undefined
  return overlaysOf(build.input.rootfs).map(({ length }) => ({ own, lowers: lowers.splice(0, length) }))
}

const slotAt = (index: number): Slot => new Slot(index)

const writeRecord = ({ prepare, slots }: EngineHalf, input: LaunchInput): void => {
  const fd = slots.next()
  const flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC
  prepare.call('make record', 'openat', [engineSlot('records'), prepare.text(input.id), flags, 0o600], {
    into: fd,
    path: input.id,
  })
  prepare.call('write record', 'write', [fd, prepare.text(input.record), Buffer.byteLength(input.record)])
  prepare.call('close', 'close', [fd])
}

/** A user namespace's layers are handed over with it, so they are made first. */
const makeLayers = ({ prepare, layers }: EngineHalf, input: LaunchInput, hasUserns: boolean): void => {
  const program = hasUserns ? prepare : layers
  const overlays = overlayCount(input.rootfs)
  if (overlays === 0) return
  const make = (name: string, mode: number): void => {
    program.call(
      'make container directory',
      'mkdirat',
      [engineSlot('containers'), program.text(name), mode],
      { path: name },
    )
  }
  make(input.id, 0o700)
  for (let index = 0; index < overlays; index++) {
    const { upper, work } = layerNames(index)
    make(`${input.id}/${upper}`, 0o755)
    make(`${input.id}/${work}`, 0o700)
  }
}

/**
 * v1: made beside the child, which joins by itself once the limits are set. v2: the child is born inside, so its group comes
 * before the clone and the limits after it; either way before anything of the container's runs.
 */
const makeGroup = (half: EngineHalf, input: LaunchInput, parent: CgroupParent, from: number): void => {
  const { prepare, after, slots } = half
  const what = groupPath(parent, input)
  const early = parent.version === 2 ? prepare : after
  const name = early.text(parent.group ?? input.id)
  const tolerate = parent.group === undefined ? [] : [EEXIST]
  early.call('make cgroup', 'mkdirat', [slotAt(from), name, 0o755], { path: what, tolerate })
  const group = slots.next()
  const flags = O_PATH | O_CLOEXEC | oDirectory(input.facts.arch)
  early.call('open cgroup', 'openat', [slotAt(from), name, flags, 0], { into: group, path: what })
  half.groups.push(group)
  half.usage.push(...openUsageFiles(after, group, parent))
  for (const write of limitWrites(parent, input.spec.linux?.resources ?? {})) writeLimit(after, group, write)
  if (parent.version === 2) {
    half.cgroupSlot = group.index
    return
  }
  const tasks = slots.next()
  after.call('open cgroup tasks', 'openat', [group, after.text('tasks'), O_WRONLY | O_CLOEXEC, 0], {
    into: tasks,
    path: `${what}/tasks`,
  })
  half.tasks.push(tasks)
}

const ENOENT = 2
const writeLimit = (program: Program, group: Slot, write: CgroupWrite): void => {
  const fd = program.slots.next()
  const what = { path: `${write.file} = ${write.value}` }
  const test = program.opCount
  const tolerate = write.optional === true || write.otherwise !== undefined ? { tolerate: [ENOENT] } : {}
  program.call('open cgroup limit', 'openat', [group, program.text(write.file), O_WRONLY | O_CLOEXEC, 0], {
    into: fd,
    ...what,
    ...tolerate,
  })
  program.call(
    'set cgroup limit',
    'write',
    [fd, program.text(write.value), Buffer.byteLength(write.value)],
    what,
  )
  program.call('close', 'close', [fd])
  const { otherwise } = write
  if (otherwise === undefined) program.skipOnTolerated(test, program.opCount)
  else
    program.passOver(() => {
      program.skipOnTolerated(test, program.opCount)
      writeLimit(program, group, otherwise)
    })
}

const engineSlot = (name: keyof typeof ENGINE_SLOTS): Slot => slotAt(ENGINE_SLOTS[name])

/**
 * What needs nothing of the engine but its own process: it takes the child as long as the groups and layers take the engine,
 * and on a second processor both go on at once. The cgroup namespace comes later: it shows the group it was made in.
 */
const planBegin = (build: LaunchBuild, guardian: Slot, joinedTime: Slot | undefined): void => {
  const { begin, input } = build
  // Registered before anything else: whatever happens from here on, the guardian knows whom to kill.
  begin.call('register with guardian', 'sendto', [
    guardian,
    begin.text(guardMessage(input)),
    guardMessage(input).length + 1,
    MSG_NOSIGNAL,
    0,
    0,
  ])
  enterTimeNamespace(begin, joinedTime)
  if (build.hasUserns) becomeRoot(begin)
  dieWithEngine(begin)
  unshare(
    begin,
    namespacesOf(input, (type) => type !== 'cgroup' && !(type === 'network' && build.networkComesLater)),
  )
  begin.call('clear umask', 'umask', [0])
  if (!isJoined(input.spec, 'mount')) {
    openShared(build)
    detachPropagation(build)
  }
  setNames(build)
  if (hasNew(input.spec, 'network') && !build.networkComesLater) bringUpLoopback(begin)
  makeDetached(build)
  build.proc = ownProc(build)
  setTimeOffsets(build)
  enterTime(build)
}

/** Builds the sandbox: after it only argv, environment, user and streams are missing. */
const planArm = (
  build: LaunchBuild,
  tasks: readonly Slot[],
): { root: Slot; proc: Slot | undefined; terminal: Slot | undefined } => {
  const { arm, settle, input, network } = build
  for (const fd of tasks) arm.call('join cgroup', 'write', [fd, arm.text('0'), 1])
  unshare(
    arm,
    namespacesOf(input, (type) => type === 'cgroup'),
  )
  if (network !== undefined) settle.call('enter network namespace', 'setns', [network, CLONE_NEWNET])
  if (isJoined(input.spec, 'mount')) return armJoined(build)
  const binds = openBinds(build)
  attachStores(build)
  const root = mountRoot(build)
  const rest = mountAll(build, root, binds)
  placeDevices(rest, build, root)
  const { proc } = build
  const process = input.spec.process
  const terminal = process?.terminal === true ? makeTerminal(build, rest, process) : undefined
  mountFiles(build, rest, root)
  setSysctls(build, proc)
  maskPaths(build, rest, root)
  makeReadonly(build, rest, root)
  makeRootReadonly(build, root)
  if (proc !== undefined) openNamespace(build, proc)
  enterRoot(build, root)
  spreadRoot(build, root)
  return { root, proc, terminal }
}

/** In a mount namespace that is there already the root is its root, and nothing is mounted. */
const armJoined = (build: LaunchBuild): { root: Slot; proc: Slot | undefined; terminal: undefined } => {
  const { arm, arch, proc } = build
  const root = arm.slots.next()
  arm.call('open root', 'openat', [AT_FDCWD, arm.text('/'), O_PATH | O_CLOEXEC | oDirectory(arch), 0], {
    into: root,
    path: '/',
  })
  setSysctls(build, proc)
  return { root, proc, terminal: undefined }
}

/**
 * Whoever drops a mount namespace last takes all of its mounts down. While the engine holds it too, that is not the payload, so
 * its end is seen a tenth of a millisecond earlier. The path leads through our own proc alone.
 */
const openNamespace = (build: LaunchBuild, proc: Slot): void => {
  const { arm } = build
  build.namespace = arm.slots.next()
  const args = [proc, arm.text('self/ns/mnt'), O_CLOEXEC, 0]
  arm.call('open mount namespace', 'openat', args, { into: build.namespace, path: 'self/ns/mnt' })
}

/** Empty for a container with a pid namespace of its own: the end of its first process is the end of all. */
const guardMessage = (input: LaunchInput): string => {
  const group = input.cgroups[0]
  if (hasNew(input.spec, 'pid') || group === undefined) return ''
  return `${groupPath(group, input)}/${killFile(group.version, input.facts.kernel)}`
}

const setNames = ({ begin, input }: LaunchBuild): void => {
  if (!has(input.spec, 'uts')) return
  const { hostname, domainname } = input.spec
  if (hostname !== undefined)
    begin.call('set hostname', 'sethostname', [begin.text(hostname), Buffer.byteLength(hostname)], {
      path: hostname,
    })
  if (domainname !== undefined)
    begin.call('set domainname', 'setdomainname', [begin.text(domainname), Buffer.byteLength(domainname)], {
      path: domainname,
    })
}

/** Written through the descriptor of our own proc, before /proc/sys becomes read-only (CVE-2025-52881). */
const setSysctls = (build: LaunchBuild, proc: Slot | undefined): void => {
  for (const [name, value] of Object.entries(build.input.spec.linux?.sysctl ?? {})) {
    if (proc !== undefined)
      writeFile(build.settle, 'set sysctl', proc, `sys/${name.replaceAll('.', '/')}`, value)
  }
}

/** Those the child makes by itself; the others it is born in. */
const MADE = ['mount', 'uts', 'ipc', 'network', 'cgroup', 'time'] as const
type NamespaceName = (typeof MADE)[number]

/** A mount namespace is made unless one is joined. */
const namespacesOf = (input: LaunchInput, wanted: (type: NamespaceName) => boolean): NamespaceName[] =>
  MADE.filter((type) => (type === 'mount' ? !isJoined(input.spec, type) : hasNew(input.spec, type))).filter(
    wanted,
  )

const unshare = (program: Program, types: readonly NamespaceName[]): void => {
  if (types.length === 0) return
  const flags = types.reduce((all, type) => all | NAMESPACE_FLAGS[type], 0)
  program.call('unshare namespaces', 'unshare', [flags], { path: types.join(' ') })
}
