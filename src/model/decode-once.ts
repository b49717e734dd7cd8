// Options that are asked for again and again are decoded once.
import type { Either } from '#fp/Either'
import * as E from '#fp/Either'

/** What was decoded last, as it came. */
interface Last<A> {
  readonly names: readonly string[]
  readonly values: readonly unknown[]
  readonly result: A
}

/** The last good result is given again for options of the same plain values in the same order; what holds an object may have changed. */
export const decodeOnce = <Fault, A>(
  decode: (options: unknown) => Either<Fault, A>,
): ((options: unknown) => Either<Fault, A>) => {
  let last: Last<Either<Fault, A>> | undefined
  return (options) => {
    if (last !== undefined && isSame(options, last)) return last.result
    const result = decode(options)
    last = E.isRight(result) ? remember(options, result) : undefined
    return result
  }
}

const isPlain = (value: unknown): boolean =>
  value === null || (typeof value !== 'object' && typeof value !== 'function')

const remember = <A>(options: unknown, result: A): Last<A> | undefined => {
  if (typeof options !== 'object' || options === null) return undefined
  const values = Object.values(options)
  return values.every(isPlain) ? { names: Object.keys(options), values, result } : undefined
}

const isSame = (options: unknown, { names, values }: Last<unknown>): boolean => {
  if (typeof options !== 'object' || options === null) return false
  let index = 0
  for (const name of Object.keys(options)) {
    if (name !== names[index] || (options as Record<string, unknown>)[name] !== values[index]) return false
    index++
  }
  return index === names.length
}
