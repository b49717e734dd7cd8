// Calls a filter might trip over: numbers and arguments at and beside every boundary, and anything else.
import type { LinuxSeccomp } from '../../../src/model/oci-spec.ts'
import { AUDIT_ARCH } from '../../../src/plan/seccomp/abi.ts'
import type { SeccompData } from '../../../src/plan/seccomp/evaluate.ts'
import { syscallNumber, X32_BIT } from '../../../src/plan/syscalls/index.ts'

/** Numbers that come back for the same seed: xorshift32. */
export const randomSource = (seed: number): ((below: number) => number) => {
  let state = seed | 1
  return (below) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % below
  }
}

const EDGES = [
  0x3fffffff, 0x40000000, 0x40000200, 0x40000224, 0x7fffffff, 0x80000000, 0xbfffffff, 0xc0000000, 0xfffffffe,
  0xffffffff,
]
const ARCHES = [
  AUDIT_ARCH.x64,
  AUDIT_ARCH.x64,
  AUDIT_ARCH.x64,
  AUDIT_ARCH.x86,
  AUDIT_ARCH.x86,
  AUDIT_ARCH.arm64,
  0,
]
const MASK64 = 0xffffffffffffffffn

/** A source of calls that knows the profile's argument values and the calls that have conditions. */
export const callSource = (profile: LinuxSeccomp, random: (below: number) => number): (() => SeccompData) => {
  const { syscalls = [] } = profile
  const tested = syscalls.filter(({ args = [] }) => args.length > 0).flatMap(({ names }) => names)
  const numbers = tested.flatMap((name) =>
    (['x64', 'x86', 'x32'] as const).map((arch) => syscallNumber(arch, name) ?? 0),
  )
  const through = [102, 117]
  const values = syscalls
    .flatMap(({ args = [] }) => args)
    .flatMap(({ value, valueTwo }) => [BigInt(value), BigInt(valueTwo ?? 0)])
  const pick = <A>(items: readonly A[], otherwise: A): A => items[random(items.length)] ?? otherwise

  const number = (): number => {
    const kind = random(8)
    if (kind < 3) return random(560) + (random(3) === 0 ? X32_BIT : 0)
    if (kind < 6 && numbers.length > 0) return pick([...numbers, ...through], 0)
    return kind === 6 ? pick(EDGES, 0) : random(2 ** 32)
  }
  const argument = (): bigint => {
    const kind = random(6)
    if (kind === 0) return BigInt(random(64))
    if (kind === 1) return (BigInt(random(2 ** 32)) << 32n) | BigInt(random(2 ** 32))
    const near = pick(values, 0n) + BigInt(random(3)) - 1n
    if (kind === 2) return (near ^ (1n << BigInt(random(64)))) & MASK64
    return kind === 3 ? near & 0xffffffffn : near & MASK64
  }
  return () => ({ nr: number(), arch: pick(ARCHES, 0), args: Array.from({ length: 6 }, argument) })
}
