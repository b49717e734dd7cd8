// What a container's groups count, v1 and v2, in the words of runc's events.
import { readFileSync } from 'node:fs'
import path from 'node:path'
import type { Uint64 } from '../model/oci-spec.ts'
import type { BlkioEntry, CpuStats, MemoryEntry, OciStats } from '../model/oci-stats.ts'

/** Directory by controller; the empty name is v2's. */
export type GroupPaths = Readonly<Record<string, string>>

/** Times a process of these groups was killed for want of memory. */
export const oomKills = (paths: GroupPaths): number => {
  const read = readerOf(paths)
  const text = paths[''] === undefined ? read('memory', 'memory.oom_control') : read('', 'memory.events')
  return fieldOf(text, 'oom_kill')
}

export const groupStats = (paths: GroupPaths): OciStats => {
  const read = readerOf(paths)
  const isV2 = paths[''] !== undefined
  const entry = (names: readonly string[]): MemoryEntry => {
    const [usage, limit, max, failures] = names.map((name) =>
      numberOf(name === '' ? '' : read('memory', name)),
    )
    return {
      limit: limit ?? UNLIMITED,
      ...(usage === undefined ? {} : { usage }),
      ...(max === undefined ? {} : { max }),
      failcnt: Number(failures ?? 0),
    }
  }
  const v1 = (name: string) =>
    entry([
      `memory.${name}usage_in_bytes`,
      `memory.${name}limit_in_bytes`,
      `memory.${name}max_usage_in_bytes`,
      `memory.${name}failcnt`,
    ])
  const raw = rawOf(read('memory', 'memory.stat'))
  const [current, limit] = [numberOf(read('pids', 'pids.current')), numberOf(read('pids', 'pids.max'))]
  return {
    cpu: isV2 ? cpuOfV2(read('', 'cpu.stat')) : cpuOfV1(read),
    cpuset: NO_CPUSET,
    memory: {
      cache: raw[isV2 ? 'file' : 'cache'] ?? 0,
      usage: isV2 ? entry(['memory.current', 'memory.max', 'memory.peak']) : v1(''),
      swap: isV2 ? entry(['memory.swap.current', 'memory.swap.max', 'memory.swap.peak']) : v1('memsw.'),
      kernel: isV2 ? NO_ENTRY : v1('kmem.'),
      kernelTCP: isV2 ? NO_ENTRY : v1('kmem.tcp.'),
      raw,
    },
    // runc tells no limit of pids as 0.
    pids: {
      ...(current === undefined ? {} : { current: Number(current) }),
      ...(limit === undefined || limit === UNLIMITED ? {} : { limit: Number(limit) }),
    },
    blkio: blockIo(isV2 ? v2Blocks(read('io', 'io.stat')) : v1Blocks(read)),
    hugetlb: {},
    intel_rdt: {},
    network_interfaces: null,
  }
}

const blockIo = (entries: readonly BlkioEntry[]): OciStats['blkio'] =>
  entries.length === 0 ? {} : { ioServiceBytesRecursive: entries }

/** Lines `8:0 rbytes=1 wbytes=2 …`: cgroup-v2.rst, io.stat. */
const v2Blocks = (text: string): readonly BlkioEntry[] =>
  [...text.matchAll(/^(\d+):(\d+) .*?\brbytes=(\d+) wbytes=(\d+)/gm)].flatMap(
    ([, major, minor, read, write]) => [
      { major: Number(major), minor: Number(minor), op: 'Read', value: numberOf(read ?? '') ?? 0 },
      { major: Number(major), minor: Number(minor), op: 'Write', value: numberOf(write ?? '') ?? 0 },
    ],
  )

/** Lines `8:0 Read 1`: cgroup-v1/blkio-controller.rst. Kernels before 5.0 have no `recursive` here. */
const v1Blocks = (read: Read): readonly BlkioEntry[] => {
  const text =
    read('blkio', 'blkio.throttle.io_service_bytes_recursive') ||
    read('blkio', 'blkio.throttle.io_service_bytes')
  return [...text.matchAll(/^(\d+):(\d+) (\w+) (\d+)$/gm)].map(([, major, minor, op = '', value = '']) => ({
    major: Number(major),
    minor: Number(minor),
    op,
    value: numberOf(value) ?? 0,
  }))
}

const NO_ENTRY: MemoryEntry = { limit: 0, failcnt: 0 }
const NO_CPUSET: OciStats['cpuset'] = {
  cpu_exclusive: 0,
  mem_hardwall: 0,
  mem_exclusive: 0,
  memory_migrate: 0,
  memory_spread_page: 0,
  memory_spread_slab: 0,
  memory_pressure: 0,
  sched_load_balance: 0,
  sched_relax_domain_level: 0,
}

const rawOf = (text: string): Record<string, Uint64> =>
  Object.fromEntries(
    text.split('\n').flatMap((line) => {
      const [name = '', value = ''] = line.split(' ')
      const number = numberOf(value)
      return number === undefined ? [] : [[name, number]]
    }),
  )

const cpuOfV2 = (text: string): CpuStats => ({
  usage: {
    total: fieldOf(text, 'usage_usec') * 1000,
    kernel: fieldOf(text, 'system_usec') * 1000,
    user: fieldOf(text, 'user_usec') * 1000,
  },
  throttling: {
    periods: fieldOf(text, 'nr_periods'),
    throttledPeriods: fieldOf(text, 'nr_throttled'),
    throttledTime: fieldOf(text, 'throttled_usec') * 1000,
  },
})

/** cpuacct.stat counts in ticks of 1/100 s (USER_HZ). */
const TICK_NS = 10_000_000
const cpuOfV1 = (read: Read): CpuStats => {
  const [ticks, stat] = [read('cpuacct', 'cpuacct.stat'), read('cpu', 'cpu.stat')]
  const each = read('cpuacct', 'cpuacct.usage_percpu').trim()
  return {
    usage: {
      total: numberOf(read('cpuacct', 'cpuacct.usage')) ?? 0,
      ...(each === '' ? {} : { percpu: each.split(' ').map((word) => numberOf(word) ?? 0) }),
      kernel: fieldOf(ticks, 'system') * TICK_NS,
      user: fieldOf(ticks, 'user') * TICK_NS,
    },
    throttling: {
      periods: fieldOf(stat, 'nr_periods'),
      throttledPeriods: fieldOf(stat, 'nr_throttled'),
      throttledTime: fieldOf(stat, 'throttled_time'),
    },
  }
}

/** One file of the group a controller has; empty where it is not there. */
type Read = (controller: string, file: string) => string

const MISSING: ReadonlySet<string | undefined> = new Set(['ENOENT', 'ENODEV', 'EOPNOTSUPP'])

const readerOf =
  (paths: GroupPaths): Read =>
  (controller, file) => {
    const directory = paths[controller] ?? paths['']
    if (directory === undefined) return ''
    try {
      return readFileSync(path.join(directory, file), 'utf8')
    } catch (error) {
      if (MISSING.has((error as NodeJS.ErrnoException).code)) return ''
      throw error
    }
  }

/** A number that JSON has room for, or all of it. `max` and an empty file are no limit. */
const UNLIMITED = 2n ** 64n - 1n
const numberOf = (text: string): Uint64 | undefined => {
  const word = text.trim()
  if (!/^-?\d+$/.test(word)) return word === 'max' ? UNLIMITED : undefined
  const number = BigInt(word)
  return number > BigInt(Number.MAX_SAFE_INTEGER) ? number : Number(number)
}

/** A line `name number` of a flat keyed file. */
const fieldOf = (text: string, name: string): number =>
  Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(text)?.[1] ?? 0)
