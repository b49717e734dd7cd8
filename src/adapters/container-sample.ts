// What a container uses at this moment: its groups' own counts, and sums over its processes where it has no group that counts.
import { readFileSync } from 'node:fs'
import { type OwnGroup, pathsByController } from '../model/group-paths.ts'
import type { BlkioEntry, OciStats } from '../model/oci-stats.ts'
import type { GroupSample } from '../model/stats.ts'
import { livingStat, namespaceOf } from './container-processes.ts'
import { groupStats } from './group-stats.ts'
import { readText } from './read-text.ts'

/** USER_HZ is 100 on every architecture Node runs on: times in /proc are in 1/100 s. */
const TICK_NS = 10_000_000
const KIB = 1024

export interface Sampled {
  readonly groups: readonly OwnGroup[]
  readonly first: number | undefined
  /** Asked for only where no group counts. */
  readonly processes: () => readonly number[]
}

export const sampleOf = ({ groups, first, processes }: Sampled): GroupSample => {
  const paths = pathsByController(groups)
  const stats = groupStats(paths)
  const counts = (controller: string): boolean => (paths[controller] ?? paths['']) !== undefined
  let known: readonly number[] | undefined
  const pids = (): readonly number[] => (known ??= processes())
  return {
    ...hostCpu(),
    ...given('cpuNs', counts('cpuacct') ? Number(stats.cpu.usage.total ?? 0) : cpuOf(pids())),
    ...memoryOf(stats, counts('memory'), pids),
    ...(counts('blkio') ? blocksIn(stats) : blocksOf(pids())),
    ...networkOf(first),
    pids: stats.pids.current ?? threadsOf(pids()),
  }
}

const given = <K extends string>(name: K, value: number | undefined): { readonly [P in K]?: number } =>
  (value === undefined ? {} : { [name]: value }) as { readonly [P in K]?: number }

/** moby stats_unix.go, getSystemCPUUsage: user to softirq of the first line; proc_stat(5). */
const CPU_FIELDS = 7
const hostCpu = (): Pick<GroupSample, 'systemCpuNs' | 'onlineCpus'> => {
  const text = readFileSync('/proc/stat', 'latin1')
  const [first = ''] = text.split('\n', 1)
  const ticks = first
    .trim()
    .split(/\s+/)
    .slice(1, 1 + CPU_FIELDS)
  return {
    systemCpuNs: ticks.reduce((sum, word) => sum + Number(word), 0) * TICK_NS,
    onlineCpus: text.match(/^cpu\d+ /gm)?.length ?? 1,
  }
}

/** Times of children that were waited for count in whoever waited: fields 14 to 17 of proc_pid_stat(5). */
const cpuOf = (pids: readonly number[]): number =>
  pids.reduce((sum, pid) => {
    const times = livingStat(pid)?.slice(11, 15) ?? []
    return sum + times.reduce((own, ticks) => own + Number(ticks), 0) * TICK_NS
  }, 0)

/** docker/cli stats_helpers.go, calculateMemUsageUnixNoCache. */
const memoryOf = (
  { memory }: OciStats,
  isCounted: boolean,
  pids: () => readonly number[],
): Pick<GroupSample, 'memoryBytes' | 'memoryLimitBytes'> => {
  const host = hostMemory()
  if (!isCounted) return { memoryBytes: residentOf(pids()), memoryLimitBytes: host }
  const usage = Number(memory.usage.usage ?? 0)
  const dropped = Number(memory.raw?.total_inactive_file ?? memory.raw?.inactive_file ?? 0)
  return {
    memoryBytes: dropped < usage ? usage - dropped : usage,
    memoryLimitBytes: Math.min(host, Number(memory.usage.limit)),
  }
}

const hostMemory = (): number =>
  Number(/^MemTotal:\s+(\d+) kB$/m.exec(readText('/proc/meminfo'))?.[1] ?? 0) * KIB

/** Shared pages count in each of them: the most that can be said without a group. */
const residentOf = (pids: readonly number[]): number =>
  pids.reduce((sum, pid) => sum + kibOf(readText(`/proc/${pid}/status`)), 0)
const kibOf = (status: string): number => Number(/^RssAnon:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * KIB

type Blocks = Pick<GroupSample, 'blockReadBytes' | 'blockWriteBytes'>
const blocksIn = ({ blkio }: OciStats): Blocks => {
  const sum = (op: string): number =>
    (blkio.ioServiceBytesRecursive ?? [])
      .filter((entry: BlkioEntry) => entry.op === op)
      .reduce((all, { value = 0 }) => all + Number(value), 0)
  return { blockReadBytes: sum('Read'), blockWriteBytes: sum('Write') }
}

/** proc_pid_io(5); of processes that live. */
const blocksOf = (pids: readonly number[]): Blocks => {
  const texts = pids.map((pid) => readText(`/proc/${pid}/io`))
  const sum = (name: string): number =>
    texts.reduce((all, text) => all + Number(new RegExp(`^${name}: (\\d+)$`, 'm').exec(text)?.[1] ?? 0), 0)
  return { blockReadBytes: sum('read_bytes'), blockWriteBytes: sum('write_bytes') }
}

const threadsOf = (pids: readonly number[]): number =>
  pids.reduce((sum, pid) => sum + Number(livingStat(pid)?.[17] ?? 0), 0)

/** Received and sent bytes are fields 1 and 9: proc_pid_net(5). The host's own interfaces are no container's. */
const networkOf = (first: number | undefined): Pick<GroupSample, 'networkRxBytes' | 'networkTxBytes'> => {
  if (first === undefined || namespaceOf(first, 'net') === namespaceOf('self', 'net')) return {}
  const rows = [...readText(`/proc/${first}/net/dev`).matchAll(/^\s*([^:\s]+):\s*(.*)$/gm)]
    .filter(([, name]) => name !== 'lo')
    .map(([, , numbers = '']) => numbers.trim().split(/\s+/).map(Number))
  const sum = (column: number): number => rows.reduce((all, row) => all + (row[column] ?? 0), 0)
  return { networkRxBytes: sum(0), networkTxBytes: sum(8) }
}
