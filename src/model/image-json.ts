// Small JSON decoders for image documents. A failure names the JSON path of the value that is wrong.
import * as E from '#fp/Either'
import { type Digest, parseDigest } from './digest.ts'
import type { InvalidSpec } from './errors.ts'

interface Issue {
  /** e.g. `$.layers[2].digest` */
  readonly where: string
  readonly why: string
}
/** Reads an unknown value found at a JSON path. */
export type Decoder<A> = (value: unknown, where: string) => E.Either<Issue, A>
/** Marks a field that may be absent. Go's encoder writes `null` for empty lists and maps, so that counts as absent. */
export interface OptionalField<A> {
  readonly optional: Decoder<A>
}

type Field = Decoder<unknown> | OptionalField<unknown>
type RequiredKeys<F> = { [K in keyof F]: F[K] extends Decoder<unknown> ? K : never }[keyof F]
type OptionalKeys<F> = Exclude<keyof F, RequiredKeys<F>>
type ValueOf<D> = D extends Decoder<infer A> ? A : D extends OptionalField<infer A> ? A : never
export type Decoded<F> = { readonly [K in RequiredKeys<F>]: ValueOf<F[K]> } & {
  readonly [K in OptionalKeys<F>]?: ValueOf<F[K]>
}

/** Parses and decodes one document; `document` is its name in the error. */
export const decodeJson = <A>(
  decoder: Decoder<A>,
  bytes: string | Uint8Array,
  document: string,
): E.Either<InvalidSpec, A> => {
  const text = typeof bytes === 'string' ? bytes : Buffer.from(bytes).toString('utf8')
  const invalid = ({ where, why }: Issue): InvalidSpec => ({ _tag: 'InvalidSpec', document, where, why })
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return E.left(invalid({ where: '$', why: 'it is not JSON' }))
  }
  return E.mapLeft(invalid)(decoder(value, '$'))
}

export const text: Decoder<string> = (value, where) =>
  typeof value === 'string' ? E.right(value) : wrong(where, 'a string', value)

/** A count of bytes: what a JavaScript number holds exactly. */
export const size: Decoder<number> = (value, where) =>
  Number.isSafeInteger(value) && (value as number) >= 0
    ? E.right(value as number)
    : wrong(where, 'a number of bytes', value)

export const digest: Decoder<Digest> = (value, where) => {
  if (typeof value !== 'string') return wrong(where, 'a digest', value)
  return E.mapLeft((why: string): Issue => ({ where, why }))(parseDigest(value))
}

export const literal =
  <const L extends string | number>(expected: L): Decoder<L> =>
  (value, where) =>
    value === expected ? E.right(expected) : wrong(where, JSON.stringify(expected), value)

export const boolean: Decoder<boolean> = (value, where) =>
  typeof value === 'boolean' ? E.right(value) : wrong(where, 'true or false', value)

export const list =
  <A>(item: Decoder<A>): Decoder<readonly A[]> =>
  (value, where) => {
    if (!Array.isArray(value)) return wrong(where, 'a list', value)
    const items: A[] = []
    for (const [index, element] of value.entries()) {
      const decoded = item(element, `${where}[${index}]`)
      if (E.isLeft(decoded)) return decoded
      items.push(decoded.right)
    }
    return E.right(items)
  }

/** One string or a list of them: Docker once wrote commands as plain strings. */
export const textOrList: Decoder<readonly string[]> = (value, where) =>
  typeof value === 'string' ? E.right([value]) : list(text)(value, where)

export const record =
  <A>(item: Decoder<A>): Decoder<Readonly<Record<string, A>>> =>
  (value, where) => {
    if (!isObject(value)) return wrong(where, 'an object', value)
    const entries: [string, A][] = []
    for (const [key, element] of Object.entries(value)) {
      const decoded = item(element, `${where}${step(key)}`)
      if (E.isLeft(decoded)) return decoded
      entries.push([key, decoded.right])
    }
    // fromEntries defines own properties: a key named __proto__ stays data.
    return E.right(Object.fromEntries(entries))
  }

/** Accepts anything; used where only the keys matter. */
export const anything: Decoder<unknown> = (value) => E.right(value)

export const optional = <A>(decoder: Decoder<A>): OptionalField<A> => ({ optional: decoder })

/** An object with these fields; others are ignored, as image-spec asks of readers (considerations.md, Extensibility). */
export const struct =
  <const F extends Readonly<Record<string, Field>>>(fields: F): Decoder<Decoded<F>> =>
  (value, where) => {
    if (!isObject(value)) return wrong(where, 'an object', value)
    const result: Record<string, unknown> = {}
    for (const [name, field] of Object.entries(fields)) {
      const raw = Object.hasOwn(value, name) ? value[name] : undefined
      const missing = raw === undefined || raw === null
      if (missing && typeof field === 'object') continue
      if (raw === undefined) return E.left({ where: `${where}${step(name)}`, why: 'it is missing' })
      const decoded = (typeof field === 'object' ? field.optional : field)(raw, `${where}${step(name)}`)
      if (E.isLeft(decoded)) return decoded
      result[name] = decoded.right
    }
    return E.right(result as Decoded<F>)
  }

/** Adds a condition; `check` gives what is wrong, and where below the value, or undefined. */
export const refine =
  <A>(
    decoder: Decoder<A>,
    check: (value: A, raw: unknown) => { readonly at?: string; readonly why: string } | undefined,
  ): Decoder<A> =>
  (value, where) =>
    E.flatMap((decoded: A): E.Either<Issue, A> => {
      const problem = check(decoded, value)
      if (problem === undefined) return E.right(decoded)
      return E.left({ where: `${where}${problem.at ?? ''}`, why: problem.why })
    })(decoder(value, where))

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const step = (key: string): string => (/^[A-Za-z_]\w*$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`)

const wrong = (where: string, expected: string, value: unknown): E.Either<Issue, never> =>
  E.left({ where, why: `expected ${expected}, found ${describe(value)}` })

const describe = (value: unknown): string => {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object') return 'an object'
  const json = JSON.stringify(value) ?? 'nothing'
  return json.length > 60 ? `${json.slice(0, 57)}…` : json
}

/** Docker's extension of an image config; times are nanoseconds. */
export const healthcheck = struct({
  Test: optional(list(text)),
  Interval: optional(size),
  Timeout: optional(size),
  StartPeriod: optional(size),
  StartInterval: optional(size),
  Retries: optional(size),
})
