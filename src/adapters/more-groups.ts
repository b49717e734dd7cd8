// Groups for limits that a running container is to get, of controllers that it has no group of so far.
import { mkdirSync } from 'node:fs'
import path from 'node:path'
import type { MoreGroups } from '../engine/ports/living.ts'
import { type OwnGroup, ownGroups } from '../model/group-paths.ts'
import type { HostFacts } from '../model/host-facts.ts'
import type { ContainerRecord } from '../model/record.ts'
import { handDown, inheritCpuset } from './cgroup-setup.ts'
import { gather } from './freezer.ts'
import { removeQuietly } from './remove-group.ts'

export interface MoreGroupsParts {
  readonly facts: Pick<HostFacts, 'cgroup'>
  /** Of the engine's root, below each hierarchy. */
  readonly groupName: string
}

/**
 * On v2 the one group gets the files, once the group above hands the controllers down. With v1 the container joins one more hierarchy
 * for each. A controller that this host has not is left out. Throws what Node throws.
 */
export const moreGroups = (
  { facts, groupName }: MoreGroupsParts,
  { id, groups }: Pick<ContainerRecord, 'id' | 'groups'>,
  controllers: readonly string[],
): MoreGroups => {
  const own = ownGroups(facts, groups)
  if (facts.cgroup.mode === 'v2')
    return { ...NOTHING_ADDED, groups: own.map((group) => handedDown(facts, group, controllers)) }
  const lacking = controllers.filter((name) => !own.some((group) => group.controllers.includes(name)))
  const mounts = new Set(
    facts.cgroup.controllers
      .filter(({ name, version }) => version === 1 && lacking.includes(name))
      .map(({ mountpoint }) => mountpoint),
  )
  // Without any group its processes are not known, and could not be moved.
  const added =
    groups.length === 0 || !facts.cgroup.writable
      ? []
      : [...mounts].map((mount) => path.join(mount, groupName, id))
  const undo = (): void => added.forEach(removeQuietly)
  try {
    for (const mount of added.length === 0 ? [] : mounts) make(facts, mount, path.join('/', groupName, id))
  } catch (error) {
    undo()
    throw error
  }
  return {
    groups: [...own, ...ownGroups(facts, added)],
    added,
    enter: () => {
      for (const group of added) gather(groups, group)
    },
    undo,
  }
}

const NOTHING_ADDED = { added: [], enter: () => {}, undo: () => {} }

/** v1's names are what limits are called by. */
const onV2 = (name: string): string => (name === 'blkio' ? 'io' : name)

const handedDown = (
  { cgroup }: Pick<HostFacts, 'cgroup'>,
  group: OwnGroup,
  controllers: readonly string[],
): OwnGroup => {
  if (cgroup.unified === undefined || !cgroup.writable) return group
  const above = path.dirname(group.directory).slice(cgroup.unified.length)
  const handed = handDown(cgroup.unified, above, controllers.map(onV2), cgroup.delegated)
  return { ...group, controllers: handed.controllers }
}

const make = ({ cgroup }: Pick<HostFacts, 'cgroup'>, mountpoint: string, own: string): void => {
  mkdirSync(path.join(mountpoint, own), { recursive: true })
  const isCpuset = cgroup.controllers.some((each) => each.name === 'cpuset' && each.mountpoint === mountpoint)
  if (isCpuset) inheritCpuset(mountpoint, own)
}
