// Which namespaces a container gets of its own, and the id maps of its user namespace.
import type { IdMapping, Linux, Namespace, NamespaceType } from '../../model/oci-spec.ts'
import type { IdMap } from '../../model/options.ts'
import type { SpecInput } from './input.ts'

/** Names as /proc/self/ns has them. */
const KERNEL_NAMES: Readonly<Record<NamespaceType, string>> = {
  mount: 'mnt',
  pid: 'pid',
  network: 'net',
  ipc: 'ipc',
  uts: 'uts',
  cgroup: 'cgroup',
  time: 'time',
  user: 'user',
}

/** A default one that this kernel lacks is left out; `doctor` says so. The time namespace only where execve enters it. */
export const specNamespaces = (input: SpecInput): readonly Namespace[] => {
  const { facts } = input
  return wanted(input)
    .filter((type) => facts.namespaces.includes(KERNEL_NAMES[type]) || type === 'user')
    .filter((type) => type !== 'time' || facts.timeNamespaceAtExec)
    .map((type) => (type === 'user' && facts.users !== undefined ? inOwnUsers(facts.users.fd) : { type }))
}

/** The engine's, which it holds open. */
const inOwnUsers = (fd: number): Namespace => ({ type: 'user', path: `/proc/self/fd/${fd}` })

const wanted = ({ options, facts }: SpecInput): NamespaceType[] => [
  ...(options.security?.userns === undefined && facts.users === undefined ? [] : (['user'] as const)),
  'mount',
  ...(options.network === 'host' ? [] : (['network'] as const)),
  ...(options.uts === 'host' ? [] : (['uts'] as const)),
  ...(options.pid === 'host' ? [] : (['pid'] as const)),
  ...(options.ipc === 'host' ? [] : (['ipc'] as const)),
  ...(options.cgroupns === 'host' ? [] : (['cgroup'] as const)),
  'time',
]

/** The user namespace among them is the one at `path`, whoever made it. */
export const inUsersAt = (namespaces: readonly Namespace[], path: string): readonly Namespace[] =>
  namespaces.map((each) => (each.type === 'user' ? { ...each, path } : each))

export const idMappings = ({ options }: SpecInput): Pick<Linux, 'uidMappings' | 'gidMappings'> => {
  const userns = options.security?.userns
  if (userns === undefined) return {}
  return { uidMappings: userns.uidMap.map(mapping), gidMappings: userns.gidMap.map(mapping) }
}

const mapping = ({ containerId, hostId, size }: IdMap): IdMapping => ({
  containerID: containerId,
  hostID: hostId,
  size,
})
