// Spec + HostFacts → LaunchPlan: the whole start as data. Nothing is decided after this.

import type { Mount, Process } from '../../model/oci-spec.ts'
import { type DeviceList, deviceWrites } from '../device-list.ts'
import {
  AT_FDCWD,
  CLONE_NEWNET,
  CLONE_NEWPID,
  CLONE_NEWUSER,
  CLONE_PARENT,
  EEXIST,
  MSG_NOSIGNAL,
  O_CLOEXEC,
  O_CREAT,
  O_EXCL,
  O_PATH,
  O_WRONLY,
  oDirectory,
  PR_SET_DUMPABLE,
} from '../kernel.ts'
import { type Arch, doTheSame, type OpInfo, Program, Slot, SlotSpace } from '../program.ts'
import { joinTerminal, makeTerminal } from '../terminal.ts'
import { affinityOf, setAffinity } from './attributes.ts'
import {
  type CgroupParent,
  groupPath,
  has,
  hasNew,
  LaunchBuild,
  type LaunchInput,
  type ReceivedLayers,
  type Waits,
} from './build.ts'
import { type CgroupWrite, effectiveLimits, killFile, limitWrites } from './cgroup.ts'
import { copiedUp } from './copy-up.ts'
import { makeDetached } from './detached.ts'
import { placeDevices } from './devices.ts'
import { type MappedBind, mapBinds, openShared } from './early-binds.ts'
import {
  enterJoined,
  enterTimeNamespace,
  inOrder,
  isJoined,
  type JoinedNamespace,
  NAMESPACE_FLAGS,
  openJoined,
} from './joined.ts'
import { type Lasting, type LastingSlots, runHooks } from './lasting.ts'
import { layerNames, overlayCount, overlaysOf } from './layer-names.ts'
import { isBind, isMapped } from './mount-options.ts'
import {
  attachStores,
  makeReadonly,
  maskPaths,
  mountAll,
  mountFiles,
  mountLate,
  openBinds,
  openOwnGroups,
  sealMounts,
} from './mounts.ts'
import { type EngineNetwork, engineNetwork, plainNetwork } from './network.ts'
import { patchesOf } from './own-text.ts'
import { ensureDirectory, writeFile } from './paths.ts'
import { enterTime, ownProc, setTimeOffsets } from './proc.ts'
import {
  bringUpLoopback,
  diesWithEngine,
  dieWithEngine,
  firePayload,
  parkPayload,
  type Sandbox,
  STREAM_NAMES,
  type Streams,
  waitForPayload,
} from './process.ts'
import { spreadRoot } from './propagation.ts'
import {
  changeRoot,
  detachPropagation,
  engineOverlays,
  enterRoot,
  makeRootReadonly,
  mountRoot,
} from './rootfs.ts'
import { openTree, type TreeSource, treesOf } from './trees.ts'
import { openUsageFiles, type UsageFile } from './usage.ts'
import {
  becomeRoot,
  mapLayer,
  openPrivateLayers,
  openUserNamespace,
  planCarriedCapabilities,
  writeMaps,
} from './userns.ts'

export type { CgroupParent, LaunchInput } from './build.ts'
export type { TreeSource } from './trees.ts'
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
  /** And the volumes that were drawn for it. */
  readonly volumes: readonly string[]
  /** Where an own text goes, see own-text.ts. */
  readonly patches: Uint32Array
  readonly prepare: PlannedProgram
  readonly after: PlannedProgram
  /** Enters the namespaces that are there already, for the clone to be born in them. */
  readonly join?: PlannedStage
  /** Run by the clone before it executes the helper. */
  readonly inChild?: PlannedProgram
  /** Run on the engine's second thread, while the first one makes the groups and the child. */
  readonly layers?: PlannedProgram
  readonly network?: PlannedProgram
  /** Where it leaves its namespace, where that is one like any other. */
  readonly networkSlot?: number
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
  /** Namespaces that are there already. */
  readonly joined: readonly JoinedNamespace[]
  /** Binds whose ids only the engine may change. */
  readonly mappedBinds: MappedBind[]
  /** Without one, where the engine can: the overlays, mounted. */
  overlays: readonly Slot[] | undefined
  /** Of a sandbox that gets its root later: descriptors the caller hands in then. */
  readonly trees: readonly Slot[]
  readonly network: EngineNetwork | undefined
  cgroupSlot: number | undefined
}

/** A sandbox that is made ahead: all but the last stage, and what `planFire` needs to make that. */
export interface ArmedPlan extends LaunchPlan {
  readonly rest?: RestPlan
  readonly sandbox: Sandbox
  /** Slots of the child that are taken. */
  readonly takenSlots: number
}

/** What makes a sandbox without a root one that only lacks its payload: `after` is carried out first, then the stages are sent. */
export interface RestPlan extends LaunchPlan {
  /** What the caller opens and hands in behind the groups' parents: a thread that others wait for must not wait for a dead file system. */
  readonly trees: readonly TreeSource[]
}

export const planLaunch = (input: LaunchInput): LaunchPlan => assemble(input, 'nowhere')

/** `lateMounts`: a start may bring mounts, which the filter of most profiles would refuse. */
export const planArmed =
  (lateMounts: boolean, waits: Exclude<Waits, 'nowhere'> = 'armed') =>
  (input: LaunchInput): ArmedPlan => {
    if (input.spec.process?.terminal === true) throw new Error('a sandbox that waits has no terminal')
    return assemble(input, waits, lateMounts)
  }

/**
 * Whether a sandbox made by `made` may go on as one of `wanted`: both say the very same up to there, but for what the record tells.
 * Of plans for the same id alone.
 */
export const servesAs = (made: LaunchPlan, wanted: LaunchPlan): boolean => {
  const programs = ({ after, inChild, network, stages }: LaunchPlan): (PlannedProgram | undefined)[] => [
    after,
    inChild,
    network,
    ...stages,
  ]
  const others = programs(wanted)
  return (
    made.id === wanted.id &&
    made.cloneFlags === wanted.cloneFlags &&
    made.cgroupSlot === wanted.cgroupSlot &&
    programs(made).every((program, index) => isSame(program, others[index]))
  )
}

const isSame = (one: PlannedProgram | undefined, other: PlannedProgram | undefined): boolean =>
  one === undefined || other === undefined ? one === other : doTheSame(one.bytes, other.bytes)

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

/** On the engine's side: each into a slot of its own. */
export const planOpenTrees = (arch: Arch, trees: readonly TreeSource[]): PlannedProgram => {
  const program = new Program(arch, new SlotSpace())
  for (const tree of trees) openTree(program, tree)
  return planned(program)
}

/** The `network` program of every start, to be carried out before there is one. */
export const planNetworkAhead = (arch: Arch): PlannedProgram & { readonly namespace: number } => {
  const { program, namespace } = plainNetwork(new Program(arch, new SlotSpace()))
  return { ...planned(program), namespace: namespace.index }
}

const assemble = (input: LaunchInput, waits: Waits, lateMounts = false): ArmedPlan => {
  const process = input.spec.process
  if (process === undefined) throw new Error('a launch needs a process')
  const build = new LaunchBuild(input, waits)
  const engine = planEngine(build)
  const guardian = build.slots.next()
  // A time namespace takes nobody who shares memory, so the child enters that by itself.
  const time = timeOf(engine).map(() => build.slots.next())
  const network = input.lasting?.networkGiven === true ? build.slots.next() : undefined
  planBegin(build, { guardian, time: time[0], network })
  const taken = takeSlots(build, engine, guardian)
  const { root, proc, terminal } = planArm(build, taken.tasks)
  parkPayload(build, proc, process)
  const { streams } = taken
  const unused = terminal === undefined ? [] : [streams.stdin, streams.stdout, streams.stderr]
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
    givesPipes: input.facts.users !== undefined && process.user.uid !== 0 && terminal === undefined,
    keepsGroups: input.facts.users?.setsGroups === false,
    init: input.init,
    filter: input.filter,
    noNewPrivileges: process.noNewPrivileges === true,
    ...(input.lasting && { lasting: { ...input.lasting, socket: taken.socket, extra: taken.extra, unused } }),
  }
  const sandbox = waits === 'nowhere' ? made : waitForPayload(build, made, lateMounts)
  if (waits === 'nowhere') firePayload(build.fire, sandbox, process)
  const parts = (waits === 'half' ? halves : whole)(build, engine, taken)
  return { ...parts, sandbox, takenSlots: build.slots.count }
}

/** Slots of the child for what comes with its stages, after those of `begin`, which knows nothing of image or groups. */
interface TakenSlots extends Omit<LastingSlots, 'unused'> {
  readonly guardian: Slot
  readonly tasks: readonly Slot[]
  /** The first one for layers or overlays. */
  readonly layers: Slot
  readonly streams: Required<Streams>
}

/** What comes with one stage has slots that follow one another: the network namespace, the groups, the layers, the streams. */
const takeSlots = (build: LaunchBuild, engine: EngineHalf, guardian: Slot): TakenSlots => {
  const { slots } = build
  build.network = engine.network?.namespace && slots.next()
  const tasks = engine.tasks.map(() => slots.next())
  const layers = slotAt(slots.count)
  build.received = receiveLayers(build, engine)
  build.overlays = engine.overlays?.map(() => slots.next())
  for (const { mount } of engine.mappedBinds) build.receiveTree(mount)
  for (const mount of copiesOf(build.input)) build.detached.set(mount, { fd: slots.next() })
  build.given = engine.trees.map(() => slots.next())
  const streams = { stdin: slots.next(), stdout: slots.next(), stderr: slots.next() }
  const { waitsForStart = false, extraFds = 0 } = build.input.lasting ?? {}
  const socket = waitsForStart ? slots.next() : undefined
  const extra = Array.from({ length: extraFds }, () => slots.next())
  return { guardian, tasks, layers, streams, socket, extra }
}

type Parts = Omit<ArmedPlan, 'sandbox' | 'takenSlots'>

/** All in one go, or up to the payload. */
const whole = (
  build: LaunchBuild,
  engine: EngineHalf,
  { guardian, tasks, layers, streams }: TakenSlots,
): Parts => {
  const waits = engine.after.opCount > 0 || engine.layers.opCount > 0
  const when = waits ? 'after' : 'early'
  const last = engine.network === undefined ? when : 'last'
  const handed = handedBy(engine)
  const firstCopy = behindGroups(build.input) + handedIn(build.input.lasting)
  const copied = copiesOf(build.input).map((_, index) => firstCopy + index)
  return {
    ...partsOf(build, engine, {
      ...(engine.layers.opCount > 0 ? { layers: planned(engine.layers) } : {}),
      stages: [
        beginStage(build, engine, guardian),
        stage(build.arm, [...at([...engine.tasks, ...handed]), ...copied], tasks[0] ?? layers, when),
        ...(build.network && engine.network?.namespace
          ? [stage(build.settle, [engine.network.namespace.index], build.network, last)]
          : []),
        build.waits === 'armed'
          ? stage(build.park, [], streams.stdin, last)
          : fireStage(build, streams.stdin, last),
      ],
    }),
    close: at([...engine.groups, ...engine.tasks, ...handed, ...namespaceOf(engine), ...joinedBy(engine)]),
  }
}

/** One that is sent later has its descriptors in a list of their own, in the same order. */
const fireStage = ({ fire, input }: LaunchBuild, base: Slot, last: PlannedStage['when']): PlannedStage => {
  const { stdin, stdout, stderr } = ENGINE_SLOTS
  const more = Array.from({ length: handedIn(input.lasting) }, (_, i) => behindGroups(input) + i)
  const fds = [stdin, stdout, stderr, ...more]
  return input.lasting?.pausesBeforeRoot === true
    ? stage(
        fire,
        fds.map((_, index) => index),
        base,
        'later',
      )
    : stage(fire, fds, base, last)
}

/** A sandbox without a root, and what gives it one. */
const halves = (build: LaunchBuild, engine: EngineHalf, { guardian, tasks, layers }: TakenSlots): Parts => {
  const { input } = build
  const joined = at([...namespaceOf(engine), ...engine.tasks])
  const made = handedBy(engine)
  const rest = {
    prepare: planned(new Program(build.arch, engine.layers.slots)),
    after: planned(engine.layers),
    stages: [stage(build.arm, at([...made, ...engine.trees]), layers, 'after')],
  }
  return {
    ...partsOf(build, engine, {
      stages: [
        beginStage(build, engine, guardian),
        stage(build.join, joined, build.network ?? tasks[0] ?? layers, engine.network ? 'last' : 'after'),
      ],
    }),
    close: at([...engine.groups, ...engine.tasks, ...namespaceOf(engine), ...joinedBy(engine)]),
    rest: {
      ...rest,
      id: input.id,
      volumes: input.volumes ?? [],
      patches: patchesOf(rest, input),
      cloneFlags: 0,
      slotCount: engine.layers.slots.count,
      usage: [],
      close: at(made),
      trees: treesOf(input),
    },
  }
}

const handedBy = ({ mapped, overlays, mappedBinds }: EngineHalf): readonly Slot[] => [
  ...mapped,
  ...(overlays ?? []),
  ...mappedBinds.map(({ tree }) => tree),
]
const timeOf = ({ joined }: EngineHalf): readonly Slot[] =>
  joined.filter(({ type }) => type === 'time').map(({ fd }) => fd)
/** The first one: a new user namespace is sent nothing before it has its maps. */
const beginStage = (build: LaunchBuild, engine: EngineHalf, guardian: Slot): PlannedStage =>
  stage(
    build.begin,
    [
      ...(isGuarded(build.input) ? [ENGINE_SLOTS.guardian] : []),
      ...at(timeOf(engine)),
      ...(build.input.lasting?.networkGiven === true ? [behindCopies(build.input)] : []),
    ],
    isGuarded(build.input) ? guardian : slotAt(guardian.index + 1),
    hasNew(build.input.spec, 'user') ? 'after' : 'early',
  )
const namespaceOf = ({ network }: EngineHalf): readonly Slot[] =>
  network?.namespace === undefined ? [] : [network.namespace]
const joinedBy = ({ joined }: EngineHalf): readonly Slot[] => joined.map(({ fd }) => fd)
const at = (slots: readonly Slot[]): readonly number[] => slots.map(({ index }) => index)

/** What every start has of the engine's side, and the stages of this one. */
const partsOf = (
  { input, hasUserns }: LaunchBuild,
  engine: EngineHalf,
  own: Pick<LaunchPlan, 'layers' | 'stages'>,
): Omit<Parts, 'close'> => {
  const join = planJoin(engine, input)
  const programs = {
    prepare: planned(engine.prepare),
    after: planned(engine.after),
    ...(join === undefined ? {} : { join }),
    // Who is born of the helper has them.
    ...(hasUserns && join === undefined
      ? { inChild: planned(planCarriedCapabilities(input, engine.slots)) }
      : {}),
    ...(engine.network === undefined ? {} : { network: planned(engine.network.program) }),
    ...own,
  }
  return {
    ...programs,
    ...(engine.network?.isPlain ? { networkSlot: engine.network.namespace.index } : {}),
    id: input.id,
    volumes: input.volumes ?? [],
    // One that lasts is started once, and its id is anybody's word.
    patches: input.lasting === undefined ? patchesOf(programs, input) : new Uint32Array(0),
    cloneFlags:
      (join === undefined ? namespaceFlags(input) : 0) |
      (input.lasting?.leavesParent === true ? CLONE_PARENT : 0),
    ...(engine.cgroupSlot === undefined ? {} : { cgroupSlot: engine.cgroupSlot }),
    slotCount: engine.slots.count,
    usage: engine.usage,
  }
}
const namespaceFlags = ({ spec }: LaunchInput): number =>
  (hasNew(spec, 'pid') ? CLONE_NEWPID : 0) | (hasNew(spec, 'user') ? CLONE_NEWUSER : 0)

/**
 * In a helper that is there for nothing else: what it enters, and what is born in it. It knows nothing of the engine by then, so that
 * nobody who is in those namespaces already ever sees a process that does.
 */
const planJoin = ({ joined, cgroupSlot }: EngineHalf, input: LaunchInput): PlannedStage | undefined => {
  const entered = inOrder(joined, input)
  const { initial } = affinityOf(input)
  if (entered.length === 0 && initial === '') return undefined
  const slots = new SlotSpace()
  // The control socket's.
  slots.next()
  const join = new Program(input.facts.arch, slots)
  // Inherited by who is born.
  if (isJoined(input.spec, 'pid')) join.call('become undumpable', 'prctl', [PR_SET_DUMPABLE, 0, 0, 0, 0])
  // On v2 before it is in its group, which has processors of its own.
  setAffinity(join, initial)
  const own = enterJoined(join, entered)
  const group = cgroupSlot === undefined ? undefined : slots.next()
  join.birth(namespaceFlags(input), group)
  for (const fd of [...own, ...(group === undefined ? [] : [group])]) join.call('close', 'close', [fd])
  const fds = [...at(entered.map(({ fd }) => fd)), ...(cgroupSlot === undefined ? [] : [cgroupSlot])]
  return stage(join, fds, slotAt(1), 'early')
}

const stage = (
  program: Program,
  fds: readonly number[],
  base: Slot,
  when: PlannedStage['when'],
): PlannedStage => ({ ...planned(program), fds, base: base.index, when })

const planned = (program: Program): PlannedProgram => ({ bytes: program.encode(), infos: program.infos })

const planEngine = ({ input, hasUserns, waits }: LaunchBuild): EngineHalf => {
  const slots = slotsOfCaller(input)
  const arch = input.facts.arch
  // What is not done in one go with the rest has slots of its own.
  const laterSlots = waits === 'half' ? slotsOfCaller(input) : slots
  const trees = waits === 'half' ? treesOf(input).map(() => laterSlots.next()) : []
  const prepare = new Program(arch, slots)
  const joined = openJoined(prepare, input)
  const half: EngineHalf = {
    slots,
    trees,
    prepare,
    joined,
    layers: new Program(arch, laterSlots),
    after: new Program(arch, slots),
    groups: [],
    usage: [],
    tasks: [],
    mapped: [],
    mappedBinds: [],
    overlays: undefined,
    network: engineNetwork(input, slots),
    cgroupSlot: undefined,
  }
  if (input.lasting === undefined && input.isOnRecord !== true) writeRecord(half, input)
  input.cgroups.forEach((parent, index) => {
    makeGroup(half, input, parent, ENGINE_SLOTS.cgroups + index)
  })
  const makesUserns = hasNew(input.spec, 'user')
  if (makesUserns) writeMaps(half.after, input)
  // All that depends on the image comes last. A user namespace's layers are handed over with it, so where that is not done later they
  // are made first.
  const early = hasUserns && waits !== 'half'
  makeLayers(early ? half.prepare : half.layers, input)
  if (!hasUserns) half.overlays = engineOverlays(half.layers, input)
  const [own, maps] = waits === 'half' ? [half.layers, half.layers] : [half.prepare, half.after]
  mapTrees(half, input, own, maps)
  return half
}

const slotsOfCaller = (input: LaunchInput): SlotSpace => {
  const slots = new SlotSpace()
  slots.count = behindCopies(input) + (input.lasting?.networkGiven === true ? 1 : 0)
  return slots
}

const behindCopies = (input: LaunchInput): number =>
  behindGroups(input) + handedIn(input.lasting) + copiesOf(input).length

const behindGroups = ({ cgroups }: LaunchInput): number => ENGINE_SLOTS.cgroups + cgroups.length

/** In the order of the document. */
const copiesOf = ({ spec, lasting }: LaunchInput): readonly Mount[] =>
  lasting?.copiesUp === true ? copiedUp(spec) : []

/** Descriptors behind those of the groups' parents: the socket, then what is passed on. */
const handedIn = (lasting: Lasting | undefined): number =>
  lasting === undefined ? 0 : lasting.extraFds + (lasting.waitsForStart ? 1 : 0)

/**
 * Trees in which the host's ids appear as the container's: its private layers, every overlay's lowers, and binds that ask for it. An
 * ordinary user's layers have the ids of its user namespace already, and are named by paths.
 */
const mapTrees = (
  { mapped, mappedBinds, joined }: EngineHalf,
  input: LaunchInput,
  own: Program,
  maps: Program,
): void => {
  const ownIds = input.facts.users !== undefined
  const layers = has(input.spec, 'user') && !ownIds ? overlaysOf(input.rootfs).flat() : []
  if (layers.length > 0) mapped.push(openPrivateLayers(own, input, engineSlot('containers')))
  const isNew = hasNew(input.spec, 'user') && (layers.length > 0 || (input.spec.mounts ?? []).some(isMapped))
  const namespace = isNew ? openUserNamespace(maps) : joined.find(({ type }) => type === 'user')?.fd
  if (namespace !== undefined) mapped.push(...layers.map((lower) => mapLayer(maps, lower, namespace)))
  mappedBinds.push(...mapBinds(maps, input, namespace))
  if (isNew && namespace !== undefined) maps.call('close', 'close', [namespace])
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
  prepare.call('write record', 'write', [fd, prepare.text(input.record), Buffer.byteLength(input.record)], {
    path: input.id,
  })
  prepare.call('close', 'close', [fd])
}

const makeLayers = (program: Program, input: LaunchInput): void => {
  const overlays = overlayCount(input.rootfs)
  if (overlays === 0) return
  // One that is started again has them.
  const tolerate = input.lasting === undefined && input.isOnRecord !== true ? [] : [EEXIST]
  const make = (name: string, mode: number): void => {
    program.call(
      'make container directory',
      'mkdirat',
      [engineSlot('containers'), program.text(name), mode],
      { path: name, tolerate },
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
  if (parent.isEntered === true) {
    enterGroup(half, input, parent)
    return
  }
  const early = parent.version === 2 ? prepare : after
  const byPath = parent.isMadeByPath === true
  const name = early.text(byPath ? what : (parent.group ?? input.id))
  const above = byPath ? AT_FDCWD : slotAt(from)
  // That of the run before, where somebody who joined it is still ending.
  const mayBeThere = parent.group !== undefined || input.lasting !== undefined
  early.call('make cgroup', 'mkdirat', [above, name, 0o755], {
    path: what,
    tolerate: mayBeThere ? [EEXIST] : [],
  })
  const group = slots.next()
  const flags = O_PATH | O_CLOEXEC | oDirectory(input.facts.arch)
  early.call('open cgroup', 'openat', [above, name, flags, 0], { into: group, path: what })
  half.groups.push(group)
  if (input.lasting === undefined) half.usage.push(...openUsageFiles(after, group, parent))
  const limits = effectiveLimits(input.spec.linux?.resources ?? {}, input.facts.kernel)
  if (parent.devices !== undefined) writeDevices(after, group, parent.devices)
  for (const write of limitWrites(parent, limits)) writeLimit(after, group, write)
  if (parent.version === 2) {
    half.cgroupSlot = group.index
    return
  }
  openTasks(half, group, 'tasks', `${what}/tasks`)
}

const openTasks = (
  { after, slots, tasks }: EngineHalf,
  at: Slot | number,
  name: string,
  path: string,
): void => {
  const fd = slots.next()
  after.call('open cgroup tasks', 'openat', [at, after.text(name), O_WRONLY | O_CLOEXEC, 0], {
    into: fd,
    path,
  })
  tasks.push(fd)
}

const enterGroup = (half: EngineHalf, input: LaunchInput, parent: CgroupParent): void => {
  const { prepare, slots } = half
  const what = groupPath(parent, input)
  if (parent.version === 1) {
    openTasks(half, AT_FDCWD, `${what}/tasks`, `${what}/tasks`)
    return
  }
  const group = slots.next()
  const flags = O_PATH | O_CLOEXEC | oDirectory(input.facts.arch)
  prepare.call('open cgroup', 'openat', [AT_FDCWD, prepare.text(what), flags, 0], { into: group, path: what })
  half.groups.push(group)
  half.cgroupSlot = group.index
}

/** The kernel takes one rule at each write, and as many writes as there are. */
const writeDevices = (program: Program, group: Slot, list: DeviceList): void => {
  const writes = deviceWrites(list)
  for (const name of new Set(writes.map(({ file }) => file))) {
    const fd = program.slots.next()
    program.call('open cgroup limit', 'openat', [group, program.text(name), O_WRONLY | O_CLOEXEC, 0], {
      into: fd,
      path: name,
    })
    for (const { value } of writes.filter(({ file }) => file === name))
      program.call('set cgroup limit', 'write', [fd, program.text(value), Buffer.byteLength(value)], {
        path: `${name} = ${value}`,
      })
    program.call('close', 'close', [fd])
  }
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

/** Slots of what comes with it. */
interface BeginSlots {
  readonly guardian: Slot
  /** Namespaces that are there already. */
  readonly time: Slot | undefined
  readonly network: Slot | undefined
}

/**
 * What needs nothing of the engine but its own process: it takes the child as long as the groups and layers take the engine,
 * and on a second processor both go on at once. The cgroup namespace comes later: it shows the group it was made in.
 */
const planBegin = (build: LaunchBuild, { guardian, time, network }: BeginSlots): void => {
  const { begin, input } = build
  const hasNetwork = build.networkComesLater || network !== undefined
  // Registered before anything else: whatever happens from here on, the guardian knows whom to kill.
  if (isGuarded(input))
    begin.call('register with guardian', 'sendto', [
      guardian,
      begin.text(guardMessage(input)),
      guardMessage(input).length + 1,
      MSG_NOSIGNAL,
      0,
      0,
    ])
  enterTimeNamespace(begin, time)
  if (network !== undefined) begin.call('enter network namespace', 'setns', [network, CLONE_NEWNET])
  if (build.hasUserns) becomeRoot(begin, input)
  if (diesWithEngine(input.lasting)) dieWithEngine(begin)
  unshare(
    begin,
    namespacesOf(
      input,
      (type) =>
        type !== 'cgroup' && !(type === 'network' && hasNetwork) && !(type === 'mount' && build.unmounted),
    ),
  )
  begin.call('clear umask', 'umask', [0])
  // Binds come after file systems in most documents: see makesNetwork.
  const bindsLast = input.lasting !== undefined
  if (!bindsLast) cutOff(build)
  setNames(build)
  if (hasNew(input.spec, 'network') && !hasNetwork) bringUpLoopback(begin)
  makeDetached(build)
  if (bindsLast) cutOff(build)
  build.proc = ownProc(build)
  setTimeOffsets(build)
  enterTime(build)
}

const cutOff = (build: LaunchBuild): void => {
  if (build.unmounted || isJoined(build.input.spec, 'mount')) return
  openShared(build)
  detachPropagation(build)
}

/** Builds the sandbox: after it only argv, environment, user and streams are missing. */
const planArm = (
  build: LaunchBuild,
  tasks: readonly Slot[],
): { root: Slot; proc: Slot | undefined; terminal: Slot | undefined } => {
  const { join, settle, input, network, waits } = build
  for (const fd of tasks) join.call('join cgroup', 'write', [fd, join.text('0'), 1])
  setAffinity(join, affinityOf(input).final)
  unshare(
    join,
    namespacesOf(input, (type) => type === 'cgroup'),
  )
  const entering = waits === 'half' ? join : settle
  if (network !== undefined) entering.call('enter network namespace', 'setns', [network, CLONE_NEWNET])
  if (isJoined(input.spec, 'mount') && !build.unmounted) return armJoined(build)
  const binds = openBinds(build)
  openOwnGroups(build)
  if (!build.unmounted) attachStores(build)
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
  if (input.lasting !== undefined) makeWorkingDirectory(build, root)
  sealMounts(build)
  makeRootReadonly(build, root)
  if (proc !== undefined) openNamespace(build, proc)
  const { lasting } = input
  const enter = lasting?.pausesBeforeRoot === true ? build.fire : settle
  if (lasting !== undefined) runHooks(enter, 'run createContainer hook', lasting.createContainer)
  enterRoot(build, enter, root)
  spreadRoot(build, enter, root)
  return { root, proc, terminal }
}

/** One that is missing could not be made later, when the root is read-only. */
const makeWorkingDirectory = ({ settle, input }: LaunchBuild, root: Slot): void => {
  const { cwd = '/' } = input.spec.process ?? {}
  if (input.spec.root?.readonly !== true || cwd === '/') return
  const made = ensureDirectory(settle, 'open working directory', root, cwd)
  settle.call('close', 'close', [made])
}

/** In a mount namespace that is there already the root is its root, or that of who shares it, and nothing is mounted. */
const armJoined = (
  build: LaunchBuild,
): { root: Slot; proc: Slot | undefined; terminal: Slot | undefined } => {
  const { arm, arch, proc, input } = build
  const root = arm.slots.next()
  const path = input.lasting?.joinsRoot ?? '/'
  arm.call('open root', 'openat', [AT_FDCWD, arm.text(path), O_PATH | O_CLOEXEC | oDirectory(arch), 0], {
    into: root,
    path,
  })
  if (path !== '/') changeRoot(arm, root)
  setSysctls(build, proc)
  const process = input.spec.process
  return { root, proc, terminal: process?.terminal === true ? joinTerminal(arm, root, process) : undefined }
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

const isGuarded = ({ lasting }: LaunchInput): boolean =>
  lasting === undefined || lasting.guardedBy !== undefined

/** Empty for a container with a pid namespace of its own: the end of its first process is the end of all. */
const guardMessage = (input: LaunchInput): string => {
  if (input.lasting?.guardedBy !== undefined) return input.lasting.guardedBy
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
