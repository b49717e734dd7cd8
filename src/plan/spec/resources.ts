// Limits asked for → the cgroup resources of the spec.
import type { CpuResources, LinuxResources, MemoryResources } from '../../model/oci-spec.ts'
import type { PlannedOptions } from '../../model/options-decoded.ts'
import { deviceRules } from './devices.ts'
import type { SpecInput } from './input.ts'

/** Microseconds; `cpus` is a share of it. moby daemon/daemon_unix.go, getCPUResources. */
export const CPU_PERIOD_US = 100_000

export const specResources = (input: SpecInput): LinuxResources => {
  const memory = specMemory(input.options)
  const cpu = specCpu(input.options)
  const { pids } = input.options
  return {
    devices: deviceRules(input),
    ...(memory === undefined ? {} : { memory }),
    ...(cpu === undefined ? {} : { cpu }),
    ...(pids === undefined ? {} : { pids: { limit: pids <= 0 ? -1 : pids } }),
  }
}

/** Without a word about swap a container may swap as much again as it may use (docker-run(1), --memory-swap). */
const specMemory = (options: PlannedOptions): MemoryResources | undefined => {
  const { memory, memorySwap, memoryReservation } = options
  if (memory === undefined && memoryReservation === undefined) return undefined
  return {
    ...(memory === undefined ? {} : { limit: memory, swap: memorySwap ?? memory * 2 }),
    ...(memoryReservation === undefined ? {} : { reservation: memoryReservation }),
  }
}

const specCpu = ({ cpus, cpuShares, cpusetCpus, cpusetMems }: PlannedOptions): CpuResources | undefined => {
  const cpu: CpuResources = {
    ...(cpus === undefined ? {} : { period: CPU_PERIOD_US, quota: Math.round(cpus * CPU_PERIOD_US) }),
    ...(cpuShares === undefined || cpuShares === 0 ? {} : { shares: cpuShares }),
    ...(cpusetCpus === undefined ? {} : { cpus: cpusetCpus }),
    ...(cpusetMems === undefined ? {} : { mems: cpusetMems }),
  }
  return Object.keys(cpu).length === 0 ? undefined : cpu
}
