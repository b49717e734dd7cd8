// What no filter can be made of, by JSON path: checked before a profile is compiled.
import type { Either } from '#fp/Either'
import * as E from '#fp/Either'
import type { EngineError } from '../../model/errors.ts'
import type { LinuxSeccomp, SeccompArg, SeccompSyscall } from '../../model/oci-spec.ts'
import { flagValue, maxErrnoRet } from './actions.ts'
import { isKnownArchitecture } from './architectures.ts'

interface Fault {
  /** Relative to the profile. */
  readonly where: string
  readonly why: string
}

/** The profile itself, or InvalidSpec with a path such as `$.linux.seccomp.syscalls[3].args[0].index`. */
export const checkProfile = (profile: LinuxSeccomp): Either<EngineError, LinuxSeccomp> => {
  const fault = firstFault(profile)
  if (fault === undefined) return E.right(profile)
  return E.left({
    _tag: 'InvalidSpec',
    document: 'seccomp profile',
    where: `$${fault.where}`,
    why: fault.why,
  })
}

const firstFault = (profile: LinuxSeccomp): Fault | undefined => {
  const { defaultAction, defaultErrnoRet, syscalls = [], architectures = [], flags = [] } = profile
  return (
    errnoFault(defaultAction, defaultErrnoRet, '.defaultErrnoRet') ??
    first(architectures, '.architectures', (name) =>
      isKnownArchitecture(name) ? undefined : { where: '', why: `unknown architecture ${name}` },
    ) ??
    first(flags, '.flags', (flag) =>
      flagValue(flag) === undefined ? { where: '', why: `unknown flag ${flag}` } : undefined,
    ) ??
    first(syscalls, '.syscalls', syscallFault)
  )
}

const syscallFault = ({ names, action, errnoRet, args = [] }: SeccompSyscall): Fault | undefined => {
  if (names.length === 0) return { where: '.names', why: 'is empty' }
  return errnoFault(action, errnoRet, '.errnoRet') ?? first(args, '.args', argFault)
}

const errnoFault = (
  action: LinuxSeccomp['defaultAction'],
  errnoRet: number | undefined,
  where: string,
): Fault | undefined => {
  if (
    errnoRet === undefined ||
    (Number.isInteger(errnoRet) && errnoRet >= 0 && errnoRet <= maxErrnoRet(action))
  )
    return undefined
  return { where, why: `${errnoRet} is not between 0 and ${maxErrnoRet(action)}` }
}

const MAX_VALUE = 2n ** 64n - 1n
const argFault = ({ index, value, valueTwo }: SeccompArg): Fault | undefined => {
  if (!Number.isInteger(index) || index < 0 || index > 5)
    return { where: '.index', why: `${index} is not between 0 and 5: calls have six arguments` }
  if (!isUint64(value)) return { where: '.value', why: `${value} is not an unsigned 64-bit number` }
  if (valueTwo !== undefined && !isUint64(valueTwo))
    return { where: '.valueTwo', why: `${valueTwo} is not an unsigned 64-bit number` }
  return undefined
}
const isUint64 = (value: bigint | number): boolean =>
  (typeof value === 'bigint' || Number.isInteger(value)) && value >= 0 && BigInt(value) <= MAX_VALUE

/** The first fault of the items of a list, with its path. */
const first = <A>(
  items: readonly A[],
  path: string,
  faultOf: (item: A) => Fault | undefined,
): Fault | undefined => {
  for (const [index, item] of items.entries()) {
    const fault = faultOf(item)
    if (fault !== undefined) return { where: `${path}[${index}]${fault.where}`, why: fault.why }
  }
  return undefined
}
