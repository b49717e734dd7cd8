// The cgroup directories containers are made in: made once, opened once, configured once. A container costs one mkdir each.
import { constants, mkdirSync, readdirSync, rmdirSync } from 'node:fs'
import path from 'node:path'
import type { EngineError } from '../model/errors.ts'
import type { CgroupController, CgroupFacts, HostFacts } from '../model/host-facts.ts'
import type { LinuxResources } from '../model/oci-spec.ts'
import { noGroupOfUser } from '../model/own-users.ts'
import { unlessMissing } from '../model/unless.ts'
import type { Addon } from '../native/addon.ts'
import { type DeviceList, deviceList } from '../plan/device-list.ts'
import { compileDeviceProgram } from '../plan/device-program.ts'
import { limitedControllers, neededControllers } from '../plan/launch/cgroup.ts'
import type { CgroupParent } from '../plan/launch/index.ts'
import {
  allowDevices,
  attachDevices,
  type HandedDown,
  handDown,
  inheritCpuset,
  isUsual,
} from './cgroup-setup.ts'
import { closeForEngine, openForEngine } from './engine-descriptors.ts'

export interface OpenParent extends CgroupParent {
  /** O_DIRECTORY descriptor, open as long as the engine. */
  readonly fd: number
}

export class CgroupParents {
  readonly #facts: HostFacts
  readonly #addon: Addon
  /** The engine's directory in every hierarchy, from its root on, e.g. `slipway`. */
  readonly name: string
  readonly #open = new Map<string, OpenParent>()
  readonly #sets = new Map<string, readonly OpenParent[]>()
  readonly #refused = new Map<string, HandedDown['refused']>()

  constructor(facts: HostFacts, addon: Addon, name: string) {
    this.#facts = facts
    this.#addon = addon
    this.name = path.posix.join(facts.cgroup.delegated?.slice(1) ?? '', name)
  }

  /** The parents a container with these resources joins, opened. Throws an EngineError. */
  forResources(resources: LinuxResources): readonly OpenParent[] {
    const key = `${limitedControllers(resources).join()} ${JSON.stringify(resources.devices ?? [])}`
    const known = this.#sets.get(key)
    if (known !== undefined) return known
    const found = this.#make(resources)
    this.#sets.set(key, found)
    return found
  }

  /** Where the guardian lives: beside the containers, outside the service's own group. */
  forGuardian(): readonly CgroupParent[] {
    const { mode, unified, writable, controllers } = this.#facts.cgroup
    if (!writable) return []
    const own = `/${this.name}/guardian`
    const places =
      mode === 'v2' && unified !== undefined
        ? [{ version: 2 as const, controllers: [], mountpoint: unified, path: own }]
        : controllers
            .filter(({ name, version }) => version === 1 && (name === 'name=systemd' || name === 'pids'))
            .map(({ name, mountpoint }) => ({
              version: 1 as const,
              controllers: [name],
              mountpoint,
              path: own,
            }))
    return places.filter((place) => {
      try {
        mkdirSync(path.join(place.mountpoint, place.path), { recursive: true })
        return true
      } catch {
        return false
      }
    })
  }

  /** The engine's own directories, where they are empty. Those of the default root stay: the next command needs them again. */
  remove(): void {
    const { unified, controllers } = this.#facts.cgroup
    const mounts = new Set([
      ...(unified === undefined ? [] : [unified]),
      ...controllers.map((each) => each.mountpoint),
    ])
    for (const mount of mounts) removeEmpty(path.join(mount, this.name))
  }

  close(): void {
    for (const { fd } of this.#open.values()) closeForEngine(this.#addon, fd)
    this.#open.clear()
    this.#sets.clear()
  }

  #make(resources: LinuxResources): readonly OpenParent[] {
    const { cgroup } = this.#facts
    const limited = limitedControllers(resources).map((name) => nameHere(cgroup, name))
    if (!cgroup.writable || cgroup.mode === 'none') {
      if (limited.length === 0) return []
      const need = `a limit of ${limited.join(', ')}`
      if (this.#facts.users !== undefined) {
        const { why, remedy, command } = noGroupOfUser(this.#facts)
        throw unfit(
          need,
          why,
          `run without limits; or ${remedy}${command === undefined ? '' : `: ${command}`}`,
        )
      }
      const why =
        cgroup.mode === 'none' ? 'no cgroup tree is mounted' : 'the cgroup tree cannot be written to'
      throw unfit(need, why, TREE_REMEDY)
    }
    const list = deviceList(resources.devices ?? [])
    const wanted = neededControllers(resources).map((name) => nameHere(cgroup, name))
    const places = placesOf(cgroup, wanted)
    const parents = places.map(({ mountpoint, version, wanted }) =>
      version === 2 ? this.#unified(mountpoint, list, limited) : this.#hierarchy(mountpoint, wanted, list),
    )
    for (const name of limited) {
      if (!parents.some(({ controllers }) => controllers.includes(name)))
        throw unfit(`a limit of ${name}`, ...noController(cgroup, name))
    }
    return parents
  }

  #hierarchy(mountpoint: string, wanted: readonly string[], list: DeviceList): OpenParent {
    // Controllers mounted together are joined together.
    const names = this.#facts.cgroup.controllers
      .filter((each) => each.mountpoint === mountpoint)
      .map((each) => each.name)
    const devices = wanted.includes('devices')
    const own = devices ? `/${this.name}/devices-${hash(JSON.stringify(list))}` : `/${this.name}`
    return this.#once(mountpoint, own, (directory) => {
      mkdirSync(directory, { recursive: true })
      if (names.includes('cpuset')) inheritCpuset(mountpoint, own)
      if (devices) allowDevices(directory, list)
      return { version: 1, controllers: names, mountpoint, path: own }
    })
  }

  /** v2 has no devices controller: a program is attached instead, whatever other controllers there are. */
  #unified(mountpoint: string, list: DeviceList, limited: readonly string[]): OpenParent {
    const own = `/${this.name}/devices-${hash(Buffer.from(compileDeviceProgram(list)).toString('latin1'))}`
    const parent = this.#once(mountpoint, own, (directory) => {
      const { controllers, refused } = handDown(mountpoint, own, [], this.#facts.cgroup.delegated)
      this.#refused.set(mountpoint, refused)
      if (this.#facts.cgroup.delegated === undefined) attachDevices(this.#addon, this.#facts, directory, list)
      return { version: 2, controllers, mountpoint, path: own }
    })
    const whole = this.#withAll(parent, limited)
    const lacking = limited.find((name) => !whole.controllers.includes(name))
    const refusal = lacking === undefined ? undefined : this.#refused.get(mountpoint)?.get(lacking)
    if (refusal !== undefined) throw notHandedDown(lacking ?? '', refusal)
    return whole
  }

  /** Controllers few ask for are handed down when somebody does: each is state in the kernel for every group. */
  #withAll(parent: OpenParent, limited: readonly string[]): OpenParent {
    const { mountpoint, path: own } = parent
    const more = limited.filter((name) => !isUsual(name))
    if (more.length === 0) return parent
    return attempt(path.join(mountpoint, own), () => {
      const { controllers, refused } = handDown(mountpoint, own, more, this.#facts.cgroup.delegated)
      this.#refused.set(mountpoint, new Map([...(this.#refused.get(mountpoint) ?? []), ...refused]))
      return { ...parent, controllers }
    })
  }

  #once(mountpoint: string, own: string, make: (directory: string) => CgroupParent): OpenParent {
    const directory = path.join(mountpoint, own)
    const known = this.#open.get(directory)
    if (known !== undefined) return known
    const parent = attempt(directory, () => {
      const made = make(directory)
      const flags = constants.O_RDONLY | constants.O_DIRECTORY
      return { ...made, fd: openForEngine(this.#addon, directory, flags) }
    })
    this.#open.set(directory, parent)
    return parent
  }
}

interface Place {
  readonly version: 1 | 2
  readonly mountpoint: string
  readonly wanted: readonly string[]
}

/** Where the wanted controllers are, each hierarchy once. Those that are nowhere are left out; a host may have some on v1, some on v2. */
const placesOf = (cgroup: CgroupFacts, wanted: readonly string[]): readonly Place[] => {
  const places = new Map<string, Place>()
  for (const name of wanted) {
    const found = hierarchyOf(cgroup, name)
    if (found === undefined) continue
    const { mountpoint, version } = found
    const known = places.get(mountpoint)?.wanted ?? []
    places.set(mountpoint, { mountpoint, version, wanted: [...known, name] })
  }
  return [...places.values()]
}

/** v1's name of the controller of block devices is another one than v2's. */
const nameHere = ({ controllers }: CgroupFacts, name: string): string => {
  const has = (wanted: string): boolean => controllers.some((each) => each.name === wanted)
  return name === 'blkio' && !has('blkio') && has('io') ? 'io' : name
}

const hierarchyOf = (
  { controllers, unified }: CgroupFacts,
  name: string,
): Pick<CgroupController, 'mountpoint' | 'version'> | undefined =>
  controllers.find((each) => each.name === name) ??
  (name === 'devices' && unified !== undefined ? { mountpoint: unified, version: 2 } : undefined)

const TREE_REMEDY =
  'run without limits, or as root on a host whose cgroup tree is writable; see `slipway doctor`'

const noController = (
  { delegated, controllers }: CgroupFacts,
  name: string,
): readonly [why: string, remedy: string] =>
  delegated === undefined
    ? ['the kernel offers no such cgroup controller here', TREE_REMEDY]
    : [
        `${delegated}, which is delegated to this user, has only ${controllers.map((each) => each.name).join(', ') || 'no controllers'}`,
        `run without it, or have root delegate it too: Delegate=${name} in a drop-in of user@.service`,
      ]

const unfit = (need: string, why: string, remedy: string): EngineError => ({
  _tag: 'HostUnfit',
  need,
  why,
  remedy,
})

const EBUSY = 16
/** A group but the root cannot have both processes and limits for its children: Documentation/admin-guide/cgroup-v2.rst. */
const notHandedDown = (
  name: string,
  { errno, directory }: { readonly errno: number; readonly directory: string },
): EngineError =>
  errno === EBUSY
    ? unfit(
        `a limit of ${name}`,
        `${directory} has processes of its own, so it cannot hand the ${name} controller down`,
        `move them to a group below it: mkdir ${directory}/init; for p in $(cat ${directory}/cgroup.procs); do echo $p > ${directory}/init/cgroup.procs; done`,
      )
    : unfit(
        `a limit of ${name}`,
        `${directory}/cgroup.subtree_control refuses +${name} (errno ${errno})`,
        TREE_REMEDY,
      )

/** A directory of directories. Where somebody is in one of them all of it is needed: of a thousand containers the first says so. */
const removeEmpty = (directory: string): void => {
  try {
    for (const entry of readdirSync(directory, { withFileTypes: true }))
      if (entry.isDirectory()) unlessMissing(() => rmdirSync(path.join(directory, entry.name)))
    rmdirSync(directory)
  } catch {
    // In use, or not there.
  }
}

const FNV_PRIME = 0x100000001b3n
/** FNV-1a, 64 bits: names a set of rules. node:crypto would cost a short-lived command line milliseconds to load. */
const hash = (text: string): string => {
  let state = 0xcbf29ce484222325n
  for (const byte of Buffer.from(text, 'latin1'))
    state = BigInt.asUintN(64, (state ^ BigInt(byte)) * FNV_PRIME)
  return state.toString(16).padStart(16, '0')
}

const attempt = <A>(directory: string, make: () => A): A => {
  try {
    return make()
  } catch (error) {
    const errno = (error as NodeJS.ErrnoException).errno
    if (errno === undefined) throw error
    throw {
      _tag: 'SyscallFailed',
      step: 'prepare cgroup',
      errno: Math.abs(errno),
      path: directory,
    } satisfies EngineError
  }
}
