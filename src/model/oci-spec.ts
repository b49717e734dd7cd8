// The OCI runtime specification's config.json as types. Field names and meanings: runtime-spec 1.3, config.md, config-linux.md.
import type { ExecCpuAffinity, IoPriority, MemoryPolicy, Scheduler } from './oci-spec-scheduling.ts'
import type { LinuxSeccomp } from './oci-spec-seccomp.ts'
import type { RlimitType } from './rlimits.ts'

export type { ExecCpuAffinity, IoPriority, MemoryPolicy, Scheduler } from './oci-spec-scheduling.ts'
export type {
  LinuxSeccomp,
  SeccompAction,
  SeccompArg,
  SeccompOperator,
  SeccompSyscall,
} from './oci-spec-seccomp.ts'

/** A 64-bit unsigned number; a bigint only where it is above 2^53, e.g. RLIM_INFINITY. */
export type Uint64 = number | bigint

export interface Spec {
  /** SemVer of the specification the document follows, e.g. `1.2.0`. */
  readonly ociVersion: string
  readonly root?: Root
  readonly mounts?: readonly Mount[]
  readonly process?: Process
  readonly hostname?: string
  readonly domainname?: string
  readonly hooks?: Hooks
  readonly annotations?: Readonly<Record<string, string>>
  readonly linux?: Linux
}

export interface Root {
  /** Absolute, or relative to the bundle. */
  readonly path: string
  readonly readonly?: boolean
}

export interface Mount {
  readonly destination: string
  readonly type?: string
  readonly source?: string
  readonly options?: readonly string[]
  readonly uidMappings?: readonly IdMapping[]
  readonly gidMappings?: readonly IdMapping[]
  /** Not of the specification, and in no document: below a bind's source, reached through nothing above it. */
  readonly subpath?: string
}

export interface IdMapping {
  readonly containerID: number
  readonly hostID: number
  readonly size: number
}

export interface Process {
  readonly terminal?: boolean
  readonly consoleSize?: { readonly height: number; readonly width: number }
  readonly user: User
  readonly args?: readonly string[]
  readonly env?: readonly string[]
  readonly cwd: string
  readonly capabilities?: LinuxCapabilities
  readonly rlimits?: readonly Rlimit[]
  readonly noNewPrivileges?: boolean
  readonly apparmorProfile?: string
  readonly selinuxLabel?: string
  readonly oomScoreAdj?: number
  readonly scheduler?: Scheduler
  readonly ioPriority?: IoPriority
  readonly execCPUAffinity?: ExecCpuAffinity
}

export interface User {
  readonly uid: number
  readonly gid: number
  readonly umask?: number
  readonly additionalGids?: readonly number[]
}

/** Names as `CAP_CHOWN`. An absent set is empty. */
export interface LinuxCapabilities {
  readonly bounding?: readonly string[]
  readonly effective?: readonly string[]
  readonly inheritable?: readonly string[]
  readonly permitted?: readonly string[]
  readonly ambient?: readonly string[]
}

export interface Rlimit {
  readonly type: RlimitType
  readonly soft: Uint64
  readonly hard: Uint64
}

export interface Hooks {
  readonly prestart?: readonly Hook[]
  readonly createRuntime?: readonly Hook[]
  readonly createContainer?: readonly Hook[]
  readonly startContainer?: readonly Hook[]
  readonly poststart?: readonly Hook[]
  readonly poststop?: readonly Hook[]
}

export interface Hook {
  readonly path: string
  /** With argv[0], as in execv(3). */
  readonly args?: readonly string[]
  readonly env?: readonly string[]
  /** Seconds. */
  readonly timeout?: number
}

export interface Linux {
  readonly namespaces?: readonly Namespace[]
  readonly uidMappings?: readonly IdMapping[]
  readonly gidMappings?: readonly IdMapping[]
  readonly timeOffsets?: Readonly<Partial<Record<'monotonic' | 'boottime', TimeOffset>>>
  readonly devices?: readonly LinuxDevice[]
  /** Network devices of the host moved into the container, by host name (1.3). */
  readonly netDevices?: Readonly<Record<string, { readonly name?: string }>>
  readonly cgroupsPath?: string
  readonly resources?: LinuxResources
  readonly rootfsPropagation?: RootfsPropagation
  readonly seccomp?: LinuxSeccomp
  readonly sysctl?: Readonly<Record<string, string>>
  readonly maskedPaths?: readonly string[]
  readonly readonlyPaths?: readonly string[]
  readonly mountLabel?: string
  readonly intelRdt?: IntelRdt
  /** No flag is defined yet. */
  readonly personality?: { readonly domain: 'LINUX' | 'LINUX32'; readonly flags?: readonly string[] }
  /** set_mempolicy(2) for the payload (1.3). */
  readonly memoryPolicy?: MemoryPolicy
}

/** The forms with `r` mean the same as those without: the root's own mount and all below it. */
export type RootfsPropagation = `${'' | 'r'}${'shared' | 'slave' | 'private' | 'unbindable'}`

export type NamespaceType = 'pid' | 'network' | 'mount' | 'ipc' | 'uts' | 'user' | 'cgroup' | 'time'

export interface Namespace {
  readonly type: NamespaceType
  /** Join this one instead of making a new one. */
  readonly path?: string
}

export interface TimeOffset {
  readonly secs?: number
  readonly nanosecs?: number
}

export interface LinuxDevice {
  readonly path: string
  readonly type: 'c' | 'b' | 'u' | 'p'
  readonly major?: number
  readonly minor?: number
  readonly fileMode?: number
  readonly uid?: number
  readonly gid?: number
}

export interface IntelRdt {
  readonly closID?: string
  readonly schemata?: readonly string[]
  readonly l3CacheSchema?: string
  readonly memBwSchema?: string
  readonly enableMonitoring?: boolean
}

export interface LinuxResources {
  readonly devices?: readonly LinuxDeviceCgroup[]
  readonly memory?: MemoryResources
  readonly cpu?: CpuResources
  readonly pids?: { readonly limit?: number }
  readonly blockIO?: BlockIo
  readonly hugepageLimits?: readonly { readonly pageSize: string; readonly limit: Uint64 }[]
  readonly network?: NetworkResources
  readonly rdma?: Readonly<Record<string, { readonly hcaHandles?: number; readonly hcaObjects?: number }>>
  /** cgroup v2 files written as they are. */
  readonly unified?: Readonly<Record<string, string>>
}

export interface LinuxDeviceCgroup {
  readonly allow: boolean
  /** `a` (the default) is every type. */
  readonly type?: 'a' | 'b' | 'c'
  /** Absent or -1: every number. */
  readonly major?: number
  readonly minor?: number
  /** Any of `r`, `w`, `m`. */
  readonly access?: string
}

/** Bytes; -1 is unlimited. */
export interface MemoryResources {
  readonly limit?: number
  readonly reservation?: number
  /** Memory plus swap. */
  readonly swap?: number
  readonly kernel?: number
  readonly kernelTCP?: number
  readonly swappiness?: number
  readonly disableOOMKiller?: boolean
  readonly useHierarchy?: boolean
  readonly checkBeforeUpdate?: boolean
}

/** Times in microseconds. */
export interface CpuResources {
  readonly shares?: number
  readonly quota?: number
  readonly burst?: number
  readonly period?: number
  readonly realtimeRuntime?: number
  readonly realtimePeriod?: number
  readonly cpus?: string
  readonly mems?: string
  readonly idle?: number
}

export interface BlockIo {
  readonly weight?: number
  readonly leafWeight?: number
  readonly weightDevice?: readonly BlockIoWeight[]
  readonly throttleReadBpsDevice?: readonly BlockIoRate[]
  readonly throttleWriteBpsDevice?: readonly BlockIoRate[]
  readonly throttleReadIOPSDevice?: readonly BlockIoRate[]
  readonly throttleWriteIOPSDevice?: readonly BlockIoRate[]
}
export interface BlockIoWeight {
  readonly major: number
  readonly minor: number
  readonly weight?: number
  readonly leafWeight?: number
}
export interface BlockIoRate {
  readonly major: number
  readonly minor: number
  readonly rate: Uint64
}

export interface NetworkResources {
  readonly classID?: number
  readonly priorities?: readonly { readonly name: string; readonly priority: number }[]
}
