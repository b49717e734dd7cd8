// Actions and flags of a profile as the kernel's numbers.
import { lookUp } from '../../model/look-up.ts'
import type { LinuxSeccomp, SeccompAction } from '../../model/oci-spec.ts'
import { EPERM, FLAG, RET } from './abi.ts'

/** Highest errno the kernel returns to user space: MAX_ERRNO, linux/err.h. It would cut a larger one to this. */
export const MAX_ERRNO = 4095
/** The data of a return value has 16 bits. */
export const MAX_DATA = 0xffff

/** Without `errnoRet`, errno and trace say EPERM; the other actions carry nothing (runtime-spec config-linux.md, Seccomp). */
export const returnValue = (action: SeccompAction, errnoRet = EPERM): number => {
  switch (action) {
    case 'SCMP_ACT_KILL':
    case 'SCMP_ACT_KILL_THREAD':
      return RET.killThread
    case 'SCMP_ACT_KILL_PROCESS':
      return RET.killProcess
    case 'SCMP_ACT_TRAP':
      return RET.trap
    case 'SCMP_ACT_ERRNO':
      return RET.errno | errnoRet
    case 'SCMP_ACT_TRACE':
      return RET.trace | errnoRet
    case 'SCMP_ACT_ALLOW':
      return RET.allow
    case 'SCMP_ACT_LOG':
      return RET.log
    case 'SCMP_ACT_NOTIFY':
      return RET.notify
  }
}

/** The highest number `errnoRet` may have with an action. */
export const maxErrnoRet = (action: SeccompAction): number =>
  action === 'SCMP_ACT_TRACE' ? MAX_DATA : MAX_ERRNO

/** TSYNC is for all threads of a process: a container is one thread when its filter is loaded, so it says nothing. */
const FLAGS: Readonly<Record<string, number>> = {
  SECCOMP_FILTER_FLAG_TSYNC: 0,
  SECCOMP_FILTER_FLAG_LOG: FLAG.log,
  SECCOMP_FILTER_FLAG_SPEC_ALLOW: FLAG.specAllow,
  SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV: FLAG.waitKillableRecv,
}

/** Undefined for a flag that does not exist. */
export const flagValue = (flag: string): number | undefined => lookUp(FLAGS, flag)

/**
 * A profile without flags, not even an empty list, gets SPEC_ALLOW, as runc has it. One that notifies needs a listener, and how a
 * notification is waited for is said to a filter with a listener alone: without one the kernel has EINVAL for it.
 */
export const filterFlags = (profile: LinuxSeccomp): number => {
  const named = profile.flags?.map((flag) => flagValue(flag) ?? 0) ?? [FLAG.specAllow]
  const all = named.reduce((flags, flag) => flags | flag, 0)
  return notifies(profile) ? all | FLAG.newListener : all & ~FLAG.waitKillableRecv
}

/** Whether any call is answered by an agent. */
export const notifies = ({ defaultAction, syscalls = [] }: LinuxSeccomp): boolean =>
  [defaultAction, ...syscalls.map(({ action }) => action)].includes('SCMP_ACT_NOTIFY')

export const hasListener = ({ flags }: { readonly flags: number }): boolean =>
  (flags & FLAG.newListener) !== 0
