// What the files of a container's groups get, in systemd's words: it writes them again whenever it has a reason to.
// org.freedesktop.systemd1(5), systemd.resource-control(5).
import type { DbusValue, UnitProperty } from '../../model/unit-property.ts'
import { UNLIMITED } from '../../model/unit-property.ts'
import { ioWeight } from '../launch/cgroup-io.ts'
import type { CgroupWrite } from '../launch/cgroup-writes.ts'

export interface Known {
  /** systemd's version, e.g. 252. */
  readonly systemd: number
  /** What a file holds that is not written; undefined where nobody knows. */
  readonly current: (file: string) => string | undefined
}

/** `files`: of one version's groups; of two writes to a file the later counts. What systemd has no word for is left out. */
export const limitProperties = (writes: readonly CgroupWrite[], known: Known): readonly UnitProperty[] => {
  const files = new Map(writes.map(({ file, value }) => [file, value]))
  const found = writes.flatMap(({ file, value }) => {
    const row = ROWS[file]
    return row === undefined || known.systemd < row.since ? [] : (row.property(value) ?? [])
  })
  // A group that is idle has no other weight.
  const idle = files.get('cpu.idle') === '1' && known.systemd >= 252 ? [property('CPUWeight', 't', 0n)] : []
  const byName = new Map([...found, ...idle, ...quota(files, known)].map((each) => [each.name, each]))
  return [...byName.values()]
}

/** The files above, whatever systemd's version. */
export const hasProperty = (file: string): boolean => Object.hasOwn(ROWS, file) || QUOTA_FILES.includes(file)

const QUOTA_FILES = ['cpu.max', 'cpu.cfs_quota_us', 'cpu.cfs_period_us', 'cpu.idle']

const property = (name: string, signature: string, value: DbusValue): UnitProperty => ({
  name,
  signature,
  value,
})

interface Row {
  /** The first systemd that has it. */
  readonly since: number
  readonly property: (value: string) => UnitProperty | undefined
}

const amount =
  (name: string, least = 0n) =>
  (value: string): UnitProperty | undefined => {
    if (value === 'max' || value === '-1') return property(name, 't', UNLIMITED)
    if (!/^\d+$/.test(value)) return undefined
    const number = BigInt(value)
    return property(name, 't', number < least ? least : number)
  }
const row = (name: string, least = 0n, since = 0): Row => ({ since, property: amount(name, least) })
const mask = (name: string): Row => ({
  since: 244,
  property: (value) => {
    const bytes = maskOf(value)
    return bytes && property(name, 'ay', bytes)
  },
})

/** By file. Where both versions have it, it is the same. */
const ROWS: Readonly<Record<string, Row>> = {
  'memory.max': row('MemoryMax'),
  'memory.high': row('MemoryHigh'),
  'memory.low': row('MemoryLow'),
  'memory.min': row('MemoryMin'),
  'memory.swap.max': row('MemorySwapMax'),
  'cpu.weight': row('CPUWeight', 1n),
  'io.weight': { since: 0, property: (value) => amount('IOWeight', 1n)(value.replace(/^default /, '')) },
  // Counted otherwise: systemd computes it from its own weight.
  'io.bfq.weight': {
    since: 0,
    property: (value) =>
      /^\d+$/.test(value) ? property('IOWeight', 't', BigInt(ioWeight(Number(value)))) : undefined,
  },
  // Nobody is left out by 1 that 0 would let in, and 0 is refused.
  'pids.max': row('TasksMax', 1n),
  'cpuset.cpus': mask('AllowedCPUs'),
  'cpuset.mems': mask('AllowedMemoryNodes'),
  'memory.limit_in_bytes': row('MemoryLimit'),
  'cpu.shares': row('CPUShares', 2n),
  'blkio.weight': row('BlockIOWeight', 10n),
  'blkio.bfq.weight': row('BlockIOWeight', 10n),
}

/** A list as `0-2,7` in bytes, the lowest processor the lowest bit. Undefined for one the kernel would not take. */
const maskOf = (list: string): readonly number[] | undefined => {
  const bytes: number[] = []
  for (const part of list.trim().split(',')) {
    const [, first = '', last = first] = /^(\d{1,4})(?:-(\d{1,4}))?$/.exec(part) ?? []
    if (first === '' || Number(last) < Number(first)) return undefined
    for (let number = Number(first); number <= Number(last); number++) {
      while (bytes.length <= number >> 3) bytes.push(0)
      bytes[number >> 3] = (bytes[number >> 3] ?? 0) | (1 << (number & 7))
    }
  }
  return bytes
}

const US = 1_000_000n
/** A unit file has hundredths: what is between two of them is lost when systemd reads its units again. */
const STEP_US = 10_000n
const DEFAULT_PERIOD = '100000'

/** Processor time for each second, rounded up to what systemd can write down. */
const quota = (files: ReadonlyMap<string, string>, { systemd, current }: Known): readonly UnitProperty[] => {
  const both = files.get('cpu.max')?.trim().split(/\s+/)
  const [v1Quota, v1Period] = ['cpu.cfs_quota_us', 'cpu.cfs_period_us'].map((file) => files.get(file))
  if (both === undefined && v1Quota === undefined && v1Period === undefined) return []
  const unified = both !== undefined
  const time = unified ? both[0] : (v1Quota ?? current('cpu.cfs_quota_us')?.trim())
  const period =
    (unified
      ? (both[1] ?? current('cpu.max')?.trim().split(/\s+/)[1])
      : (v1Period ?? current('cpu.cfs_period_us')?.trim())) ?? DEFAULT_PERIOD
  if (!/^\d+$/.test(period) || BigInt(period) === 0n) return []
  return [
    property('CPUQuotaPerSecUSec', 't', perSecond(time, BigInt(period))),
    ...(systemd >= 242 ? [property('CPUQuotaPeriodUSec', 't', BigInt(period))] : []),
  ]
}

const perSecond = (time: string | undefined, period: bigint): bigint => {
  if (time === undefined || !/^\d+$/.test(time)) return UNLIMITED
  const step = period * STEP_US
  return ((BigInt(time) * US + step - 1n) / step) * STEP_US
}
