// What this host can do, probed once per boot. The planner chooses by these facts, never by an errno in mid-start.

import type { OwnUsers } from './own-users.ts'

export interface CgroupController {
  /** e.g. `memory`; `name=systemd` for named hierarchies. */
  readonly name: string
  /** Mount point of its hierarchy, e.g. `/sys/fs/cgroup/memory`. */
  readonly mountpoint: string
  readonly version: 1 | 2
}

export interface CgroupFacts {
  readonly mode: 'v1' | 'v2' | 'hybrid' | 'none'
  readonly controllers: readonly CgroupController[]
  /** Mount point of the v2 tree where one exists, in any mode. */
  readonly unified?: string
  /**
   * Of an ordinary user on v2: the topmost group that is delegated to it and that this process is in or below, from the mount point
   * on. Groups are made below it, and device rules are nobody's there.
   */
  readonly delegated?: string
  /** False where the trees are mounted read-only (inside another container) or not permitted. */
  readonly writable: boolean
}

export interface HostFacts {
  readonly bootId: string
  readonly arch: 'x64' | 'arm64'
  /** `6.18.44-…` */
  readonly kernelRelease: string
  /** [6, 18] */
  readonly kernel: readonly [number, number]
  readonly euid: number
  readonly egid: number
  /** Effective capabilities of this process, as a bit mask. */
  readonly effectiveCaps: bigint
  /** Highest capability the kernel knows (/proc/sys/kernel/cap_last_cap). */
  readonly lastCap: number
  readonly cgroup: CgroupFacts
  /** Names from /proc/self/ns this kernel has: mnt, pid, net, ipc, uts, cgroup, user, time. */
  readonly namespaces: readonly string[]
  /** unshare(CLONE_NEWTIME) takes effect at execve. */
  readonly timeNamespaceAtExec: boolean
  /** fsconfig(2) takes `lowerdir+` for overlay (Linux 6.8). */
  readonly overlayLowerPlus: boolean
  /** SO_PASSPIDFD (Linux 6.5). */
  readonly passPidfd: boolean
  /** Seccomp actions of /proc/sys/kernel/seccomp/actions_avail; empty without seccomp. */
  readonly seccompActions: readonly string[]
  readonly apparmor: boolean
  readonly selinux: boolean
  /** /proc/sys/user/max_user_namespaces is above zero and nothing else forbids them. */
  readonly userNamespaces: boolean
  /** Number of online CPUs. */
  readonly cpus: number
  readonly memoryBytes: number
  /** Hard RLIMIT_NOFILE of this process. */
  readonly nofileHard: number
  /** oom_score_adj of this process, where it is below 0: containers must not inherit that. */
  readonly oomScoreAdj?: number
  /** CAP_SYS_RESOURCE is held: hard limits can be raised. */
  readonly canRaiseLimits: boolean
  /** Directories of /sys/devices/system/cpu with a thermal_throttle folder, to be masked. */
  readonly thermalThrottle: readonly string[]
  /** This process is in a user namespace that is not the first one: its rights are over that alone, and it can make no device nodes. */
  readonly isNamespaced?: boolean
  /** Set for an ordinary user, once an engine is open. */
  readonly users?: OwnUsers
  /** IPv6 is compiled in (/proc/net/if_inet6 exists). */
  readonly ipv6: boolean
}

/** Whether the kernel is this version or a later one. */
export const isAtLeast = ([version, level]: HostFacts['kernel'], major: number, minor: number): boolean =>
  version > major || (version === major && level >= minor)

const CAP_SYS_ADMIN = 1n << 21n
export const holdsAdmin = ({ effectiveCaps }: Pick<HostFacts, 'effectiveCaps'>): boolean =>
  (effectiveCaps & CAP_SYS_ADMIN) !== 0n

/** Neither root, of whatever namespace, nor one with its rights: such a user makes containers in a user namespace of its own. */
export const isOrdinary = (facts: Pick<HostFacts, 'euid' | 'effectiveCaps'>): boolean =>
  facts.euid !== 0 && !holdsAdmin(facts)

/** What a container opens and makes can be held to its device rules: by a v1 hierarchy, or by a program on a v2 group. */
export const filtersDevices = ({ writable, controllers, unified, delegated }: CgroupFacts): boolean =>
  writable &&
  delegated === undefined &&
  (unified !== undefined || controllers.some(({ name }) => name === 'devices'))
