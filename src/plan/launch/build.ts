// What every part of the launch planner works on: the child's programs, its slots, and the facts they are chosen by.
import { type HostFacts, isAtLeast } from '../../model/host-facts.ts'
import type { Mount, Spec } from '../../model/oci-spec.ts'
import type { Rootfs } from '../../model/prepared-image.ts'
import { allowsEveryDevice, type DeviceList, deviceList } from '../device-list.ts'
import {
  AT_EMPTY_PATH,
  FSCONFIG_CMD_CREATE,
  FSCONFIG_SET_FD,
  FSCONFIG_SET_FLAG,
  FSCONFIG_SET_STRING,
  FSMOUNT_CLOEXEC,
  FSOPEN_CLOEXEC,
  MOVE_MOUNT_F_EMPTY_PATH,
  MOVE_MOUNT_T_EMPTY_PATH,
} from '../kernel.ts'
import type { NetDevice } from '../netlink.ts'
import { type Arch, type Data, Program, type Slot, SlotSpace } from '../program.ts'
import type { EngineFile } from '../spec/files.ts'
import type { Step } from '../steps.ts'
import type { DetachedMount } from './detached.ts'
import type { Lasting } from './lasting.ts'

/** One cgroup hierarchy the container joins. The engine made and opened the parent directory beforehand. */
export interface CgroupParent {
  readonly version: 1 | 2
  readonly controllers: readonly string[]
  /** Mount point of the hierarchy on the host, e.g. `/sys/fs/cgroup/memory`. */
  readonly mountpoint: string
  /** Directory the container's group is made in, below the mount point, e.g. `/slipway`. */
  readonly path: string
  /** Name of the container's group, which may be there already; a new one of its id where none is given. linux.cgroupsPath. */
  readonly group?: string
  /** The rules it gets: of a group of v1's `devices` that inherits none. */
  readonly devices?: DeviceList
  /** It is there, with all its limits, and is only entered, by its path: the engine hands in no directory. */
  readonly isEntered?: boolean
  /** A new one, made by its path: the engine hands in no directory here either. */
  readonly isMadeByPath?: boolean
}

/** Path of the container's group on the host. */
export const groupPath = (parent: CgroupParent, { id }: Pick<LaunchInput, 'id'>): string =>
  `${parent.mountpoint}${parent.path}/${parent.group ?? id}`

/** A compiled seccomp filter: struct sock_filter[], and the flags of seccomp(2). */
export interface Filter {
  readonly instructions: Uint8Array
  readonly count: number
  readonly flags: number
}

export interface LaunchInput {
  /** 64 lower-case hex digits. */
  readonly id: string
  readonly spec: Spec
  readonly rootfs: Rootfs
  readonly files: readonly EngineFile[]
  readonly filter?: Filter
  readonly facts: HostFacts
  /** Engine root; layer and container paths are named relative to it, so that mount options stay short. */
  readonly root: string
  /** An empty directory of the host, where the new root is attached in the child's own mount namespace. */
  readonly scratch: string
  /** Text of the runtime record, one line of JSON. */
  readonly record: string
  /** The time in the record: milliseconds since 1970. */
  readonly createdMs: number
  /** Names of volumes that were drawn for this container, 64 lower-case hex digits each. */
  readonly volumes?: readonly string[]
  readonly cgroups: readonly CgroupParent[]
  /** Those of the document's network devices that the host has, as they are now. */
  readonly netDevices?: readonly NetDevice[]
  /** The writable layer outlives the container, so it must reach the disk. */
  readonly keep: boolean
  /** It was made before, and is opened for its files alone: its layers are there already, its record is not written anew, and it gets no device. */
  readonly isOnRecord?: boolean
  /** A small PID 1 between the kernel and the payload. */
  readonly init: boolean
  /** Nobody kills it with its engine, and what is known of it is not recorded here. */
  readonly lasting?: Lasting
}

/** Where a start stops to wait: nowhere, before its payload, or before its root already. */
export type Waits = 'nowhere' | 'armed' | 'half'

/**
 * The launch under construction: `begin` makes namespaces and file systems, while the engine makes the layers; `join` enters what the
 * engine has made; `arm` builds the sandbox of all; `settle` is the rest of it, which waits for the network namespace (the same program
 * where nothing waits); `park` is what all payloads have in common; `fire` makes one of it. A stage is sent for each of them, and those
 * that need not be apart are one program: what has no pause between its parts costs one message.
 */
export class LaunchBuild {
  readonly input: LaunchInput
  readonly arch: Arch
  /** Slots of the child; 0 is the control socket. */
  readonly slots = new SlotSpace()
  readonly begin: Program
  readonly join: Program
  readonly arm: Program
  readonly settle: Program
  readonly park: Program
  readonly fire: Program
  /** Set where the layers of each overlay came as descriptors: with a user namespace. */
  received: readonly ReceivedLayers[] | undefined
  /** Set where the engine mounts the overlays beside the child: their descriptors, the root's first. */
  overlays: readonly Slot[] | undefined
  /** What came as descriptors in place of a path, see treesOf. */
  given: readonly Slot[] = []
  /** Where the new root is attached: a directory even an unmapped user can reach. */
  readonly scratch: string
  readonly hasUserns: boolean
  /**
   * The child, or the engine already, is in a user namespace that is not the first one. Device nodes are then those of the host, bound,
   * since nobody there makes one; and the engine does not leave its own network namespace, which it could not enter again.
   */
  readonly isNamespaced: boolean
  /** See livesUnmounted; of the runtime command's containers. */
  readonly unmounted: boolean
  readonly waits: Waits
  /** The engine makes the network namespace: see makesNetwork. */
  readonly networkComesLater: boolean
  /** The mount namespace, once it is open: the engine holds it past the payload's end. */
  namespace: Slot | undefined
  /** No group holds the container to its device rules: nodes in its root and in what is bound into it do not work. */
  readonly noDevices: boolean
  /** Mounts made so far, by destination inside the container, innermost last. */
  readonly mounted: MadeMount[] = []
  /** File systems that are made already, and where they go: see makeDetached. */
  readonly detached = new Map<Mount, DetachedMount>()
  /** Sources of binds that are open before `arm` opens the others: see early-binds.ts. */
  readonly trees = new Map<Mount, Slot>()
  /** Those among them that lack nothing but their place. */
  readonly prepared = new Set<Mount>()
  /** Mounts that become read-only when nothing is to be made in them any more. */
  readonly sealedLate: { readonly destination: string; readonly fd: Slot }[] = []
  /** The container's own groups of v1, for each mount that shows them, in the order of their parents: see openOwnGroups. */
  readonly ownGroups = new Map<Mount, readonly Slot[]>()
  /** The network namespace, where the engine makes it. */
  network: Slot | undefined
  /** The tmpfs with the engine's files. */
  files: Slot | undefined
  /** The proc that settings are written through: see ownProc. */
  proc: Slot | undefined
  /** What hides a path: an empty directory, and the host's /dev/null. */
  masks: { readonly directory: Slot; readonly file: Slot } | undefined
  /** Further mounts the root consists of: the host image's directories. */
  readonly rootParts: { readonly destination: string; readonly fd: Slot }[] = []

  constructor(input: LaunchInput, waits: Waits) {
    this.input = input
    this.waits = waits
    this.arch = input.facts.arch
    this.slots.next()
    this.hasUserns = has(input.spec, 'user')
    this.isNamespaced = isNamespaced(input)
    this.noDevices = lacksDeviceRules(input)
    this.unmounted = input.lasting?.waitsForStart === true && livesUnmounted(input.spec, input.facts)
    this.networkComesLater = hasNew(input.spec, 'network') && !makesNetwork(input)
    this.scratch = this.hasUserns ? '/sys' : input.scratch
    const next = (): Program => new Program(this.arch, this.slots)
    this.begin = next()
    this.arm = next()
    this.join = waits === 'half' ? next() : this.arm
    this.settle = this.networkComesLater && waits !== 'half' ? next() : this.arm
    this.fire = next()
    this.park = waits === 'nowhere' ? this.fire : waits === 'half' ? this.arm : next()
  }

  /** A slot for the tree of a bind that the engine hands over, its attributes set. */
  receiveTree(mount: Mount): void {
    this.trees.set(mount, this.slots.next())
    this.prepared.add(mount)
  }
}

/** Nothing holds the container to its device rules, and it has some. */
export const lacksDeviceRules = ({ cgroups, spec, facts }: LaunchInput): boolean =>
  !cgroups.some(
    ({ version, controllers }) =>
      (version === 2 && facts.cgroup.delegated === undefined) || controllers.includes('devices'),
  ) && !allowsEveryDevice(deviceList(spec.linux?.resources?.devices ?? []))

/** A file system of the spec that is mounted, and the program that attaches it. */
export interface MadeMount {
  readonly destination: string
  readonly fd: Slot
  readonly program: Program
}

/** Descriptors of one overlay's layers, in the child: the directory its private layers are in, and the lowers. */
export interface ReceivedLayers {
  readonly own: Slot
  readonly lowers: readonly Slot[]
}

export const hasNew = (spec: Spec, type: string): boolean =>
  (spec.linux?.namespaces ?? []).some((namespace) => namespace.type === type && namespace.path === undefined)

/**
 * The child makes its network namespace by itself. One that belongs to a new user namespace nobody else can make, and an engine in a
 * user namespace does not leave its own. The runtime command has no hurry, but a document whose mounts are to be listed in its order,
 * which from Linux 6.8 on is that in which they were made, not attached: so /sys, which shows that namespace, is made in its turn.
 */
export const makesNetwork = ({
  spec,
  lasting,
  facts,
}: Pick<LaunchInput, 'spec' | 'lasting' | 'facts'>): boolean =>
  hasNew(spec, 'network') &&
  (isNamespaced({ spec, facts }) ||
    (lasting !== undefined && Object.keys(spec.linux?.netDevices ?? {}).length === 0))

/** It can do with one that was made before, with nothing in it but `lo`: nobody's user namespace has to own it. */
export const takesNetwork = ({ spec, facts }: Pick<LaunchInput, 'spec' | 'facts'>): boolean =>
  hasNew(spec, 'network') &&
  !isNamespaced({ spec, facts }) &&
  Object.keys(spec.linux?.netDevices ?? {}).length === 0

/**
 * The mount namespace is not the container's alone: it inherits the runtime's, or enters one that is there. Then its root and all that
 * is in it is mounted nowhere: the tree lives as long as a process has its root there, and nobody else sees it. Linux 6.15 is the
 * first that mounts into such a tree. A user namespace has no rights over a mount namespace of others.
 */
export const livesUnmounted = (spec: Spec, facts: Pick<HostFacts, 'kernel' | 'isNamespaced'>): boolean =>
  !hasNew(spec, 'mount') && !isNamespaced({ spec, facts }) && isAtLeast(facts.kernel, 6, 15)

/** See LaunchBuild.isNamespaced. */
export const isNamespaced = ({
  spec,
  facts,
}: {
  readonly spec: Spec
  readonly facts: Pick<HostFacts, 'isNamespaced'>
}): boolean => has(spec, 'user') || facts.isNamespaced === true

/** New or joined. */
export const has = (spec: Spec, type: string): boolean =>
  (spec.linux?.namespaces ?? []).some((namespace) => namespace.type === type)

/** An option of a file system: a flag, a string, or a descriptor. */
export type MountOption = readonly [key: string, value?: string | Slot]

/** `struct open_how` of openat2(2). */
export const openHow = (program: Program, flags: number, mode: number, resolve: number): Data =>
  program.words([flags, mode, resolve])

/** `struct mount_attr` of mount_setattr(2). */
export const mountAttr = (
  program: Program,
  attr: { set?: number; clear?: number; propagation?: number; userns?: number },
): Data => program.words([attr.set ?? 0, attr.clear ?? 0, attr.propagation ?? 0, attr.userns ?? 0])
export const MOUNT_ATTR_SIZE = 32
export const OPEN_HOW_SIZE = 24

/** A detached mount of a new file system instance: fsopen, fsconfig…, fsmount. `closing`: the engine lives on, and its descriptors with it. */
export const newMount = (
  program: Program,
  type: string,
  options: readonly MountOption[],
  attributes: number,
  what: string,
  closing = false,
): Slot => {
  const context = program.slots.next()
  program.call('fsopen', 'fsopen', [program.text(type), FSOPEN_CLOEXEC], {
    into: context,
    path: what,
  })
  for (const option of options) configure(program, type, context, option)
  program.call('create file system', 'fsconfig', [context, FSCONFIG_CMD_CREATE, 0, 0, 0], { path: what })
  const mount = program.slots.next()
  program.call('fsmount', 'fsmount', [context, FSMOUNT_CLOEXEC, attributes], {
    into: mount,
    path: what,
  })
  if (closing) program.call('close', 'close', [context])
  return mount
}

/** One option of a file system that is being made or changed. */
export const configure = (program: Program, type: string, context: Slot, [key, value]: MountOption): void => {
  const name = program.text(key)
  const step = 'fsconfig'
  if (value === undefined)
    program.call(step, 'fsconfig', [context, FSCONFIG_SET_FLAG, name, 0, 0], { path: `${type} ${key}` })
  else if (typeof value === 'string') {
    const args = [context, FSCONFIG_SET_STRING, name, program.text(value), 0]
    program.call(step, 'fsconfig', args, { path: `${type} ${key}=${value}` })
  } else
    program.call(step, 'fsconfig', [context, FSCONFIG_SET_FD, name, 0, value], { path: `${type} ${key}` })
}

/** Attaches a detached mount on top of the directory or file `target` refers to. */
export const attach = (program: Program, mount: Slot, target: Slot, what: string): void => {
  const flags = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH
  const nothing = program.text('')
  program.call('move_mount', 'move_mount', [mount, nothing, target, nothing, flags], { path: what })
}

/** Changes the flags or propagation of the mount `fd` refers to, and of those below it when `recursive`. */
export const setMountAttr = (
  program: Program,
  step: Step,
  fd: Slot,
  attr: { set?: number; clear?: number; propagation?: number },
  recursive: number,
  what: string,
): void => {
  const args = [fd, program.text(''), AT_EMPTY_PATH | recursive, mountAttr(program, attr), MOUNT_ATTR_SIZE]
  program.call(step, 'mount_setattr', args, { path: what })
}
