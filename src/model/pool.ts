// A pool of sandboxes, as its caller sees it.
import type { ContainerOptions, ImageSource, RunOptions, StartOptions } from './options.ts'

/** What all sandboxes of a pool have in common. A name and a terminal belong to one container alone. */
export interface PoolOptions extends Omit<ContainerOptions, 'name' | 'tty'> {
  /**
   * Without one the sandboxes wait without a root, with all else that these options ask for, and each start brings its image: slower
   * than with a root, faster than without a pool, and for any image.
   */
  readonly image?: ImageSource
  /** Starts may bring mounts of their own. The seccomp filter is loaded at the start then, since it would refuse them. */
  readonly lateMounts?: boolean
}

export interface PoolSize {
  /** Sandboxes that always wait. */
  readonly min: number
  /** At most so many wait after a burst of starts. */
  readonly max: number
}

/** Limits a start may have in place of the pool's, by the controller that keeps them. */
export const POOL_LIMITS = {
  memory: ['memory', 'memorySwap', 'memoryReservation'],
  cpu: ['cpus', 'cpuShares'],
  cpuset: ['cpusetCpus', 'cpusetMems'],
  pids: ['pids'],
} as const
type PoolLimit = (typeof POOL_LIMITS)[keyof typeof POOL_LIMITS][number]

/** What makes one start from a pool another one than the next, besides its program. */
export const POOL_CHOICES: readonly ('env' | 'cwd' | 'user' | 'groups' | 'mounts' | PoolLimit)[] = [
  ...(['env', 'cwd', 'user', 'groups', 'mounts'] as const),
  ...Object.values(POOL_LIMITS).flat(),
]

/** What each start may choose for itself; `env` and `mounts` are added to the pool's, and a limit replaces that of the pool. */
export type PoolStartOptions = Pick<
  StartOptions,
  'stdin' | 'stdout' | 'stderr' | 'signal' | 'timeout' | 'grace' | (typeof POOL_CHOICES)[number]
> & {
  /** Of a pool that has none. */
  readonly image?: ImageSource
}
export type PoolRunOptions = PoolStartOptions & Pick<RunOptions, 'maxOutput' | 'encoding' | 'all'>

export interface PoolStats {
  /** Sandboxes that wait now. */
  readonly waiting: number
  /** How many are to wait: more than the minimum for a while after starts that found none. */
  readonly target: number
  /** Starts that found a sandbox. */
  readonly hits: number
  /** Starts that had to make one first. */
  readonly misses: number
  /** Sandboxes that were given up: too old, of another image, killed, or no longer needed. */
  readonly dropped: number
}
