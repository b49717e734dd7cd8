// What `slipway-oci events` tells: the JSON of runc's types/events.go, which containerd reads.
import type { Uint64 } from './oci-spec.ts'

export type OciEvent =
  | { readonly type: 'stats'; readonly id: string; readonly data: OciStats }
  | { readonly type: 'oom'; readonly id: string }

/** A limit that is not there is 2^64-1. Times are nanoseconds, sizes bytes. */
export interface OciStats {
  readonly cpu: CpuStats
  readonly cpuset: CpusetStats
  readonly memory: MemoryStats
  readonly pids: { readonly current?: number; readonly limit?: number }
  readonly blkio: BlkioStats
  /** By page size, e.g. `2MB`. */
  readonly hugetlb: Readonly<Record<string, HugetlbStats>>
  readonly intel_rdt: Readonly<Record<string, never>>
  readonly network_interfaces: readonly InterfaceStats[] | null
}

export interface CpuStats {
  readonly usage: {
    readonly total?: Uint64
    readonly percpu?: readonly Uint64[]
    readonly percpu_kernel?: readonly Uint64[]
    readonly percpu_user?: readonly Uint64[]
    readonly kernel: Uint64
    readonly user: Uint64
  }
  readonly throttling: {
    readonly periods?: number
    readonly throttledPeriods?: number
    readonly throttledTime?: Uint64
  }
  readonly psi?: PressureStats
}

export interface CpusetStats {
  readonly cpus?: readonly number[]
  readonly mems?: readonly number[]
  readonly cpu_exclusive: number
  readonly mem_hardwall: number
  readonly mem_exclusive: number
  readonly memory_migrate: number
  readonly memory_spread_page: number
  readonly memory_spread_slab: number
  readonly memory_pressure: number
  readonly sched_load_balance: number
  readonly sched_relax_domain_level: number
}

export interface MemoryEntry {
  readonly limit: Uint64
  readonly usage?: Uint64
  readonly max?: Uint64
  readonly failcnt: number
}

export interface MemoryStats {
  readonly cache?: Uint64
  readonly usage: MemoryEntry
  readonly swap: MemoryEntry
  readonly kernel: MemoryEntry
  readonly kernelTCP: MemoryEntry
  /** The lines of memory.stat. */
  readonly raw?: Readonly<Record<string, Uint64>>
  readonly psi?: PressureStats
}

export interface BlkioEntry {
  readonly major?: number
  readonly minor?: number
  readonly op?: string
  readonly value?: Uint64
}

export interface BlkioStats {
  readonly ioServiceBytesRecursive?: readonly BlkioEntry[]
  readonly ioServicedRecursive?: readonly BlkioEntry[]
  readonly ioQueueRecursive?: readonly BlkioEntry[]
  readonly ioServiceTimeRecursive?: readonly BlkioEntry[]
  readonly ioWaitTimeRecursive?: readonly BlkioEntry[]
  readonly ioMergedRecursive?: readonly BlkioEntry[]
  readonly ioTimeRecursive?: readonly BlkioEntry[]
  readonly sectorsRecursive?: readonly BlkioEntry[]
  readonly psi?: PressureStats
}

export interface HugetlbStats {
  readonly usage?: Uint64
  readonly max?: Uint64
  readonly failcnt: number
}

export interface PressureLine {
  readonly avg10: number
  readonly avg60: number
  readonly avg300: number
  readonly total: Uint64
}
export interface PressureStats {
  readonly some?: PressureLine
  readonly full?: PressureLine
}

export interface InterfaceStats {
  readonly Name: string
  readonly RxBytes: Uint64
  readonly RxPackets: Uint64
  readonly RxErrors: Uint64
  readonly RxDropped: Uint64
  readonly TxBytes: Uint64
  readonly TxPackets: Uint64
  readonly TxErrors: Uint64
  readonly TxDropped: Uint64
}
