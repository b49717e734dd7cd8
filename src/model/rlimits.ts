// Resource limits: names of getrlimit(2) and their numbers (asm-generic/resource.h, the same on x86-64 and arm64).

export const RLIMIT_TYPES = [
  'RLIMIT_CPU',
  'RLIMIT_FSIZE',
  'RLIMIT_DATA',
  'RLIMIT_STACK',
  'RLIMIT_CORE',
  'RLIMIT_RSS',
  'RLIMIT_NPROC',
  'RLIMIT_NOFILE',
  'RLIMIT_MEMLOCK',
  'RLIMIT_AS',
  'RLIMIT_LOCKS',
  'RLIMIT_SIGPENDING',
  'RLIMIT_MSGQUEUE',
  'RLIMIT_NICE',
  'RLIMIT_RTPRIO',
  'RLIMIT_RTTIME',
] as const
export type RlimitType = (typeof RLIMIT_TYPES)[number]

/** The kernel's "no limit", ~0. */
export const RLIM_INFINITY = 0xffff_ffff_ffff_ffffn

/** `RLIMIT_NOFILE` → 7. */
export const rlimitNumber = (type: RlimitType): number => RLIMIT_TYPES.indexOf(type)

/** `nofile` → `RLIMIT_NOFILE`; undefined for a name there is no limit for. */
export const rlimitType = (name: string): RlimitType | undefined =>
  RLIMIT_TYPES.find((type) => type === `RLIMIT_${name.toUpperCase()}`)

/** Names as `--ulimit` takes them: `nofile`. */
export const ULIMIT_NAMES: readonly string[] = RLIMIT_TYPES.map((type) =>
  type.slice('RLIMIT_'.length).toLowerCase(),
)
