// Decoders of the values that occur all over a runtime spec.
import * as E from '#fp/Either'
import { array, check, type Decoder, integer, mismatch, object, text } from './decode.ts'
import { numberList } from './number-list.ts'
import type { IdMapping, Uint64 } from './oci-spec.ts'

/** Ids are 32 bits; the last one is the kernel's "leave as it is" and would keep the engine's own (setresuid(2)). */
export const MAX_KERNEL_ID = 0xffff_fffe

export const id = integer(0, MAX_KERNEL_ID)
export const uint32 = integer(0, 0xffff_ffff)
/** A signed number; parts beyond 2^53 are rounded, which only moves limits nobody can reach. */
export const int64 = integer(-(2 ** 63), 2 ** 63)

const MAX_UINT64 = 0xffff_ffff_ffff_ffffn

/** A bigint where a number could not hold it. */
export const uint64: Decoder<Uint64> = (value) => {
  if (typeof value === 'bigint') return value >= 0n && value <= MAX_UINT64 ? E.right(value) : tooLarge(value)
  if (typeof value !== 'number' || !Number.isInteger(value)) return mismatch('expected a whole number', value)
  if (value < 0 || value > 2 ** 64) return tooLarge(value)
  if (value <= Number.MAX_SAFE_INTEGER) return E.right(value)
  const exact = BigInt(value)
  return E.right(exact > MAX_UINT64 ? MAX_UINT64 : exact)
}
const tooLarge = (value: Uint64) => mismatch('is not between 0 and 2^64-1', value)

export const nonEmpty = check(text, (value) => (value === '' ? 'is empty' : undefined))
export const texts = array(text)
export const absolute = check(text, (path) => (path.startsWith('/') ? undefined : 'must be an absolute path'))

/** CPUs or memory nodes, e.g. `0-3,7`; an empty list is one that is not given. */
export const numbers = check(text, (list) =>
  list === '' || numberList(list) !== undefined ? undefined : 'expected a list such as 0-3,7',
)

/** `NAME=value`. */
export const variable = check(text, (entry) => (entry.indexOf('=') > 0 ? undefined : 'expected NAME=value'))

export const idMapping: Decoder<IdMapping> = object({
  containerID: uint32,
  hostID: uint32,
  size: integer(1, 2 ** 32),
})

const overlaps = (a: number, b: number, sizeA: number, sizeB: number): boolean =>
  a < b + sizeB && b < a + sizeA

/** user_namespaces(7): at most 340 lines, no id twice on either side. */
export const idMappings = check(array(idMapping), (maps) => {
  if (maps.length > 340) return 'the kernel takes 340 id maps at most'
  const clash = maps.some((a, i) =>
    maps
      .slice(i + 1)
      .some(
        (b) =>
          overlaps(a.containerID, b.containerID, a.size, b.size) ||
          overlaps(a.hostID, b.hostID, a.size, b.size),
      ),
  )
  return clash ? 'ranges overlap' : undefined
})
