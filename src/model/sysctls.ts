// Kernel parameters a container may set: those that belong to one of its namespaces.
import type { NamespaceType } from './oci-spec.ts'

const IPC: ReadonlySet<string> = new Set([
  'kernel.msgmax',
  'kernel.msgmnb',
  'kernel.msgmni',
  'kernel.sem',
  'kernel.shmall',
  'kernel.shmmax',
  'kernel.shmmni',
  'kernel.shm_rmid_forced',
])

/** Words between dots: nothing that could name another place below /proc/sys. */
const NAME = /^[a-z0-9_-]+(?:\.[A-Za-z0-9_:@-]+)+$/

/** The namespace that owns a parameter; undefined when none does, or the name is none (sysctl(8), namespaces(7)). */
export const sysctlNamespace = (name: string): NamespaceType | undefined => {
  if (!NAME.test(name)) return undefined
  if (IPC.has(name) || name.startsWith('fs.mqueue.')) return 'ipc'
  if (name.startsWith('net.')) return 'network'
  return name === 'kernel.domainname' ? 'uts' : undefined
}

/** Why a parameter cannot be set, given the namespaces the container has of its own; undefined when it can. */
export const sysctlProblem = (name: string, own: ReadonlySet<NamespaceType>): string | undefined => {
  const namespace = sysctlNamespace(name)
  if (name === 'kernel.hostname') return 'is set by the hostname'
  if (name.includes('/')) return 'is written with dots'
  if (namespace === undefined) return 'belongs to no namespace: it would change the whole host'
  return own.has(namespace) ? undefined : `belongs to the ${namespace} namespace, which is the host's here`
}
