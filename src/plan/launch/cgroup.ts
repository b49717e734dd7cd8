// cgroup files, v1 and v2, as text: runtime-spec config-linux.md (Control groups) to Documentation/admin-guide/cgroup-v1 and -v2.
import { type HostFacts, isAtLeast } from '../../model/host-facts.ts'
import { lookUp } from '../../model/look-up.ts'
import type { LinuxResources } from '../../model/oci-spec.ts'
import type { CgroupParent } from './build.ts'
import { blkioWrites, ioWrites } from './cgroup-io.ts'
import { OTHERS_V1, OTHERS_V2, unifiedControllers, unifiedWrites } from './cgroup-others.ts'
import { type CgroupWrite, given, writes } from './cgroup-writes.ts'

export type { CgroupWrite } from './cgroup-writes.ts'

/** Smallest memory limit, as Docker's: below it a start cannot even execute the payload (moby daemon_unix.go, linuxMinMemory). */
export const MIN_MEMORY_BYTES = 6 * 1024 * 1024

/**
 * The controllers a container is limited by: without one of them it cannot be started. Names are v1's where they differ: `blkio` is
 * `io` on v2.
 */
export const limitedControllers = (resources: LinuxResources): readonly string[] => {
  const { memory, cpu, pids, blockIO, hugepageLimits = [], network, rdma } = resources
  const { cpus, mems, ...time } = cpu ?? {}
  const asked = (limits: object | undefined): boolean =>
    Object.values(limits ?? {}).some((limit) => limit !== undefined)
  const named = [
    ...(asked(memory) ? ['memory'] : []),
    ...(asked(time) ? ['cpu'] : []),
    ...(asked({ cpus, mems }) ? ['cpuset'] : []),
    ...(asked(pids) ? ['pids'] : []),
    ...(asked(blockIO) ? ['blkio'] : []),
    ...(hugepageLimits.length > 0 ? ['hugetlb'] : []),
    ...(network?.classID === undefined ? [] : ['net_cls']),
    ...((network?.priorities ?? []).length > 0 ? ['net_prio'] : []),
    ...(asked(rdma) ? ['rdma'] : []),
  ]
  return [...named, ...unifiedControllers(resources).filter((name) => !named.includes(name))]
}

/** A v1 name as v2 has it. */
export const onV2 = (name: string): string => (name === 'blkio' ? 'io' : name)

/** Whether one of the groups is of a controller that `limitedControllers` names. */
export const hasController = (
  groups: readonly Pick<CgroupParent, 'version' | 'controllers'>[],
  name: string,
): boolean =>
  groups.some(({ version, controllers }) => controllers.includes(version === 2 ? onV2(name) : name))

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
        [
          'memory.use_hierarchy',
          memory?.useHierarchy === undefined ? undefined : Number(memory.useHierarchy),
        ],
        ['memory.limit_in_bytes', given(memory?.limit)],
        ['memory.memsw.limit_in_bytes', given(memory?.swap), true],
        ['memory.soft_limit_in_bytes', given(memory?.reservation)],
        ['memory.kmem.limit_in_bytes', kernelLimit(memory?.kernel)],
        ['memory.kmem.tcp.limit_in_bytes', kernelLimit(memory?.kernelTCP)],
        ['memory.swappiness', memory?.swappiness],
        ['memory.oom_control', memory?.disableOOMKiller === true ? 1 : undefined],
      ])
    case 'cpu':
      return writes([
        ['cpu.shares', given(cpu?.shares)],
        ['cpu.cfs_period_us', given(cpu?.period)],
        ['cpu.cfs_quota_us', given(cpu?.quota)],
        ['cpu.cfs_burst_us', cpu?.burst],
        ['cpu.idle', cpu?.idle],
        ['cpu.rt_period_us', given(cpu?.realtimePeriod)],
        ['cpu.rt_runtime_us', given(cpu?.realtimeRuntime)],
      ])
    case 'blkio':
      return blkioWrites(resources.blockIO)
    default:
      return lookUp(OTHERS_V1, controller)?.(resources) ?? sameWrites(controller, resources)
  }
}

/** Limits of one controller in the v2 group. v2 has no swappiness, and no way to do without the out-of-memory killer. */
export const v2Writes = (controller: string, resources: LinuxResources): CgroupWrite[] => {
  const { memory, cpu } = resources
  const shares = cpu?.shares ?? 0
  switch (controller) {
    case 'memory':
      return writes([
        ['memory.max', unlimited(given(memory?.limit))],
        ['memory.swap.max', swapMax(memory), true],
        ['memory.low', unlimited(given(memory?.reservation))],
      ])
    case 'cpu':
      return writes([
        ['cpu.weight', shares === 0 ? undefined : weightOfShares(shares)],
        ['cpu.max', cpuMax(cpu)],
        ['cpu.max.burst', cpu?.burst],
        ['cpu.idle', cpu?.idle],
      ])
    case 'io':
      return ioWrites(resources.blockIO)
    default:
      return lookUp(OTHERS_V2, controller)?.(resources) ?? sameWrites(controller, resources)
  }
}

/** From Linux 5.16 on kernel memory has no limit of its own: Documentation/admin-guide/cgroup-v1/memory.rst. */
export const limitsKernelMemory = (kernel: HostFacts['kernel']): boolean => !isAtLeast(kernel, 5, 16)

/** Without what this kernel has no file for that does something; the planner has seen to it that another limit holds it. */
export const effectiveLimits = (resources: LinuxResources, kernel: HostFacts['kernel']): LinuxResources => {
  if (resources.memory?.kernel === undefined || limitsKernelMemory(kernel)) return resources
  const { kernel: _, ...memory } = resources.memory
  return { ...resources, memory }
}

/** All limits of one of the container's groups. */
export const limitWrites = (
  { version, controllers }: Pick<CgroupParent, 'version' | 'controllers'>,
  resources: LinuxResources,
): CgroupWrite[] =>
  version === 2
    ? [...controllers.flatMap((controller) => v2Writes(controller, resources)), ...unifiedWrites(resources)]
    : controllers.flatMap((controller) => v1Writes(controller, resources))

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
        ['cpuset.cpus', cpu?.cpus === '' ? undefined : cpu?.cpus],
        ['cpuset.mems', cpu?.mems === '' ? undefined : cpu?.mems],
      ])
    case 'pids':
      return writes([['pids.max', pids?.limit === undefined ? undefined : pidsMax(pids.limit)]])
    default:
      return []
  }
}

/** What kills a whole group: written to at one stroke (v2, Linux 5.14), or read to kill whoever is listed. */
export const killFile = (version: 1 | 2, kernel: HostFacts['kernel']): string =>
  version === 2 && isAtLeast(kernel, 5, 14) ? 'cgroup.kill' : 'cgroup.procs'

/**
 * v1 shares (2…262144) to v2 weight (1…10000) by runc's curve, on which the defaults of both meet: 1024 gives 100 (runc#4785;
 * opencontainers/cgroups, ConvertCPUSharesToCgroupV2Value).
 */
export const weightOfShares = (shares: number): number => {
  if (shares <= 2) return 1
  if (shares >= 262144) return 10000
  const log = Math.log2(shares)
  return Math.ceil(10 ** ((log * log + 125 * log) / 612 - 7 / 34))
}

const unlimited = (value: number | undefined): string | undefined => {
  if (value === undefined) return undefined
  return value < 0 ? 'max' : String(value)
}
/** 0 is a limit: "valid … from the kernel's perspective and SHOULD be treated as such". config-linux.md, PIDs. */
const pidsMax = (limit: number): string => (limit < 0 ? 'max' : String(limit))

/** Unlimited is what a kernel without these limits gives, and most refuse to be told so. */
const kernelLimit = (value: number | undefined): number | undefined =>
  value === undefined || value <= 0 ? undefined : value

/** v2 counts swap apart; the runtime spec's `swap` is memory plus swap. */
const swapMax = (memory: LinuxResources['memory']): string | undefined => {
  const { swap = 0, limit = 0 } = memory ?? {}
  if (swap < 0) return 'max'
  return swap === 0 ? undefined : String(swap - Math.max(limit, 0))
}

const cpuMax = (cpu: LinuxResources['cpu']): string | undefined => {
  const { quota = 0, period = 0 } = cpu ?? {}
  if (quota === 0 && period === 0) return undefined
  return `${quota <= 0 ? 'max' : quota} ${period === 0 ? 100000 : period}`
}
