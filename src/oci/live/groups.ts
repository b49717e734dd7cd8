// The cgroups of a container: where its document puts them, how they are made and taken down, and who is in them.
import { mkdirSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import path from 'node:path'
import * as E from '#fp/Either'
import { pidsIn } from '../../adapters/cgroup-pids.ts'
import { attachDevices, handDown, inheritCpuset } from '../../adapters/cgroup-setup.ts'
import type { EngineError } from '../../model/errors.ts'
import type { LinuxResources, Spec } from '../../model/oci-spec.ts'
import type { CgroupManager, OciCgroup, OciRecord } from '../../model/oci-state.ts'
import { remember } from '../../model/remember.ts'
import {
  handsDownCpus,
  type ParentPlace,
  type ParentsPlan,
  planOpenParents,
} from '../../plan/cgroup-parents.ts'
import type { DeviceList } from '../../plan/device-list.ts'
import { hasController, limitedControllers, limitWrites, onV2 } from '../../plan/launch/cgroup.ts'
import type { CgroupParent } from '../../plan/launch/index.ts'
import { unless } from '../attempt.ts'
import { processStat } from '../status-facts.ts'
import { devicesOf } from './device-rules.ts'
import type { Parts } from './parts.ts'

/** A group as the planner takes it, and its directory. */
export interface Group extends CgroupParent {
  readonly group: string
  readonly directory: string
}

/**
 * One for each hierarchy: the container joins them all, as it does under runc. A relative path is below the runtime's own group, and
 * without one the id is the name. `scope`: path of the group systemd makes instead. Throws an EngineError.
 */
export const groupsOf = (
  { facts, globals }: Parts,
  { linux }: Spec,
  id: string,
  scope?: string,
): readonly Group[] => {
  const { cgroupManager: manager } = globals
  const { mode, controllers, unified, writable, delegated } = facts.cgroup
  // The scope's own group is handed over to whoever asked for it.
  const canMake = writable || scope !== undefined
  if (manager === 'disabled' || mode === 'none' || !canMake) return refusingLimits(manager, linux?.resources)
  const wanted = linux?.cgroupsPath ?? ''
  const own = wanted.startsWith('/') ? new Map<string, string>() : ownGroups()
  const place = (mountpoint: string, names: readonly string[], version: 1 | 2): Group => {
    const above = wanted.startsWith('/')
      ? '/'
      : version === 2 && delegated !== undefined
        ? delegated
        : (own.get(version === 2 ? '' : (names[0] ?? '')) ?? '/')
    const whole = scope ?? path.posix.join('/', above, wanted === '' ? id : wanted)
    const parent = path.posix.dirname(whole)
    return {
      version,
      controllers: names,
      mountpoint,
      path: parent === '/' ? '' : parent,
      group: path.posix.basename(whole),
      directory: path.join(mountpoint, whole),
    }
  }
  if (mode === 'v2') return unified === undefined ? [] : [place(unified, [], 2)]
  const mounts = new Map<string, string[]>()
  for (const { name, mountpoint, version } of controllers)
    if (version === 1) mounts.set(mountpoint, [...(mounts.get(mountpoint) ?? []), name])
  const groups = [...mounts].map(([mountpoint, names]) => place(mountpoint, names, 1))
  // Beside v1 that is where systemd looks whether anybody is left.
  return scope === undefined || unified === undefined ? groups : [...groups, place(unified, [], 2)]
}

const refusingLimits = (
  manager: CgroupManager,
  resources: NonNullable<Spec['linux']>['resources'] = {},
): readonly Group[] => {
  const limited = limitedControllers(resources)
  if (limited.length === 0) return []
  throw {
    _tag: 'HostUnfit',
    need: `a limit of ${limited.join(', ')}`,
    why: manager === 'disabled' ? 'cgroups are disabled' : 'the cgroup tree cannot be written to',
  } satisfies EngineError
}

/** By controller; the empty name is v2's. cgroups(7), /proc/[pid]/cgroup. */
const ownGroups = (): ReadonlyMap<string, string> => {
  const lines = readFileSync('/proc/self/cgroup', 'utf8').split('\n')
  return new Map(
    lines.flatMap((line) => {
      const [, names = '', ...rest] = line.split(':')
      return rest.length === 0 ? [] : names.split(',').map((name) => [name, rest.join(':')] as const)
    }),
  )
}

/** Groups as the planner takes them, and what they are made in: O_DIRECTORY descriptors, one for each. */
export interface OpenGroups {
  readonly groups: readonly Group[]
  readonly parents: readonly number[]
  readonly close: () => void
}

/**
 * What the groups need before the container's start makes them: their parents, with cpusets that are not empty; of v2 the group itself,
 * with its device program. `scope`: a program that is attached there is somebody else's, and what a user's manager made has limits that
 * the manager alone may write. Throws an EngineError.
 */
export const openGroups = (
  parts: Parts,
  groups: readonly Group[],
  spec: Spec,
  scope: { readonly isUsers: boolean } | undefined,
): OpenGroups => {
  const list = devicesOf(spec)
  const resources = spec.linux?.resources ?? {}
  const more = limitedControllers(resources).map(onV2)
  const made = groups.map((group) => {
    if (group.version === 2) return makeUnified(parts, group, list, more, scope)
    return group.controllers.includes('devices') ? { ...group, devices: list } : group
  })
  if (made.length > 0) refuseLacking(made, resources)
  const opened = openParents(parts, made)
  return {
    groups: scope?.isUsers === true ? made.map((group) => ({ ...group, controllers: [] })) : made,
    ...opened,
  }
}

const makeUnified = (
  { addon, facts }: Parts,
  group: Group,
  list: DeviceList,
  more: readonly string[],
  scope: { readonly isUsers: boolean } | undefined,
): Group => {
  const { delegated, mode } = facts.cgroup
  const above = group.path === '' ? '/' : group.path
  const { controllers } = handDown(group.mountpoint, above, more, delegated)
  mkdirSync(group.directory, { recursive: true })
  // A user can neither load a program nor make a device that it would refuse.
  if (mode === 'v2' && scope?.isUsers !== true && delegated === undefined)
    attachDevices(addon, facts, group.directory, list, scope !== undefined)
  return { ...group, controllers }
}

/** A limit that nothing would be written for. A document's 0 is often none. */
const refuseLacking = (groups: readonly Group[], resources: LinuxResources): void => {
  const { unified, ...own } = resources
  for (const name of limitedControllers(own)) {
    if (hasController(groups, name)) continue
    if (limitWrites({ version: 1, controllers: [name] }, own).length === 0) continue
    throw {
      _tag: 'HostUnfit',
      need: `a limit of ${name}`,
      why: 'the container has no group of this controller here',
    } satisfies EngineError
  }
}

/** As the state keeps them. */
export const recordOf = (manager: CgroupManager, groups: readonly Group[], unit?: string): OciCgroup => {
  const paths = Object.fromEntries(
    groups.flatMap(({ version, controllers, directory }) =>
      version === 2 ? [['', directory]] : controllers.map((name) => [name, directory]),
    ),
  )
  const frozen = groups.find(({ version, controllers }) => version === 2 || controllers.includes('freezer'))
  const file = frozen && path.join(frozen.directory, frozen.version === 2 ? 'cgroup.freeze' : 'freezer.state')
  return {
    manager,
    paths,
    ...(file === undefined ? {} : { freezerFile: file }),
    ...(unit === undefined ? {} : { unit }),
  }
}

/** One directory of a container that is there, and the controllers it stands for; the empty name is v2's. */
export interface Hierarchy {
  readonly directory: string
  readonly names: readonly string[]
  readonly version: 1 | 2
}

/** Each directory once. */
export const hierarchiesOf = ({ paths }: OciCgroup): readonly Hierarchy[] =>
  [...new Set(Object.values(paths))].map((directory) => {
    const names = Object.keys(paths).filter((name) => paths[name] === directory)
    return { directory, names, version: names.includes('') ? 2 : 1 }
  })

/**
 * The same as the planner takes them, to be joined. `below`: sub-groups by controller; the empty name is for every one. Throws an
 * EngineError.
 */
export const joinedGroups = (
  { facts }: Parts,
  cgroup: OciCgroup,
  below: Readonly<Record<string, string>> = {},
): readonly Group[] => {
  const unknown = Object.keys(below).find((name) => name !== '' && cgroup.paths[name] === undefined)
  if (unknown !== undefined)
    throw {
      _tag: 'InvalidOption',
      option: '--cgroup',
      value: `${unknown}:${below[unknown]}`,
      why: `the container has no group of ${unknown} alone`,
    } satisfies EngineError
  return hierarchiesOf(cgroup).map(({ directory, names, version }) => {
    const sub = names.map((name) => below[name] ?? below[''] ?? '').find((each) => each !== '') ?? ''
    const whole = path.join(directory, sub)
    if (sub !== '') mkdirSync(whole, { recursive: true })
    const mountpoint =
      version === 2
        ? (facts.cgroup.unified ?? '/sys/fs/cgroup')
        : (facts.cgroup.controllers.find(({ name }) => name === names[0])?.mountpoint ?? '/sys/fs/cgroup')
    const parent = path.dirname(whole).slice(mountpoint.length)
    return {
      version,
      controllers: [],
      mountpoint,
      path: parent,
      group: path.basename(whole),
      directory: whole,
      isEntered: true,
    }
  })
}

const isCpuset = ({ version, controllers }: Group): boolean => version === 1 && controllers.includes('cpuset')
const parentOf = ({ mountpoint, path: parent }: Group): string => `${mountpoint}${parent}`

/** They are there but for the first container below them. Throws an EngineError. */
const openParents = (parts: Parts, groups: readonly Group[]): Omit<OpenGroups, 'groups'> => {
  const atTop = groups.find((group) => isCpuset(group) && group.path === '')
  // The root of a hierarchy hands nothing down.
  if (atTop !== undefined) makeCpuset(atTop.mountpoint, atTop.group)
  const plan = parentsPlan(
    parts,
    groups.map((group) => ({ directory: parentOf(group), hasCpus: isCpuset(group) && group !== atTop })),
  )
  const opened = tryParents(parts, plan)
  if (E.isRight(opened)) return opened.right
  for (const group of groups)
    if (isCpuset(group)) makeCpuset(group.mountpoint, group.path)
    else mkdirSync(parentOf(group), { recursive: true })
  const again = tryParents(parts, plan)
  if (E.isLeft(again)) throw again.left
  return again.right
}

const parentsPlan = ({ facts, parents }: Parts, places: readonly ParentPlace[]): ParentsPlan => {
  const key = places.map(({ directory, hasCpus }) => `${directory} ${hasCpus}`).join('\n')
  const plan = parents.get(key) ?? planOpenParents(facts.arch, places)
  remember(parents, key, plan)
  return plan
}

const makeCpuset = (mountpoint: string, own: string): void => {
  mkdirSync(path.join(mountpoint, own), { recursive: true })
  inheritCpuset(mountpoint, own)
}

const tryParents = (
  { addon }: Parts,
  plan: ParentsPlan,
): E.Either<EngineError, Omit<OpenGroups, 'groups'>> => {
  const { ok, op, errno, slots } = addon.execute(plan.bytes, new Int32Array(0))
  const { step = 'open cgroup', path: where = '' } = plan.infos[op] ?? {}
  if (!ok) return E.left({ _tag: 'SyscallFailed', step, errno, path: where })
  const fdsOf = (places: readonly number[]): Int32Array =>
    Int32Array.from(places, (slot) => slots[slot] ?? -1)
  const cpus = fdsOf(plan.cpus)
  const handsDown = handsDownCpus(addon.readFiles(cpus))
  addon.closeFds(cpus)
  const fds = fdsOf(plan.parents)
  const close = (): void => addon.closeFds(fds)
  if (handsDown) return E.right({ parents: [...fds], close })
  close()
  return E.left({ _tag: 'SyscallFailed', step: 'join cgroup', errno: ENOSPC, path: 'cpuset' })
}

/** What a process gets that joins a cpuset without processors. cpusets.rst, 2.3. */
const ENOSPC = 28

export const GONE = ['ENOENT', 'ENODEV']

/** Pids of all processes at and below a directory; none where it is gone. */
export const pidsBelow = (directory: string): readonly number[] => {
  const own = unless(GONE, () => pidsIn(directory)) ?? []
  const below = (unless(GONE, () => readdirSync(directory, { withFileTypes: true })) ?? [])
    .filter((entry) => entry.isDirectory())
    .flatMap(({ name }) => pidsBelow(path.join(directory, name)))
  return [...own, ...below]
}

/** Who belongs to a container: a group tells, or else the pid namespace, where the container has one of its own. */
export const processesOf = ({ cgroup, init }: OciRecord): readonly number[] => {
  if (hierarchiesOf(cgroup).length > 0) return membersOf(cgroup)
  return init === undefined || processStat(init.pid)?.startTime !== init.startTime
    ? []
    : namesakesOf(init.pid)
}

export const membersOf = (cgroup: OciCgroup): readonly number[] => {
  const [first] = hierarchiesOf(cgroup)
  return first === undefined ? [] : [...new Set(pidsBelow(first.directory))].sort((a, b) => a - b)
}

/** The processes in the pid namespace of one; it alone where that is the runtime's, too. */
const namesakesOf = (pid: number): readonly number[] => {
  const namespaceOf = (of: number | string): string | undefined =>
    unless([...GONE, 'ESRCH', 'EACCES', 'EPERM'], () => readlinkSync(`/proc/${of}/ns/pid`))
  const wanted = namespaceOf(pid)
  if (wanted === undefined || wanted === namespaceOf('self')) return [pid]
  const all = readdirSync('/proc')
    .map(Number)
    .filter((each) => each > 0)
  return all.filter((each) => namespaceOf(each) === wanted).sort((a, b) => a - b)
}
