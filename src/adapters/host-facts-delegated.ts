// What of the cgroup tree belongs to an ordinary user: on v2, a group that was delegated to it, if this process is in one.
import { accessSync, constants, statSync } from 'node:fs'
import path from 'node:path'
import type { CgroupFacts, HostFacts } from '../model/host-facts.ts'
import { readText } from './read-text.ts'

/** Files that come with a delegated group: Documentation/admin-guide/cgroup-v2.rst, Model of Delegation. */
const DELEGATED_FILES = ['cgroup.procs', 'cgroup.subtree_control', 'cgroup.threads']

/**
 * The facts of the groups as an ordinary user may use them. A process can be moved only between groups below one that its mover may
 * write to, so a delegated group that this process is not in is of no use. v1 has no safe delegation.
 */
export const ownCgroups = ({ cgroup, euid }: Pick<HostFacts, 'cgroup' | 'euid'>): CgroupFacts => {
  const { mode, unified } = cgroup
  const delegated = mode === 'v2' && unified !== undefined ? delegatedGroup(unified, euid) : undefined
  if (delegated === undefined || unified === undefined) return { ...cgroup, writable: false }
  const names = words(path.join(unified, delegated, 'cgroup.controllers'))
  return {
    ...cgroup,
    writable: true,
    delegated,
    controllers: names.map((name) => ({ name, mountpoint: unified, version: 2 })),
  }
}

/** The topmost one on the way up from our own; undefined where our own is not ours. */
const delegatedGroup = (mountpoint: string, euid: number): string | undefined => {
  let found: string | undefined
  for (let group = ownGroup(); group !== undefined && group !== '/'; group = path.dirname(group)) {
    if (!belongsTo(path.join(mountpoint, group), euid)) break
    found = group
  }
  return found
}

/** cgroups(7), /proc/[pid]/cgroup: `0::/path`. A path that leads out of the cgroup namespace is no place to make anything. */
const ownGroup = (): string | undefined => {
  const group = /^0::(\/.*)$/m.exec(readText('/proc/self/cgroup'))?.[1]
  return group?.startsWith('/..') ? undefined : group
}

const belongsTo = (directory: string, euid: number): boolean => {
  try {
    if (statSync(directory).uid !== euid) return false
    for (const file of DELEGATED_FILES) accessSync(path.join(directory, file), constants.W_OK)
    return true
  } catch {
    return false
  }
}

const words = (file: string): readonly string[] =>
  readText(file)
    .split(/\s+/)
    .filter((word) => word !== '')
