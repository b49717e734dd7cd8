// What a container uses now, as `docker stats` has it: two samples a while apart become shares.

/** One reading of a container's groups and processes. What nobody counts here is undefined. */
export interface GroupSample {
  /** CPU time of all its processes so far. */
  readonly cpuNs?: number
  /** CPU time of the whole host, idle time included, summed over its processors: /proc/stat. */
  readonly systemCpuNs: number
  readonly onlineCpus: number
  /** Without the cache the kernel would drop first. */
  readonly memoryBytes?: number
  /** The host's memory where there is no limit. */
  readonly memoryLimitBytes: number
  readonly blockReadBytes?: number
  readonly blockWriteBytes?: number
  /** Of its own interfaces but lo; none with the host's network. */
  readonly networkRxBytes?: number
  readonly networkTxBytes?: number
  /** Processes and threads. */
  readonly pids?: number
}

export interface ContainerStats extends GroupSample {
  readonly id: string
  readonly name: string
  /** Milliseconds since 1970. */
  readonly atMs: number
  /** 100 is one whole processor; undefined in a first sample. */
  readonly cpuPercent?: number
  readonly memoryPercent?: number
}

export interface StatsOptions {
  /** A sample every so many milliseconds until the containers have ended. Default: one answer, from two samples. */
  readonly stream?: boolean
  /** Between two samples. Default: 1000. */
  readonly intervalMs?: number
  /** Where none is named: also those that have ended, without figures. */
  readonly all?: boolean
  readonly signal?: AbortSignal
}

/** docker's formula: the share of the host's CPU time, times its processors (docker/cli stats_helpers.go, calculateCPUPercentUnix). */
export const cpuPercent = (before: GroupSample, now: GroupSample): number | undefined => {
  if (before.cpuNs === undefined || now.cpuNs === undefined) return undefined
  const [own, all] = [now.cpuNs - before.cpuNs, now.systemCpuNs - before.systemCpuNs]
  return own > 0 && all > 0 ? (own / all) * now.onlineCpus * 100 : 0
}

export const memoryPercent = ({ memoryBytes, memoryLimitBytes }: GroupSample): number | undefined =>
  memoryBytes === undefined || memoryLimitBytes <= 0 ? undefined : (memoryBytes / memoryLimitBytes) * 100

export const statsOf = (
  { id, name }: { readonly id: string; readonly name: string },
  atMs: number,
  now: GroupSample,
  before?: GroupSample,
): ContainerStats => {
  const cpu = before === undefined ? undefined : cpuPercent(before, now)
  const memory = memoryPercent(now)
  return {
    id,
    name,
    atMs,
    ...now,
    ...(cpu === undefined ? {} : { cpuPercent: cpu }),
    ...(memory === undefined ? {} : { memoryPercent: memory }),
  }
}
