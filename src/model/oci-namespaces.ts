// The types of namespaces, by name: runtime-spec config-linux.md, Namespaces.
import type { NamespaceType } from './oci-spec.ts'

export const NAMESPACE_TYPES: readonly NamespaceType[] = [
  'pid',
  'network',
  'mount',
  'ipc',
  'uts',
  'user',
  'cgroup',
  'time',
]
