// What a runtime spec's parts ask of each other: rules no single value can break.
import type { Linux, NamespaceType, Spec } from './oci-spec.ts'
import { sysctlProblem } from './sysctls.ts'

/** A broken rule: the JSON path and what is wrong there. */
export interface BrokenRule {
  readonly where: string
  readonly why: string
}

/** The first broken rule, if any. */
export const brokenRule = (spec: Spec): BrokenRule | undefined => {
  const own = new Set((spec.linux?.namespaces ?? []).map(({ type }) => type))
  return (
    nameRule(spec, own) ??
    mountRule(spec) ??
    terminalRule(spec) ??
    (spec.linux === undefined ? undefined : linuxRule(spec.linux, own))
  )
}

type Own = ReadonlySet<NamespaceType>
const rule = (where: string, why: string): BrokenRule => ({ where, why })

/** Without a namespace of its own a container would rename the host. runtime-spec config.md, Hostname. */
const nameRule = ({ hostname, domainname }: Spec, own: Own): BrokenRule | undefined => {
  if (own.has('uts')) return undefined
  if ((hostname ?? '') !== '') return rule('.hostname', 'needs a uts namespace')
  return (domainname ?? '') !== '' ? rule('.domainname', 'needs a uts namespace') : undefined
}

/** runtime-spec config.md, Mounts: both mappings or none. */
const mountRule = ({ mounts }: Spec): BrokenRule | undefined => {
  const at = (mounts ?? []).findIndex(
    (mount) => (mount.uidMappings === undefined) !== (mount.gidMappings === undefined),
  )
  return at < 0 ? undefined : rule(`.mounts[${at}]`, 'uidMappings and gidMappings come together')
}

const terminalRule = ({ process }: Spec): BrokenRule | undefined => {
  const size = process?.consoleSize
  if (size === undefined || process?.terminal !== true) return undefined
  return size.height > 0xffff || size.width > 0xffff
    ? rule('.process.consoleSize', 'is too large')
    : undefined
}

const linuxRule = (linux: Linux, own: Own): BrokenRule | undefined =>
  mappingRule(linux, own) ?? needsNamespace(linux, own) ?? sysctlRule(linux, own)

/** user_namespaces(7): id maps are a property of a user namespace, and of no other. */
const mappingRule = ({ uidMappings, gidMappings, namespaces }: Linux, own: Own): BrokenRule | undefined => {
  const named = uidMappings === undefined ? '.linux.gidMappings' : '.linux.uidMappings'
  const mapped = (uidMappings ?? gidMappings) !== undefined
  if (mapped && !own.has('user')) return rule(named, 'needs a user namespace')
  const made = (namespaces ?? []).some(({ type, path }) => type === 'user' && path === undefined)
  if (!made || ((uidMappings ?? []).length > 0 && (gidMappings ?? []).length > 0)) return undefined
  return rule('.linux.namespaces', 'a new user namespace needs uidMappings and gidMappings')
}

const needsNamespace = (linux: Linux, own: Own): BrokenRule | undefined => {
  const { timeOffsets, netDevices, maskedPaths, readonlyPaths } = linux
  if (timeOffsets !== undefined && !own.has('time'))
    return rule('.linux.timeOffsets', 'needs a time namespace')
  if (Object.keys(netDevices ?? {}).length > 0 && !own.has('network')) {
    return rule('.linux.netDevices', 'needs a network namespace')
  }
  if (own.has('mount')) return undefined
  if ((maskedPaths ?? []).length > 0) return rule('.linux.maskedPaths', 'needs a mount namespace')
  return (readonlyPaths ?? []).length > 0
    ? rule('.linux.readonlyPaths', 'needs a mount namespace')
    : undefined
}

const sysctlRule = ({ sysctl }: Linux, own: Own): BrokenRule | undefined => {
  for (const name of Object.keys(sysctl ?? {})) {
    const why = sysctlProblem(name, own)
    if (why !== undefined) return rule(`.linux.sysctl[${JSON.stringify(name)}]`, why)
  }
  return undefined
}
