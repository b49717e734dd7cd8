// Linux capabilities: names and numbers (include/uapi/linux/capability.h), Docker's defaults, and --cap-add / --cap-drop.

import type { Either } from '#fp/Either'
import * as E from '#fp/Either'
import type { EngineError } from './errors.ts'

/** By number, 0 to 40 (Linux 5.9). */
export const CAPABILITIES: readonly string[] = [
  'CAP_CHOWN',
  'CAP_DAC_OVERRIDE',
  'CAP_DAC_READ_SEARCH',
  'CAP_FOWNER',
  'CAP_FSETID',
  'CAP_KILL',
  'CAP_SETGID',
  'CAP_SETUID',
  'CAP_SETPCAP',
  'CAP_LINUX_IMMUTABLE',
  'CAP_NET_BIND_SERVICE',
  'CAP_NET_BROADCAST',
  'CAP_NET_ADMIN',
  'CAP_NET_RAW',
  'CAP_IPC_LOCK',
  'CAP_IPC_OWNER',
  'CAP_SYS_MODULE',
  'CAP_SYS_RAWIO',
  'CAP_SYS_CHROOT',
  'CAP_SYS_PTRACE',
  'CAP_SYS_PACCT',
  'CAP_SYS_ADMIN',
  'CAP_SYS_BOOT',
  'CAP_SYS_NICE',
  'CAP_SYS_RESOURCE',
  'CAP_SYS_TIME',
  'CAP_SYS_TTY_CONFIG',
  'CAP_MKNOD',
  'CAP_LEASE',
  'CAP_AUDIT_WRITE',
  'CAP_AUDIT_CONTROL',
  'CAP_SETFCAP',
  'CAP_MAC_OVERRIDE',
  'CAP_MAC_ADMIN',
  'CAP_SYSLOG',
  'CAP_WAKE_ALARM',
  'CAP_BLOCK_SUSPEND',
  'CAP_AUDIT_READ',
  'CAP_PERFMON',
  'CAP_BPF',
  'CAP_CHECKPOINT_RESTORE',
]

/** What a container's root may do unless told otherwise. moby daemon/pkg/oci/caps/defaults.go. */
export const DEFAULT_CAPABILITIES: readonly string[] = [
  'CAP_CHOWN',
  'CAP_DAC_OVERRIDE',
  'CAP_FSETID',
  'CAP_FOWNER',
  'CAP_MKNOD',
  'CAP_NET_RAW',
  'CAP_SETGID',
  'CAP_SETUID',
  'CAP_SETFCAP',
  'CAP_SETPCAP',
  'CAP_NET_BIND_SERVICE',
  'CAP_SYS_CHROOT',
  'CAP_KILL',
  'CAP_AUDIT_WRITE',
]

const NUMBERS: ReadonlyMap<string, number> = new Map(CAPABILITIES.map((name, number) => [name, number]))

/** `CAP_KILL` → 5; undefined for a name this list does not have. */
export const capabilityNumber = (name: string): number | undefined => NUMBERS.get(name)

/** 5 → `CAP_KILL`; undefined above 40. */
export const capabilityName = (number: number): string | undefined => CAPABILITIES[number]

/** One bit per capability, as in /proc/self/status. Unknown names count for nothing. */
export const capabilityMask = (names: readonly string[]): bigint =>
  names.reduce((mask, name) => {
    const number = capabilityNumber(name)
    return number === undefined ? mask : mask | (1n << BigInt(number))
  }, 0n)

/** The names of a mask's bits, by number. */
export const capabilityNames = (mask: bigint): string[] =>
  CAPABILITIES.filter((_, number) => (mask & (1n << BigInt(number))) !== 0n)

/** `net_admin`, `NET_ADMIN` and `CAP_NET_ADMIN` → `CAP_NET_ADMIN`; `all` → `ALL`. */
export const normalizeCapability = (name: string): string | undefined => {
  const upper = name.toUpperCase()
  if (upper === 'ALL') return upper
  const full = upper.startsWith('CAP_') ? upper : `CAP_${upper}`
  return NUMBERS.has(full) ? full : undefined
}

export interface CapabilityWish {
  readonly add?: readonly string[]
  readonly drop?: readonly string[]
  readonly privileged?: boolean
  /** Highest number the kernel knows. */
  readonly lastCap: number
  /** What the engine holds and so can pass on, as a mask. Default: all. */
  readonly available?: bigint
}

/**
 * The capabilities a container gets, by number. As moby's TweakCapabilities: privileged ignores both lists; adding ALL
 * leaves out what is dropped; dropping ALL leaves what is added; otherwise the defaults less the dropped plus the added,
 * so that a name in both lists is had. ALL and the defaults are what there is of them: kernels and engines may lack some.
 * Fails: InvalidOption for a name in either list that does not exist, or in `add` that cannot be given.
 */
export const resolveCapabilities = (wish: CapabilityWish): Either<EngineError, readonly string[]> => {
  const all = givable(wish)
  if (wish.privileged === true) return E.right(all)
  const drop = normalizeAll('security.capDrop', wish.drop ?? [])
  if (E.isLeft(drop)) return drop
  const add = normalizeAll('security.capAdd', wish.add ?? [])
  if (E.isLeft(add)) return add
  const missing = add.right.findIndex((name) => name !== 'ALL' && !all.includes(name))
  if (missing >= 0)
    return refuse('security.capAdd', wish.add?.[missing] ?? '', whyNot(add.right[missing] ?? '', wish))
  return E.right(inOrder(tweak(all, add.right, drop.right)))
}

const givable = ({ lastCap, available }: CapabilityWish): readonly string[] => {
  const known = CAPABILITIES.slice(0, lastCap + 1)
  return available === undefined ? known : capabilityNames(available & capabilityMask(known))
}

const whyNot = (name: string, { lastCap }: CapabilityWish): string =>
  (capabilityNumber(name) ?? 0) > lastCap
    ? 'this kernel does not have it'
    : 'slipway itself does not have it here, and cannot give it'

const tweak = (
  all: readonly string[],
  add: readonly string[],
  drop: readonly string[],
): readonly string[] => {
  if (add.includes('ALL')) return all.filter((name) => !drop.includes(name))
  if (drop.includes('ALL')) return add
  return [...DEFAULT_CAPABILITIES.filter((name) => all.includes(name) && !drop.includes(name)), ...add]
}

const inOrder = (names: readonly string[]): string[] => capabilityNames(capabilityMask(names))

const normalizeAll = (option: string, names: readonly string[]): Either<EngineError, readonly string[]> => {
  const found: string[] = []
  for (const value of names) {
    const name = normalizeCapability(value)
    if (name === undefined) return refuse(option, value, 'no such capability')
    found.push(name)
  }
  return E.right(found)
}

const refuse = (option: string, value: string, why: string): Either<EngineError, never> =>
  E.left({ _tag: 'InvalidOption', option, value, why })
