// The mounts of a container: Docker's own, then what was asked for, shallow paths first.

import { isAtLeast } from '../../model/host-facts.ts'
import type { IdMapping, Mount } from '../../model/oci-spec.ts'
import type { MountIdMap } from '../../model/options.ts'
import type { FilesystemMount, PlannedBind, PlannedMount, TmpfsMount } from '../../model/options-decoded.ts'
import { isMapped } from '../../model/own-users.ts'
import { isPrivileged, type SpecInput } from './input.ts'

const DEFAULT_SHM_BYTES = 64 * 1024 * 1024

/** moby daemon/pkg/oci/defaults.go. */
const DEFAULTS: readonly Mount[] = [
  { destination: '/proc', type: 'proc', source: 'proc', options: ['nosuid', 'noexec', 'nodev'] },
  {
    destination: '/dev',
    type: 'tmpfs',
    source: 'tmpfs',
    options: ['nosuid', 'strictatime', 'mode=755', 'size=65536k'],
  },
  {
    destination: '/dev/pts',
    type: 'devpts',
    source: 'devpts',
    options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620', 'gid=5'],
  },
  { destination: '/sys', type: 'sysfs', source: 'sysfs', options: ['nosuid', 'noexec', 'nodev', 'ro'] },
  {
    destination: '/sys/fs/cgroup',
    type: 'cgroup',
    source: 'cgroup',
    options: ['ro', 'nosuid', 'noexec', 'nodev'],
  },
  { destination: '/dev/mqueue', type: 'mqueue', source: 'mqueue', options: ['nosuid', 'noexec', 'nodev'] },
]

export const specMounts = (input: SpecInput): readonly Mount[] => {
  const targets = new Set((input.options.mounts ?? []).map((mount) => mount.target))
  const own = [...DEFAULTS, shm(input)].filter(({ destination }) => !isReplaced(destination, targets))
  return [
    ...own.flatMap((mount) => ofHost(mount, input) ?? adapt(mount, input)),
    ...askedMounts(input.options.mounts, input),
  ]
}

/** Shallow paths first. */
export const askedMounts = (
  mounts: readonly PlannedMount[] | undefined,
  input: Pick<SpecInput, 'facts'>,
): readonly Mount[] =>
  [...(mounts ?? [])]
    .sort((a, b) => depth(a.target) - depth(b.target))
    .map((mount) => userMount(mount, input))

/** A mount that was asked for stands in for ours at the same place, and one on /dev for all we have below it. */
const isReplaced = (destination: string, targets: ReadonlySet<string>): boolean =>
  targets.has(destination) || (destination.startsWith('/dev/') && targets.has('/dev'))

const shm = ({ options }: SpecInput): Mount => {
  const destination = '/dev/shm'
  if (options.ipc === 'host') {
    return { destination, type: 'bind', source: '/dev/shm', options: ['rbind', 'rprivate'] }
  }
  const size = `size=${options.shmSize ?? DEFAULT_SHM_BYTES}`
  return {
    destination,
    type: 'tmpfs',
    source: 'shm',
    options: ['nosuid', 'noexec', 'nodev', 'mode=1777', size],
  }
}

/**
 * A file system that shows a namespace can be mounted only by whoever rules that namespace. Of the host's an ordinary user binds /sys,
 * without the groups in it, which are none of the container's, and leaves out the queues, which are had by name all the same (mq_overview(7)).
 */
const ofHost = (mount: Mount, { options, facts }: SpecInput): readonly Mount[] | undefined => {
  if (facts.users === undefined) return undefined
  if (options.ipc === 'host' && mount.type === 'mqueue') return []
  if (options.network !== 'host') return undefined
  return mount.type === 'sysfs'
    ? [HOST_SYS]
    : mount.type === 'cgroup' && !facts.cgroup.writable
      ? [NO_GROUPS]
      : undefined
}

const HOST_SYS: Mount = {
  destination: '/sys',
  type: 'bind',
  source: '/sys',
  options: ['rbind', 'nosuid', 'noexec', 'nodev', 'rro'],
}
const NO_GROUPS: Mount = {
  destination: '/sys/fs/cgroup',
  type: 'tmpfs',
  source: 'tmpfs',
  options: ['ro', 'nosuid', 'noexec', 'nodev', 'mode=555', 'size=0'],
}

/** Privileged: /sys and the cgroups are writable. A group the user namespace does not map cannot own terminals. */
const adapt = (mount: Mount, input: SpecInput): Mount => {
  const writable = isPrivileged(input) && (mount.destination === '/sys' || mount.type === 'cgroup')
  if (writable) return { ...mount, options: without(mount.options, 'ro') }
  return mount.type === 'devpts' && !mapsGid(input, TTY_GID)
    ? { ...mount, options: without(mount.options, `gid=${TTY_GID}`) }
    : mount
}

const TTY_GID = 5
const mapsGid = ({ options, facts }: SpecInput, gid: number): boolean => {
  if (facts.users !== undefined) return isMapped(facts.users.gidMappings, gid)
  const maps = options.security?.userns?.gidMap
  return maps === undefined || maps.some((map) => gid >= map.containerId && gid < map.containerId + map.size)
}

const without = (options: readonly string[] | undefined, word: string): readonly string[] =>
  (options ?? []).filter((option) => option !== word)

const userMount = (mount: PlannedMount, input: Pick<SpecInput, 'facts'>): Mount => {
  switch (mount.type) {
    case 'bind':
      return bind(mount, input)
    case 'tmpfs':
      return tmpfs(mount)
    case 'filesystem':
      return filesystem(mount)
  }
}

const bind = (mount: PlannedBind, input: Pick<SpecInput, 'facts'>): Mount => ({
  destination: mount.target,
  type: 'bind',
  source: mount.source,
  options: [
    mount.recursive === false ? 'bind' : 'rbind',
    ...readonlyOf(mount, input),
    mount.propagation ?? 'rprivate',
    ...(mount.options ?? []),
    ...(mount.idmap === undefined ? [] : ['idmap']),
  ],
  ...(mount.subpath === undefined ? {} : { subpath: mount.subpath }),
  ...(typeof mount.idmap === 'object'
    ? { uidMappings: mount.idmap.uids.map(idMapping), gidMappings: mount.idmap.gids.map(idMapping) }
    : {}),
})

/**
 * Read-only reaches the mounts below the source too where the kernel can do that at once (mount_setattr(2), Linux 5.12). Where it
 * cannot and must, the start is refused before.
 */
const readonlyOf = ({ readonly, recursive }: PlannedBind, { facts }: Pick<SpecInput, 'facts'>): string[] => {
  if (readonly !== true) return []
  const deep = recursive !== false && recursive !== 'writable' && isAtLeast(facts.kernel, 5, 12)
  return [deep ? 'rro' : 'ro']
}

const idMapping = ({ from, to, size }: MountIdMap): IdMapping => ({ containerID: from, hostID: to, size })

const filesystem = (mount: FilesystemMount): Mount => ({
  destination: mount.target,
  type: mount.filesystem,
  source: mount.device,
  options: mount.options,
})

/** moby daemon/oci_linux.go: noexec, nosuid and nodev unless a later option takes them back. */
const tmpfs = (mount: TmpfsMount): Mount => ({
  destination: mount.target,
  type: 'tmpfs',
  source: 'tmpfs',
  options: [
    'noexec',
    'nosuid',
    'nodev',
    `mode=${(mount.mode ?? 0o1777).toString(8)}`,
    ...(mount.size === undefined ? [] : [`size=${mount.size}`]),
    ...(mount.readonly === true ? ['ro'] : []),
    ...(mount.options ?? []),
  ],
})

const depth = (path: string): number => path.split('/').length
