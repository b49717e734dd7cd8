// What programs of the validation suite find wrong that is not, or that this host cannot give. docs/compatibility.md has the evidence.
import { existsSync, readFileSync } from 'node:fs'
import { release } from 'node:os'

export interface Exception {
  /** What the program says of it, each once. */
  readonly says: readonly string[]
  readonly why: string
  /** On which hosts; all of them where it is left out. */
  readonly where?: () => boolean
  /** Time decides whether the program sees it. */
  readonly isRace?: boolean
}

const has = (controller: string): boolean => existsSync(`/sys/fs/cgroup/${controller}`)
const lacksCapability = (): boolean => {
  const [, bounding = '0'] = /^CapBnd:\t(\w+)$/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? []
  const last = BigInt(readFileSync('/proc/sys/kernel/cap_last_cap', 'utf8').trim())
  return BigInt(`0x${bounding}`) !== (1n << (last + 1n)) - 1n
}
const isAtLeast = (major: number, minor: number): boolean => {
  const [here = 0, below = 0] = release().split('.').map(Number)
  return here > major || (here === major && below >= minor)
}

/** A program that gives up ends with 1; most that go on put it as a test. */
const GAVE_UP = ['exit code 1']
const FAILED = ['exit status 1']

export const EXCEPTIONS: Readonly<Record<string, Exception>> = {
  delete: {
    says: [
      'attempting to `delete` a container that is not `stopped` MUST generate an error',
      'attempting to `delete` a container that is not `stopped` MUST have no effect on the container',
    ],
    why: 'a container that is only created is deleted, as by runc and crun: engines do so when a start fails',
  },
  hooks: {
    says: ['Hooks MUST be called in the listed order'],
    why: 'the program compares with lines its own hooks do not print',
  },
  linux_cgroups_blkio: { says: GAVE_UP, why: 'Linux has no blkio.leaf_weight since 5.0' },
  linux_cgroups_relative_blkio: { says: FAILED, why: 'Linux has no blkio.leaf_weight since 5.0' },
  linux_cgroups_hugetlb: {
    says: GAVE_UP,
    why: 'this kernel has no hugetlb controller',
    where: () => !has('hugetlb'),
  },
  linux_cgroups_relative_hugetlb: {
    says: FAILED,
    why: 'this kernel has no hugetlb controller',
    where: () => !has('hugetlb'),
  },
  linux_cgroups_network: {
    says: GAVE_UP,
    why: 'this kernel has no net_cls and net_prio controllers',
    where: () => !has('net_cls') || !has('net_prio'),
  },
  linux_cgroups_relative_network: {
    says: FAILED,
    why: 'this kernel has no net_cls and net_prio controllers',
    where: () => !has('net_cls') || !has('net_prio'),
  },
  linux_cgroups_memory: {
    says: ['memory kernel is set correctly'],
    why: 'Linux has no limit of kernel memory alone since 5.16',
    where: () => isAtLeast(5, 16),
  },
  linux_cgroups_relative_memory: {
    says: ['memory kernel is set correctly'],
    why: 'Linux has no limit of kernel memory alone since 5.16',
    where: () => isAtLeast(5, 16),
  },
  linux_mount_label: {
    says: GAVE_UP,
    why: 'a label that no SELinux enforces is refused, as by runc; crun mounts without it',
    where: () => !existsSync('/sys/fs/selinux/enforce'),
  },
  linux_ns_itype: {
    says: ['inherit namespace mnt without type'],
    why: 'before Linux 6.15 a mount namespace is made all the same: nothing of a container is mounted on the host',
    where: () => !isAtLeast(6, 15),
  },
  linux_ns_path: {
    says: ['set mnt namespace by path'],
    why: 'before Linux 6.15 nothing is mounted in a mount namespace that is joined',
    where: () => !isAtLeast(6, 15),
  },
  linux_process_apparmor_profile: { says: GAVE_UP, why: 'the profile the program names is loaded nowhere' },
  misc_props: {
    says: [
      'implementations that are reading/processing this configuration file MUST NOT generate an error if they encounter an unknown annotation key',
    ],
    why: 'the program names /runtimetest as the command and does not put it into the bundle',
  },
  pidfile: {
    says: ["create with '--pid-file' option works"],
    why: 'the program sends a signal to `true`, which has ended by then',
    isRace: true,
  },
  prestart: {
    says: ['Pre-start hooks MUST be called after the `start` operation is called'],
    why: 'runtime.md, Lifecycle, has them before start since version 1.0.2',
  },
  process_capabilities: {
    says: GAVE_UP,
    why: 'all capabilities are asked for, and this machine does not have them all',
    where: lacksCapability,
  },
  process_capabilities_fail: {
    says: GAVE_UP,
    why: 'an unknown capability is no error since version 1.1 of the specification',
  },
  process_rlimits: {
    says: ['has expected soft RLIMIT_NOFILE'],
    why: 'runtimetest is a Go program, and those raise that limit when they start (Go 1.19)',
  },
  start: {
    says: FAILED,
    why: 'the program counts it as right when a container without a process starts, and it is refused by create',
  },
}

/** They number no test, and say what is wrong before any. */
export const WITHOUT_NUMBERS: ReadonlySet<string> = new Set([
  'hooks',
  'poststart',
  'poststart_fail',
  'poststop',
  'poststop_fail',
  'prestart',
  'prestart_fail',
  'process_rlimits_fail',
])
