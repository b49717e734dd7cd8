// Limits the container's groups have no file for, and numbers that cannot both hold.
import type { EngineError } from '../../model/errors.ts'
import type { LinuxResources } from '../../model/oci-spec.ts'
import type { CgroupParent, LaunchInput } from './build.ts'
import { limitsKernelMemory } from './cgroup.ts'
import { unifiedControllers } from './cgroup-others.ts'
import { invalid, unfit } from './refusals.ts'

const RESOURCES = 'linux.resources'

export const refuseLimits = ({ spec, cgroups, facts }: LaunchInput): EngineError | undefined => {
  const resources = spec.linux?.resources ?? {}
  return (
    refuseNumbers(resources, versionOf(cgroups, 'memory')) ??
    refuseShares(resources, versionOf(cgroups, 'cpu')) ??
    refuseKernelMemory(resources, facts) ??
    refuseOnV2(resources, cgroups) ??
    refuseUnified(resources, cgroups)
  )
}

const versionOf = (cgroups: readonly CgroupParent[], controller: string): 1 | 2 | undefined =>
  cgroups.find(({ controllers }) => controllers.includes(controller))?.version

const refuseNumbers = (
  { memory = {}, cpu = {} }: LinuxResources,
  version: 1 | 2 | undefined,
): EngineError | undefined => {
  const { limit = 0, swap = 0 } = memory
  if (swap > 0 && limit > 0 && swap < limit)
    return invalid(
      `.${RESOURCES}.memory.swap`,
      'is memory and swap together, so it cannot be below the limit of memory',
    )
  if (swap > 0 && limit === 0 && version === 2)
    return invalid(`.${RESOURCES}.memory.swap`, 'needs a limit of memory: cgroup v2 counts swap apart')
  const { burst = 0, quota = 0 } = cpu
  return quota > 0 && burst > quota ? invalid(`.${RESOURCES}.cpu.burst`, 'is above the quota') : undefined
}

/** The kernel would take another number in silence: kernel/sched/fair.c, MIN_SHARES, MAX_SHARES. */
const refuseShares = ({ cpu = {} }: LinuxResources, version: 1 | 2 | undefined): EngineError | undefined => {
  const { shares = 0 } = cpu
  return version === 1 && shares !== 0 && (shares < 2 || shares > 262_144)
    ? invalid(`.${RESOURCES}.cpu.shares`, 'is not between 2 and 262144')
    : undefined
}

/**
 * Its file is still there on v1, and newer kernels even take what is written: Documentation/admin-guide/cgroup-v1/memory.rst. Kernel
 * memory counts into `limit`, so that keeps one that is not below it.
 */
const refuseKernelMemory = (
  { memory = {} }: LinuxResources,
  { kernel }: LaunchInput['facts'],
): EngineError | undefined =>
  (memory.kernel ?? 0) > 0 && !limitsKernelMemory(kernel) && !isHeld(memory)
    ? unfit(
        `${RESOURCES}.memory.kernel`,
        'Linux has no such limit since 5.16',
        'a memory.limit that is not above it holds kernel memory, too',
      )
    : undefined

const isHeld = ({ kernel = 0, limit = 0 }: NonNullable<LinuxResources['memory']>): boolean =>
  limit > 0 && kernel >= limit

/** Limits that v2 has no file for, by the controller they belong to. */
const ONLY_ON_V1: readonly (readonly [
  controller: string,
  field: string,
  asked: (resources: LinuxResources) => boolean,
])[] = [
  ['memory', 'memory.swappiness', ({ memory }) => memory?.swappiness !== undefined],
  ['memory', 'memory.disableOOMKiller', ({ memory }) => memory?.disableOOMKiller === true],
  ['memory', 'memory.useHierarchy', ({ memory }) => memory?.useHierarchy === false],
  ['memory', 'memory.kernel', ({ memory = {} }) => (memory.kernel ?? 0) > 0 && !isHeld(memory)],
  ['memory', 'memory.kernelTCP', ({ memory }) => (memory?.kernelTCP ?? 0) > 0],
  ['cpu', 'cpu.realtimePeriod', ({ cpu }) => (cpu?.realtimePeriod ?? 0) !== 0],
  ['cpu', 'cpu.realtimeRuntime', ({ cpu }) => (cpu?.realtimeRuntime ?? 0) !== 0],
  ['io', 'blockIO.leafWeight', ({ blockIO }) => (blockIO?.leafWeight ?? 0) !== 0],
  [
    'io',
    'blockIO.weightDevice.leafWeight',
    ({ blockIO }) => (blockIO?.weightDevice ?? []).some(({ leafWeight = 0 }) => leafWeight !== 0),
  ],
]

const refuseOnV2 = (resources: LinuxResources, cgroups: readonly CgroupParent[]): EngineError | undefined => {
  const [, field] =
    ONLY_ON_V1.find(([controller, , asked]) => asked(resources) && versionOf(cgroups, controller) === 2) ?? []
  return field === undefined ? undefined : unfit(`${RESOURCES}.${field}`, 'cgroup v2 has no such limit')
}

/** Of the files of a group itself those that limit it; the others move processes, or stop them. cgroup-v2.rst, Core Interface Files. */
const GROUP_FILES: ReadonlySet<string> = new Set([
  'cgroup.max.depth',
  'cgroup.max.descendants',
  'cgroup.pressure',
])

const refuseUnified = (
  resources: LinuxResources,
  cgroups: readonly CgroupParent[],
): EngineError | undefined => {
  const files = Object.keys(resources.unified ?? {})
  if (files.length === 0) return undefined
  const group = cgroups.find(({ version }) => version === 2)
  if (group === undefined)
    return unfit(`${RESOURCES}.unified`, 'it is for cgroup v2, and the container has no group of it here')
  const file = files.find((name) => name.startsWith('cgroup.') && !GROUP_FILES.has(name))
  if (file !== undefined) return invalid(`.${RESOURCES}.unified`, `${file} is no limit`)
  const lacking = unifiedControllers(resources).find((name) => !group.controllers.includes(name))
  return lacking === undefined
    ? undefined
    : unfit(`${RESOURCES}.unified`, `cgroup v2 has no controller ${lacking} for the container`)
}
