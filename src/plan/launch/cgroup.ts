// cgroup files, v1 and v2, as text: runtime-spec config-linux.md (Control groups) to Documentation/admin-guide/cgroup-v1 and -v2.
import type { HostFacts } from '../../model/host-facts.ts'
import type { LinuxResources } from '../../model/oci-spec.ts'
import type { CgroupParent } from './build.ts'

export interface CgroupWrite {
  readonly file: string
  readonly value: string
  /** The file may be missing on this kernel (swap accounting); then nothing was promised. */
  readonly optional?: boolean
}

/** Smallest memory limit, as Docker's: below it a start cannot even execute the payload (moby daemon_unix.go, linuxMinMemory). */
export const MIN_MEMORY_BYTES = 6 * 1024 * 1024

/** The controllers a container is limited by: without one of them it cannot be started. */
export const limitedControllers = (resources: LinuxResources): readonly string[] => {
  const { memory, cpu, pids } = resources
  const { cpus, mems, ...time } = cpu ?? {}
  const asked = (limits: object | undefined): boolean =>
    Object.values(limits ?? {}).some((limit) => limit !== undefined)
  return [
    ...(asked(memory) ? ['memory'] : []),
    ...(asked(time) ? ['cpu'] : []),
    ...(asked({ cpus, mems }) ? ['cpuset'] : []),
    ...(asked(pids) ? ['pids'] : []),
  ]
}

/** The controllers a container joins: those it is limited by, and where they are there memory and devices (receipt; mknod). */
export const neededControllers = (resources: LinuxResources): readonly string[] => [
  ...new Set(['memory', 'devices', ...limitedControllers(resources)]),
]

/** Limits of one v1 hierarchy, in the order the kernel wants them (memory before memory+swap). */
export const v1Writes = (controller: string, resources: LinuxResources): CgroupWrite[] => {
  const { memory, cpu } = resources
  switch (controller) {
    case 'memory':
      return writes([
        ['memory.limit_in_bytes', memory?.limit],
        ['memory.memsw.limit_in_bytes', memory?.swap, true],
        ['memory.soft_limit_in_bytes', memory?.reservation],
        ['memory.swappiness', memory?.swappiness],
        ['memory.oom_control', memory?.disableOOMKiller === true ? 1 : undefined],
      ])
    case 'cpu':
      return writes([
        ['cpu.shares', cpu?.shares],
        ['cpu.cfs_period_us', cpu?.period],
        ['cpu.cfs_quota_us', cpu?.quota],
        ['cpu.cfs_burst_us', cpu?.burst],
        ['cpu.idle', cpu?.idle],
      ])
    default:
      return sameWrites(controller, resources)
  }
}

/** Limits of one controller in the v2 group. v2 has no swappiness, and no way to do without the out-of-memory killer. */
export const v2Writes = (controller: string, resources: LinuxResources): CgroupWrite[] => {
  const { memory, cpu } = resources
  const shares = cpu?.shares ?? 0
  switch (controller) {
    case 'memory':
      return writes([
        ['memory.max', memory?.limit === undefined ? undefined : unlimited(memory.limit)],
        ['memory.swap.max', swapMax(memory), true],
        ['memory.low', memory?.reservation],
      ])
    case 'cpu':
      return writes([
        ['cpu.weight', shares === 0 ? undefined : weightOfShares(shares)],
        ['cpu.max', cpuMax(cpu)],
        ['cpu.max.burst', cpu?.burst],
        ['cpu.idle', cpu?.idle],
      ])
    default:
      return sameWrites(controller, resources)
  }
}

/** All limits of one of the container's groups. */
export const limitWrites = (
  { version, controllers }: Pick<CgroupParent, 'version' | 'controllers'>,
  resources: LinuxResources,
): CgroupWrite[] =>
  controllers.flatMap((controller) => (version === 2 ? v2Writes : v1Writes)(controller, resources))

/** A write to a group that is there already. */
export interface LateWrite extends CgroupWrite {
  /** Which of the container's groups, in the order of their parents. */
  readonly group: number
}

/** What makes the limits `before` those of `after`; a limit that only `before` has stays. */
export const lateWrites = (
  parents: readonly CgroupParent[],
  before: LinuxResources,
  after: LinuxResources,
): readonly LateWrite[] =>
  parents.flatMap((parent, group) => {
    const known = new Map(limitWrites(parent, before).map(({ file, value }) => [file, value]))
    return limitWrites(parent, after)
      .filter(({ file, value }) => known.get(file) !== value)
      .map((write) => ({ ...write, group }))
  })

/** cpuset and pids have the same files in both versions. */
const sameWrites = (controller: string, { cpu, pids }: LinuxResources): CgroupWrite[] => {
  switch (controller) {
    case 'cpuset':
      return writes([
        ['cpuset.cpus', cpu?.cpus],
        ['cpuset.mems', cpu?.mems],
      ])
    case 'pids':
      return writes([['pids.max', pids?.limit === undefined ? undefined : pidsMax(pids.limit)]])
    default:
      return []
  }
}

/** What kills a whole group: written to at one stroke (v2, Linux 5.14), or read to kill whoever is listed. */
export const killFile = (version: 1 | 2, [major, minor]: HostFacts['kernel']): string =>
  version === 2 && (major > 5 || (major === 5 && minor >= 14)) ? 'cgroup.kill' : 'cgroup.procs'

/** v1 shares (2…262144) to v2 weight (1…10000): the straight line that runc and systemd used, so 1024 gives 39. */
export const weightOfShares = (shares: number): number => {
  const clamped = Math.min(Math.max(shares, 2), 262144)
  return 1 + Math.floor(((clamped - 2) * 9999) / 262142)
}

const unlimited = (value: number): string => (value < 0 ? 'max' : String(value))
const pidsMax = (limit: number): string => (limit <= 0 ? 'max' : String(limit))

/** v2 counts swap apart; the runtime spec's `swap` is memory plus swap. */
const swapMax = (memory: LinuxResources['memory']): string | undefined => {
  if (memory?.swap === undefined) return undefined
  if (memory.swap < 0) return 'max'
  return String(memory.swap - (memory.limit ?? 0))
}

const cpuMax = (cpu: LinuxResources['cpu']): string | undefined => {
  if (cpu?.quota === undefined && cpu?.period === undefined) return undefined
  const quota = cpu.quota === undefined || cpu.quota <= 0 ? 'max' : String(cpu.quota)
  return `${quota} ${cpu.period ?? 100000}`
}

type Row = readonly [file: string, value: number | string | undefined, optional?: boolean]
const writes = (rows: readonly Row[]): CgroupWrite[] =>
  rows.flatMap(([file, value, optional]) =>
    value === undefined ? [] : [{ file, value: String(value), ...(optional === true ? { optional } : {}) }],
  )
