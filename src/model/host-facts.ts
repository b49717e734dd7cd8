// What this host can do, probed once per boot. The planner chooses by these facts, never by an errno in mid-start.

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
  /** IPv6 is compiled in (/proc/net/if_inet6 exists). */
  readonly ipv6: boolean
}

/** What a container opens and makes can be held to its device rules: by a v1 hierarchy, or by a program on a v2 group. */
export const filtersDevices = ({ writable, controllers, unified }: CgroupFacts): boolean =>
  writable && (unified !== undefined || controllers.some(({ name }) => name === 'devices'))
