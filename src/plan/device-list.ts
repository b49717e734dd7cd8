// What a list of device rules amounts to, by the kernel's own way of reading them: a default, and exceptions from it.
// security/device_cgroup.c, devcgroup_update_access; Documentation/admin-guide/cgroup-v1/devices.rst.
import type { LinuxDeviceCgroup } from '../model/oci-spec.ts'

/** Bits of BPF_DEVCG_ACC_* (include/uapi/linux/bpf.h). */
export const ACCESS = { m: 1, r: 2, w: 4 } as const
export const ALL_ACCESS = 7

export interface DeviceException {
  readonly type: 'b' | 'c'
  /** Absent: every number. */
  readonly major?: number
  readonly minor?: number
  /** Bits of ACCESS, at least one. */
  readonly access: number
}

/**
 * Where the default is to deny, access is given when one exception covers all of it; where it is to allow, access is refused
 * when an exception touches any of it.
 */
export interface DeviceList {
  readonly allowed: boolean
  /** No two for the same type and numbers. */
  readonly exceptions: readonly DeviceException[]
}

/** A new group may do everything its parent may. */
const EVERYTHING: DeviceList = { allowed: true, exceptions: [] }

/** Applies the rules in their order. Two lists of rules that mean the same give the same result, but for the order. */
export const deviceList = (rules: readonly LinuxDeviceCgroup[]): DeviceList =>
  rules.reduce(applyRule, EVERYTHING)

/** True where nothing is refused, so that nothing has to be written. */
export const allowsEveryDevice = ({ allowed, exceptions }: DeviceList): boolean =>
  allowed && exceptions.length === 0

const applyRule = (list: DeviceList, rule: LinuxDeviceCgroup): DeviceList => {
  if (namesEveryDevice(rule)) return { allowed: rule.allow, exceptions: [] }
  const change = list.allowed === rule.allow ? withoutException : withException
  return { allowed: list.allowed, exceptions: exceptionsOf(rule).reduce(change, list.exceptions) }
}

const isWildcard = (number: number | undefined): boolean => number === undefined || number < 0

/** Such a rule forgets all that were before it, whatever they say. */
const namesEveryDevice = ({ type, major, minor, access }: LinuxDeviceCgroup): boolean =>
  (type ?? 'a') === 'a' && isWildcard(major) && isWildcard(minor) && accessMask(access) === ALL_ACCESS

/**
 * Type `a` with anything more is a rule for both types. The kernel's v1 files know no such line: they take every `a` for all
 * devices, whatever stands behind it.
 */
const exceptionsOf = ({ type, major, minor, access }: LinuxDeviceCgroup): readonly DeviceException[] => {
  const types = type === 'b' || type === 'c' ? [type] : (['b', 'c'] as const)
  const numbers = {
    ...(major === undefined || major < 0 ? {} : { major }),
    ...(minor === undefined || minor < 0 ? {} : { minor }),
  }
  const mask = accessMask(access)
  return mask === 0 ? [] : types.map((each) => ({ type: each, ...numbers, access: mask }))
}

const accessMask = (access: string | undefined): number => {
  if (access === undefined || access === '') return ALL_ACCESS
  return [...access].reduce((mask, letter) => mask | (ACCESS[letter as keyof typeof ACCESS] ?? 0), 0)
}

const sameDevices = (a: DeviceException, b: DeviceException): boolean =>
  a.type === b.type && a.major === b.major && a.minor === b.minor

const withException = (
  exceptions: readonly DeviceException[],
  added: DeviceException,
): readonly DeviceException[] =>
  exceptions.some((each) => sameDevices(each, added))
    ? exceptions.map((each) =>
        sameDevices(each, added) ? { ...each, access: each.access | added.access } : each,
      )
    : [...exceptions, added]

/** Takes away from the exception for the very same devices only: one for more devices stays as it is. */
const withoutException = (
  exceptions: readonly DeviceException[],
  removed: DeviceException,
): readonly DeviceException[] =>
  exceptions
    .map((each) => (sameDevices(each, removed) ? { ...each, access: each.access & ~removed.access } : each))
    .filter(({ access }) => access !== 0)

/** Lines for devices.allow and devices.deny of a new v1 group. */
export const deviceWrites = ({
  allowed,
  exceptions,
}: DeviceList): readonly { readonly file: string; readonly value: string }[] => [
  ...(allowed ? [] : [{ file: 'devices.deny', value: 'a' }]),
  ...exceptions.map(({ type, major, minor, access }) => ({
    file: allowed ? 'devices.deny' : 'devices.allow',
    value: `${type} ${major ?? '*'}:${minor ?? '*'} ${accessText(access)}`,
  })),
]

const accessText = (mask: number): string =>
  (['r', 'w', 'm'] as const).filter((letter) => (mask & ACCESS[letter]) !== 0).join('')
