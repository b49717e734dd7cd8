// How a runtime spec's process is scheduled, and where it gets its memory. runtime-spec 1.3, config.md (Linux Process), config-linux.md.

export const SCHEDULER_POLICIES = [
  'SCHED_OTHER',
  'SCHED_FIFO',
  'SCHED_RR',
  'SCHED_BATCH',
  'SCHED_ISO',
  'SCHED_IDLE',
  'SCHED_DEADLINE',
] as const

export const SCHEDULER_FLAGS = [
  'SCHED_FLAG_RESET_ON_FORK',
  'SCHED_FLAG_RECLAIM',
  'SCHED_FLAG_DL_OVERRUN',
  'SCHED_FLAG_KEEP_POLICY',
  'SCHED_FLAG_KEEP_PARAMS',
  'SCHED_FLAG_UTIL_CLAMP_MIN',
  'SCHED_FLAG_UTIL_CLAMP_MAX',
] as const

export interface Scheduler {
  readonly policy: (typeof SCHEDULER_POLICIES)[number]
  readonly nice?: number
  readonly priority?: number
  readonly flags?: readonly (typeof SCHEDULER_FLAGS)[number][]
  /** Nanoseconds, as `deadline` and `period`. */
  readonly runtime?: number
  readonly deadline?: number
  readonly period?: number
}

export const IO_CLASSES = ['IOPRIO_CLASS_RT', 'IOPRIO_CLASS_BE', 'IOPRIO_CLASS_IDLE'] as const

export interface IoPriority {
  readonly class: (typeof IO_CLASSES)[number]
  readonly priority?: number
}

/** Lists such as `0-3,7`. Of a process that joins a container; its first one has none. */
export interface ExecCpuAffinity {
  readonly initial?: string
  readonly final?: string
}

export const MEMORY_POLICIES = [
  'MPOL_DEFAULT',
  'MPOL_PREFERRED',
  'MPOL_BIND',
  'MPOL_INTERLEAVE',
  'MPOL_LOCAL',
  'MPOL_PREFERRED_MANY',
  'MPOL_WEIGHTED_INTERLEAVE',
] as const

export const MEMORY_POLICY_FLAGS = [
  'MPOL_F_NUMA_BALANCING',
  'MPOL_F_RELATIVE_NODES',
  'MPOL_F_STATIC_NODES',
] as const

export interface MemoryPolicy {
  readonly mode: (typeof MEMORY_POLICIES)[number]
  readonly nodes?: string
  readonly flags?: readonly (typeof MEMORY_POLICY_FLAGS)[number][]
}
