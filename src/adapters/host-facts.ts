// Probes what this host can do by reading /proc and /sys. Nothing is tried out, nothing is changed, nothing can fail.
import { existsSync, readdirSync } from 'node:fs'
import { type HostFacts, isAtLeast } from '../model/host-facts.ts'
import { cgroupFacts } from './host-facts-cgroup.ts'
import { readText } from './read-text.ts'

/** Capability numbers of capability.h. */
const CAP_SYS_ADMIN = 21n
const CAP_SYS_RESOURCE = 24n

/** Where the host's files are looked up: `''` on a real host, a folder holding `proc` and `sys` in tests. */
export interface HostSource {
  readonly root: string
  readonly arch: string
}
export const thisHost: HostSource = { root: '', arch: process.arch }

/** The file's text, or `''`: a missing or forbidden file means that the feature is not there. */
const textOf = (source: HostSource, path: string): string => readText(source.root + path)
const has = (source: HostSource, path: string): boolean => existsSync(source.root + path)
const list = (source: HostSource, path: string): readonly string[] => {
  try {
    return readdirSync(source.root + path)
  } catch {
    return []
  }
}
const words = (text: string): readonly string[] => text.split(/\s+/).filter((word) => word !== '')

/** What belongs to this process rather than to the host, and so is read anew each time. */
export interface ProcessFacts {
  readonly euid: number
  readonly egid: number
  readonly effectiveCaps: bigint
  readonly nofileHard: number
  readonly oomScoreAdj?: number
}

export const probeProcess = (source: HostSource): ProcessFacts => {
  const status = textOf(source, '/proc/self/status')
  const caps = field(status, 'CapEff', 0)
  const oomScoreAdj = Number(textOf(source, '/proc/self/oom_score_adj'))
  return {
    euid: Number(field(status, 'Uid', 1) ?? process.geteuid?.()),
    egid: Number(field(status, 'Gid', 1) ?? process.getegid?.()),
    effectiveCaps: caps === undefined ? 0n : BigInt(`0x${caps}`),
    nofileHard: hardLimit(textOf(source, '/proc/self/limits')),
    ...(oomScoreAdj < 0 ? { oomScoreAdj } : {}),
  }
}

/** The n-th word of a `Name:` line of a proc_pid_status(5); cheaper than a regular expression on the start path. */
const field = (text: string, name: string, index: number): string | undefined => {
  const start = text.indexOf(`\n${name}:`)
  if (start < 0) return undefined
  const end = text.indexOf('\n', start + 1)
  return text
    .slice(start + name.length + 2, end < 0 ? text.length : end)
    .trim()
    .split(/\s+/)[index]
}

/** proc_pid_limits(5): name, soft, hard, unit. Unlimited becomes Infinity, an unreadable file 1024. */
const hardLimit = (limits: string): number => {
  const value = /^Max open files\s+\S+\s+(\S+)/m.exec(limits)?.[1]
  return value === 'unlimited' ? Number.POSITIVE_INFINITY : Number(value ?? 1024)
}

/** `6.18.44-1-amd64` → [6, 18]; an unreadable release → [0, 0], which no feature accepts. */
export const kernelVersion = (release: string): readonly [number, number] => {
  const match = /^(\d+)\.(\d+)/.exec(release)
  return match === null ? [0, 0] : [Number(match[1]), Number(match[2])]
}

/** `0-3,6` → 5. Source: Documentation/admin-guide/cputopology.rst. */
export const countCpuList = (text: string): number =>
  text
    .trim()
    .split(',')
    .filter((part) => part !== '')
    .map((part) => part.split('-').map(Number))
    .reduce((sum, [first = 0, last = first]) => sum + last - first + 1, 0)

/** pid_for_children and time_for_children are views, not kinds. */
const namespaces = (source: HostSource): readonly string[] =>
  list(source, '/proc/self/ns')
    .filter((name) => !name.endsWith('_for_children'))
    .sort()

const bit = (mask: bigint, capability: bigint): boolean => ((mask >> capability) & 1n) === 1n

/** Debian's and Ubuntu's switches concern only processes without CAP_SYS_ADMIN. */
const userNamespaces = (source: HostSource, caps: bigint): boolean => {
  const number = (path: string, absent: number): number => {
    const text = textOf(source, path).trim()
    return text === '' ? absent : Number(text)
  }
  if (number('/proc/sys/user/max_user_namespaces', 0) <= 0) return false
  if (bit(caps, CAP_SYS_ADMIN)) return true
  return (
    number('/proc/sys/kernel/unprivileged_userns_clone', 1) !== 0 &&
    number('/proc/sys/kernel/apparmor_restrict_unprivileged_userns', 0) === 0
  )
}

/** One look at the first CPU decides; only a machine that has the folders pays for listing them all. */
const thermalThrottle = (source: HostSource): readonly string[] => {
  const folder = '/sys/devices/system/cpu'
  if (!has(source, `${folder}/cpu0/thermal_throttle`)) return []
  return list(source, folder)
    .filter((name) => /^cpu\d+$/.test(name))
    .map((name) => `${folder}/${name}/thermal_throttle`)
    .filter((path) => has(source, path))
}

const memoryBytes = (source: HostSource): number =>
  Number(/^MemTotal:\s+(\d+) kB/m.exec(textOf(source, '/proc/meminfo'))?.[1] ?? 0) * 1024

/** What follows from the kernel's version alone. */
const kernelFeatures = (kernel: readonly [number, number]) => ({
  // Commit 2b5f9dad32ed ("switch timens when a task gets a new mm"), pulled for Linux 6.2.
  timeNamespaceAtExec: isAtLeast(kernel, 6, 2),
  // Linux 6.8: Documentation/filesystems/overlayfs.rst, "lowerdir+".
  overlayLowerPlus: isAtLeast(kernel, 6, 8),
  // Linux 6.5: SO_PASSPIDFD and SCM_PIDFD, unix(7).
  passPidfd: isAtLeast(kernel, 6, 5),
})

/** Probes everything anew, in about half a millisecond. Reads only; a missing file means a missing feature. */
export const probeHostFacts = (source: HostSource = thisHost): HostFacts => {
  const own = probeProcess(source)
  const kernelRelease = textOf(source, '/proc/sys/kernel/osrelease').trim()
  const kernel = kernelVersion(kernelRelease)
  const known = namespaces(source)
  const features = kernelFeatures(kernel)
  return {
    ...own,
    ...features,
    timeNamespaceAtExec: features.timeNamespaceAtExec && known.includes('time'),
    bootId: textOf(source, '/proc/sys/kernel/random/boot_id').trim(),
    arch: source.arch === 'arm64' ? 'arm64' : 'x64',
    kernelRelease,
    kernel,
    lastCap: Number(textOf(source, '/proc/sys/kernel/cap_last_cap').trim() || 0),
    cgroup: cgroupFacts(textOf(source, '/proc/self/mountinfo'), (path) => textOf(source, path), source.root),
    namespaces: known,
    seccompActions: words(textOf(source, '/proc/sys/kernel/seccomp/actions_avail')),
    apparmor: textOf(source, '/sys/module/apparmor/parameters/enabled').trim() === 'Y',
    selinux: has(source, '/sys/fs/selinux/enforce'),
    userNamespaces: known.includes('user') && userNamespaces(source, own.effectiveCaps),
    cpus: Math.max(1, countCpuList(textOf(source, '/sys/devices/system/cpu/online'))),
    memoryBytes: memoryBytes(source),
    canRaiseLimits: bit(own.effectiveCaps, CAP_SYS_RESOURCE),
    thermalThrottle: thermalThrottle(source),
    ipv6: has(source, '/proc/net/if_inet6'),
  }
}
