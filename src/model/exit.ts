// How a container ended, what it used, and where the time of its start went.

/**
 * `OomKilled`: the first process died by SIGKILL and the cgroup's oom_kill count rose; a worker killed for memory is
 * `usage.oomKills`. `OutputLimit`: a collected stream grew past `maxOutput`.
 */
export type Exit =
  | { readonly _tag: 'Exited'; readonly code: number }
  | { readonly _tag: 'Signaled'; readonly signal: number; readonly signalName: string }
  | { readonly _tag: 'OomKilled' }
  | { readonly _tag: 'TimedOut'; readonly afterMs: number }
  | { readonly _tag: 'Aborted'; readonly reason: unknown }
  | { readonly _tag: 'OutputLimit'; readonly stream: 'stdout' | 'stderr'; readonly limitBytes: number }

export interface Usage {
  readonly wallMs: number
  readonly cpuMs: number
  readonly userMs: number
  readonly systemMs: number
  /** From the memory cgroup; absent where there is none. */
  readonly peakMemoryBytes?: number
  /** Processes of this container killed for lack of memory. */
  readonly oomKills?: number
}

export interface StepTiming {
  readonly step: string
  /** What the step acted on, e.g. a path. */
  readonly detail?: string
  /** Which process did it. `beside`: the engine's second thread; it works while the other two do. */
  readonly side: 'engine' | 'beside' | 'child'
  readonly startUs: number
  readonly durationUs: number
}

export interface Timings {
  /** From the call to the moment the payload was executed. */
  readonly toExecMs: number
  /** From the call to the payload's end as seen by this process. */
  readonly toExitMs: number
  readonly steps: readonly StepTiming[]
}

export interface RunResult<Output = string> {
  readonly exit: Exit
  /** 128+n for signals; 137 for OomKilled; 124 for TimedOut is *not* used: the payload's own status is 137 then. */
  readonly exitCode: number
  readonly stdout: Output
  readonly stderr: Output
  readonly all?: Output
  readonly usage: Usage
  readonly timings: Timings
}
