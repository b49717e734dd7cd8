// A small decoder library: unknown JSON in, a typed value or the path of the first thing wrong out.

import type { Either } from '#fp/Either'
import * as E from '#fp/Either'

export interface Mismatch {
  /** Relative to the decoded value, e.g. `.rlimits[2].hard`; empty for the value itself. */
  readonly where: string
  readonly why: string
  /** What was found there; undefined when nothing was. */
  readonly value?: unknown
}

export type Decoder<A> = (value: unknown) => Either<Mismatch, A>
export type Decoded<D> = D extends Decoder<infer A> ? A : never

/** Says what is wrong with a value of the right type, or nothing. */
export type Check<A> = (value: A) => string | undefined

export const mismatch = (why: string, value?: unknown): Either<Mismatch, never> =>
  E.left({ where: '', why, value })

const MAX_SHOWN = 60
/** A value as an error message shows it: JSON, cut short. */
export const show = (value: unknown): string => {
  const text = typeof value === 'bigint' ? String(value) : (stringify(value) ?? typeof value)
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text
}
const stringify = (value: unknown): string | undefined => {
  try {
    return JSON.stringify(value)
  } catch {
    return undefined
  }
}

const expected = (what: string, value: unknown): Either<Mismatch, never> =>
  mismatch(`expected ${what}`, value)

/** No NUL: the kernel would cut the string there and see another value than the one that was checked. */
export const text: Decoder<string> = (value) => {
  if (typeof value !== 'string') return expected('a string', value)
  return value.includes('\0') ? mismatch('contains a NUL character', value) : E.right(value)
}

export const boolean: Decoder<boolean> = (value) =>
  typeof value === 'boolean' ? E.right(value) : expected('true or false', value)

/** A whole number from `min` to `max`, both included; a bigint in that range becomes a number. */
export const integer =
  (min = Number.MIN_SAFE_INTEGER, max = Number.MAX_SAFE_INTEGER): Decoder<number> =>
  (value) => {
    const number = typeof value === 'bigint' ? Number(value) : value
    if (typeof number !== 'number' || !Number.isInteger(number)) return expected('a whole number', value)
    return number < min || number > max
      ? mismatch(`is not between ${min} and ${max}`, value)
      : E.right(number)
  }

export const finite: Decoder<number> = (value) =>
  typeof value === 'number' && Number.isFinite(value) ? E.right(value) : expected('a number', value)

/** One of a few strings. */
export const oneOf = <const T extends string>(...choices: readonly T[]): Decoder<T> => {
  const known: ReadonlySet<unknown> = new Set(choices)
  return (value) => (known.has(value) ? E.right(value as T) : expected(`one of ${choices.join(', ')}`, value))
}

export const check =
  <A>(decoder: Decoder<A>, problem: Check<A>): Decoder<A> =>
  (value) => {
    const result = decoder(value)
    if (E.isLeft(result)) return result
    const why = problem(result.right)
    return why === undefined ? result : mismatch(why, value)
  }

export const array =
  <A>(decoder: Decoder<A>): Decoder<readonly A[]> =>
  (value) => {
    if (!Array.isArray(value)) return expected('an array', value)
    const items: A[] = []
    for (let index = 0; index < value.length; index++) {
      const item = decoder(value[index])
      if (E.isLeft(item)) return inside(`[${index}]`, item.left)
      items.push(item.right)
    }
    return E.right(items)
  }

/** An object used as a map. */
export const record =
  <A>(decoder: Decoder<A>): Decoder<Readonly<Record<string, A>>> =>
  (value) => {
    if (!isObject(value)) return expected('an object', value)
    const entries: [string, A][] = []
    for (const [key, entry] of Object.entries(value)) {
      const item = decoder(entry)
      if (E.isLeft(item)) return inside(keyPath(key), item.left)
      entries.push([key, item.right])
    }
    return E.right(Object.fromEntries(entries))
  }

/** A field that may be missing; null counts as missing, as Go's encoding/json has it. */
export interface Optional<A> {
  readonly optional: Decoder<A>
}
export const optional = <A>(decoder: Decoder<A>): Optional<A> => ({ optional: decoder })

type Field = Decoder<unknown> | Optional<unknown>
type Shape = Readonly<Record<string, Field>>
type Value<F> = F extends Optional<infer A> ? A : Decoded<F>
type Struct<S extends Shape> = {
  readonly [K in keyof S as S[K] extends Optional<unknown> ? never : K]: Value<S[K]>
} & { readonly [K in keyof S as S[K] extends Optional<unknown> ? K : never]?: Value<S[K]> }

/** An object with named fields. Fields it does not name are ignored. runtime-spec config.md, Extensibility. */
export const object = <S extends Shape>(shape: S): Decoder<Struct<S>> => {
  const fields = Object.entries(shape)
  return (value) => {
    if (!isObject(value)) return expected('an object', value)
    const result: Record<string, unknown> = {}
    for (const [name, field] of fields) {
      const found = decodeField(field, Object.hasOwn(value, name) ? value[name] : undefined)
      if (found === undefined) continue
      if (E.isLeft(found)) return inside(`.${name}`, found.left)
      result[name] = found.right
    }
    return E.right(result as Struct<S>)
  }
}

/** The same where a field it does not name is a mistake. */
export const exactObject = <S extends Shape>(shape: S): Decoder<Struct<S>> => {
  const decode = object(shape)
  return (value) => {
    const unknown = isObject(value)
      ? Object.keys(value).find((name) => !Object.hasOwn(shape, name))
      : undefined
    if (unknown === undefined || !isObject(value)) return decode(value)
    return inside(keyPath(unknown), {
      where: '',
      why: noSuchName('field', unknown, Object.keys(shape)),
      value: value[unknown],
    })
  }
}

/** `no such option; did you mean timeout?`: the nearest name, if one is near enough to be a slip of the fingers. */
export const noSuchName = (what: string, name: string, known: readonly string[]): string => {
  const plain = (text: string): string => text.toLowerCase().replace(/[^a-z]|s$/g, '')
  const wanted = plain(name)
  const ranked = known
    .map((candidate) => ({ candidate, distance: editDistance(wanted, plain(candidate)) }))
    .sort((a, b) => a.distance - b.distance)
  const best = ranked[0]
  const near = best !== undefined && best.distance <= Math.max(1, Math.floor(wanted.length / 3))
  const whole = known.find((candidate) => wanted.length >= 3 && plain(candidate).startsWith(wanted))
  const guess = near ? best.candidate : whole
  return guess === undefined ? `no such ${what}` : `no such ${what}; did you mean ${guess}?`
}

/** Insertions, deletions, replacements and swaps of neighbours (optimal string alignment). */
const editDistance = (a: string, b: string): number => {
  if (Math.abs(a.length - b.length) > a.length) return a.length + b.length
  let beforeLast: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = (last[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      const swapped = a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1] ? (beforeLast[j - 2] ?? 0) + 1 : replaced
      row.push(Math.min(replaced, swapped, (last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1))
    }
    beforeLast = last
    last = row
  }
  return last[b.length] ?? 0
}

const decodeField = (field: Field, value: unknown): Either<Mismatch, unknown> | undefined => {
  const missing = value === undefined || value === null
  if (typeof field === 'function') return missing ? mismatch('is required') : field(value)
  return missing ? undefined : field.optional(value)
}

/** A mismatch of a part, seen from the whole. */
export const inside = (step: string, found: Mismatch): Either<Mismatch, never> =>
  E.left({ ...found, where: `${step}${found.where}` })

export const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** A step of a JSON path: `.name`, or `["odd name"]`. */
export const keyPath = (key: string): string =>
  /^[A-Za-z_]\w*$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`

/** Index of the first item whose key occurred before. */
export const firstRepeated = <A>(items: readonly A[], key: (item: A) => string | number): number => {
  const seen = new Set<string | number>()
  return items.findIndex((item) => {
    const known = seen.has(key(item))
    seen.add(key(item))
    return known
  })
}
