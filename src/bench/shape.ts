// A set of parts as a start: the options it is asked for with, and what is then taken out of the plan's input.
import { CAPABILITIES } from '../model/capabilities.ts'
import type { HostFacts } from '../model/host-facts.ts'
import type { Linux, LinuxCapabilities, NamespaceType, Spec } from '../model/oci-spec.ts'
import type { RunOptions } from '../model/options.ts'
import type { LaunchInput } from '../plan/launch/index.ts'
import { PARTS, type Part, type PartId } from './parts.ts'

export const MEMORY_BYTES = 64 * 1024 * 1024
export const PIDS = 64
export const CPUS = 1
/** The ids a user namespace is given; nobody's on most hosts. */
const ID_MAP = [{ containerId: 0, hostId: 1_000_000, size: 65_536 }] as const

/** Docker's whole default shape with limits, and the extra parts of the set. `bindSource`: what a bind mount shows. */
export const optionsOf = (parts: ReadonlySet<PartId>, bindSource: string): RunOptions => ({
  stdin: 'ignore',
  stdout: 'ignore',
  stderr: 'ignore',
  memory: MEMORY_BYTES,
  cpus: CPUS,
  pids: PIDS,
  ...(parts.has('readonlyRoot') ? { readonly: true } : {}),
  ...(parts.has('init') ? { init: true } : {}),
  mounts: [
    ...(parts.has('tmpfs') ? [{ type: 'tmpfs', target: '/tmp' } as const] : []),
    ...(parts.has('bind') ? [{ type: 'bind', source: bindSource, target: '/mnt' } as const] : []),
  ],
  security: parts.has('user') ? { userns: { uidMap: ID_MAP, gidMap: ID_MAP } } : {},
})

const NAMESPACES: Readonly<Partial<Record<NamespaceType, PartId>>> = {
  pid: 'pid',
  uts: 'uts',
  ipc: 'ipc',
  cgroup: 'cgroupns',
  time: 'time',
  network: 'net',
}
const MOUNTS: Readonly<Record<string, PartId>> = {
  '/proc': 'proc',
  '/sys': 'sys',
  '/dev': 'dev',
  '/dev/pts': 'devpts',
  '/dev/shm': 'shm',
  '/dev/mqueue': 'mqueue',
  '/sys/fs/cgroup': 'cgroupfs',
}

/** The plan's input less everything that is not in the set. */
export const cut = (input: LaunchInput, parts: ReadonlySet<PartId>): LaunchInput => {
  const { filter, ...rest } = input
  return {
    ...rest,
    spec: cutSpec(input.spec, parts, input.facts),
    files: parts.has('files') ? input.files : [],
    ...(filter !== undefined && parts.has('seccomp') ? { filter } : {}),
  }
}

const cutSpec = (spec: Spec, parts: ReadonlySet<PartId>, facts: HostFacts): Spec => {
  const { hostname, mounts = [], linux = {}, process, ...rest } = spec
  return {
    ...rest,
    ...(hostname !== undefined && parts.has('uts') ? { hostname } : {}),
    mounts: mounts.filter(({ destination }) => isKept(MOUNTS[destination], parts)),
    ...(process === undefined
      ? {}
      : {
          process: parts.has('capabilities') ? process : { ...process, capabilities: everyCapability(facts) },
        }),
    linux: cutLinux(linux, parts),
  }
}

const isKept = (part: PartId | undefined, parts: ReadonlySet<PartId>): boolean =>
  part === undefined || parts.has(part)

const cutLinux = (linux: Linux, parts: ReadonlySet<PartId>): Linux => {
  const { seccomp, sysctl, resources, namespaces = [], ...rest } = linux
  const { memory, cpu, pids, devices } = resources ?? {}
  return {
    ...rest,
    namespaces: namespaces.filter(({ type }) => isKept(NAMESPACES[type], parts)),
    ...(sysctl !== undefined && parts.has('net') ? { sysctl } : {}),
    ...(seccomp !== undefined && parts.has('seccomp') ? { seccomp } : {}),
    maskedPaths: parts.has('masked') ? (linux.maskedPaths ?? []) : [],
    readonlyPaths: parts.has('readonlyPaths') ? (linux.readonlyPaths ?? []) : [],
    resources: {
      devices: devices !== undefined && parts.has('cgroup') ? devices : [{ allow: true, access: 'rwm' }],
      ...(memory !== undefined && parts.has('memory') ? { memory } : {}),
      ...(cpu !== undefined && parts.has('cpu') ? { cpu } : {}),
      ...(pids !== undefined && parts.has('pids') ? { pids } : {}),
    },
  }
}

/** As execve(2) leaves a program of root. */
const everyCapability = ({ effectiveCaps, lastCap }: HostFacts): LinuxCapabilities => {
  const names = CAPABILITIES.slice(0, lastCap + 1).filter(
    (_, bit) => ((effectiveCaps >> BigInt(bit)) & 1n) !== 0n,
  )
  return { bounding: names, effective: names, permitted: names, inheritable: [], ambient: [] }
}

/** The parts this host can give at all, and why not the others. */
export const availableParts = (
  facts: HostFacts,
): { readonly available: readonly Part[]; readonly missing: readonly (readonly [Part, string])[] } => {
  const why = (id: PartId): string | undefined => {
    const { mode, writable } = facts.cgroup
    const needsGroups: readonly PartId[] = ['cgroup', 'cgroupfs', 'memory', 'cpu', 'pids']
    if (needsGroups.includes(id) && (mode === 'none' || !writable))
      return 'this process cannot make cgroups here'
    if (id === 'time' && !facts.timeNamespaceAtExec) return 'this kernel has none that begins with a program'
    if (id === 'user' && !facts.userNamespaces) return 'this host forbids user namespaces'
    if (id === 'seccomp' && facts.seccompActions.length === 0) return 'this kernel has no seccomp'
    return undefined
  }
  return {
    available: PARTS.filter(({ id }) => why(id) === undefined),
    missing: PARTS.flatMap((each) => {
      const reason = why(each.id)
      return reason === undefined ? [] : [[each, reason] as const]
    }),
  }
}
