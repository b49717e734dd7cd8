// What a user of the command line can do about a step that failed: in flags, where the library speaks of options.
import { constants } from 'node:os'
import type { EngineError } from '../model/errors.ts'

/** By step, then by errno. The names of the steps are those of native/sys/steps and docs/errors.md. */
const ADVICE: Readonly<Record<string, Readonly<Record<string, string>> | undefined>> = {
  'open bind source': {
    ENOENT: 'create it first; -v creates a missing folder, --mount does not',
    ENOTCONN: 'the file system it lies on has died; unmount it',
  },
  'make bind source': { EROFS: 'choose a path on a writable file system, or create the folder first' },
  'set oom score': { EACCES: 'lowering it needs CAP_SYS_RESOURCE, which this process does not hold' },
  'open sysctl': { ENOENT: 'this kernel has no such setting in a namespace of its own' },
}

/** Files of a cgroup, by the start of `name = value`. */
const LIMIT_ADVICE: readonly (readonly [string, string])[] = [
  ['cpuset.cpus', 'name only CPUs that this host has and may use; nproc counts them'],
  ['cpuset.mems', 'name only memory nodes that this host has: /sys/devices/system/node/online'],
]

const FULL: ReadonlySet<number> = new Set([constants.errno.ENOSPC, constants.errno.EDQUOT])

export const adviceFor = (failure: EngineError): string | undefined => {
  if (failure._tag !== 'SyscallFailed') return undefined
  if (FULL.has(failure.errno))
    return 'free some room there, or choose another place with --root or SLIPWAY_ROOT'
  if (failure.step === 'set cgroup limit')
    return LIMIT_ADVICE.find(([file]) => failure.path?.startsWith(file) === true)?.[1]
  const known = ADVICE[failure.step]
  if (known === undefined) return undefined
  const name = Object.keys(known).find(
    (each) => constants.errno[each as keyof typeof constants.errno] === failure.errno,
  )
  return name === undefined ? undefined : known[name]
}
