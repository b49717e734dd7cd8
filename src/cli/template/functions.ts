// The functions of a template: Go's own, and those that Docker adds.
import { fail } from './failure.ts'
import { printf } from './printf.ts'
import { GoMap, isObject, isTrue, show } from './values.ts'

type Fn = (...args: unknown[]) => unknown

const text = (value: unknown, name: string): string =>
  typeof value === 'string' ? value : fail(`${name} needs a text`)
const whole = (value: unknown, name: string): number =>
  typeof value === 'number' && Number.isInteger(value) ? value : fail(`${name} needs a whole number`)

const DOCKERS: Readonly<Record<string, Fn>> = {
  json: (value) => JSON.stringify(value ?? null),
  upper: (value) => text(value, 'upper').toUpperCase(),
  lower: (value) => text(value, 'lower').toLowerCase(),
  title: (value) =>
    text(value, 'title').replace(/(?<![\p{L}\p{N}_'])\p{L}/gu, (first) => first.toUpperCase()),
  join: (list, separator) =>
    Array.isArray(list) ? list.map(show).join(text(separator, 'join')) : fail('join needs a list'),
  split: (value, separator) => text(value, 'split').split(text(separator, 'split')),
  // Docker counts bytes.
  truncate: (value, length) => bytes(text(value, 'truncate'), 0, whole(length, 'truncate')),
  pad: (value, before, after) => {
    const inner = text(value, 'pad')
    return inner === '' ? '' : blanks(before) + inner + blanks(after)
  },
}
const blanks = (count: unknown): string => ' '.repeat(Math.max(0, whole(count, 'pad')))
const bytes = (value: string, from: number, to: number): string =>
  Buffer.from(value).subarray(from, to).toString()

const GOS: Readonly<Record<string, Fn>> = {
  len: (value) => {
    if (typeof value === 'string') return Buffer.byteLength(value)
    if (value instanceof GoMap) return value.keys.length
    return Array.isArray(value) || isObject(value)
      ? Object.keys(value).length
      : fail('len needs a text, a list or a map')
  },
  index: (value, ...keys) => keys.reduce(elementOf, value),
  slice: (value, from = 0, to = undefined) => sliceOf(value, from, to),
  not: (value) => !isTrue(value),
  print: (...values) => printed(values),
  println: (...values) => `${values.map(show).join(' ')}\n`,
  printf: (format, ...values) => printf(text(format, 'printf'), values),
  html: (...values) => printed(values).replace(/[&<>"'\0]/g, (char) => HTML[char] ?? char),
  urlquery: (...values) =>
    encodeURIComponent(printed(values))
      .replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)
      .replaceAll('%20', '+'),
  eq: (value, ...others) =>
    others.length === 0 ? fail('eq needs two values') : others.some((other) => equal(value, other)),
  ne: (a, b) => !equal(a, b),
  lt: (a, b) => compare(a, b) < 0,
  le: (a, b) => compare(a, b) <= 0,
  gt: (a, b) => compare(a, b) > 0,
  ge: (a, b) => compare(a, b) >= 0,
}
const HTML: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&#34;',
  "'": '&#39;',
  '\0': '\ufffd',
}

/** Blanks stand between two values of which neither is a text, as fmt.Sprint has it. */
const printed = (values: readonly unknown[]): string =>
  values.reduce<string>((line, value, at) => {
    const apart = at > 0 && typeof value !== 'string' && typeof values[at - 1] !== 'string'
    return `${line}${apart ? ' ' : ''}${show(value)}`
  }, '')

/** What a map has not is its zero value in Go, which prints as nothing. */
const elementOf = (value: unknown, key: unknown): unknown => {
  if (value instanceof GoMap) return value.get(String(key)) ?? ''
  if (Array.isArray(value)) {
    const at = whole(key, 'index of a list')
    return at >= 0 && at < value.length ? value[at] : fail(`index ${at} is out of range`)
  }
  if (typeof value === 'string') {
    const byte = Buffer.from(value)[whole(key, 'index of a text')]
    return byte ?? fail(`index ${key} is out of range`)
  }
  if (!isObject(value)) return fail('index needs a list or a map')
  return Object.hasOwn(value, String(key)) ? value[String(key)] : ''
}

const sliceOf = (value: unknown, from: unknown, to: unknown): unknown => {
  if (typeof value !== 'string' && !Array.isArray(value)) return fail('slice needs a text or a list')
  const size = typeof value === 'string' ? Buffer.byteLength(value) : value.length
  const [start, end] = [whole(from, 'slice'), to === undefined ? size : whole(to, 'slice')]
  if (start < 0 || end > size || start > end) return fail(`slice ${start} to ${end} is out of range`)
  return typeof value === 'string' ? bytes(value, start, end) : value.slice(start, end)
}

const equal = (a: unknown, b: unknown): boolean => {
  if ((a ?? null) === null || (b ?? null) === null) return (a ?? null) === (b ?? null)
  if (typeof a !== typeof b || typeof a === 'object')
    return fail(`${show(a)} and ${show(b)} cannot be compared`)
  return a === b
}

const compare = (a: unknown, b: unknown): number => {
  if (typeof a === 'number' && typeof b === 'number') return a - b
  if (typeof a === 'string' && typeof b === 'string') return Buffer.compare(Buffer.from(a), Buffer.from(b))
  return fail(`${show(a)} and ${show(b)} cannot be compared`)
}

/** `and` and `or` look at no more than they need: evaluate.ts has them. */
export const LAZY: ReadonlySet<string> = new Set(['and', 'or'])
export const FUNCTIONS: ReadonlyMap<string, Fn> = new Map(Object.entries({ ...DOCKERS, ...GOS }))
const NAMES = [...FUNCTIONS.keys(), ...LAZY]

/** How many arguments Docker's and Go's take at the least and at the most. */
const ARITY: Readonly<Record<string, readonly [least: number, most: number]>> = {
  ...Object.fromEntries(['json', 'upper', 'lower', 'title', 'len', 'not'].map((name) => [name, [1, 1]])),
  ...Object.fromEntries(
    ['join', 'split', 'truncate', 'ne', 'lt', 'le', 'gt', 'ge'].map((name) => [name, [2, 2]]),
  ),
  pad: [3, 3],
  index: [1, 99],
  slice: [1, 3],
  printf: [1, 99],
  eq: [2, 99],
}

export const callFunction = (name: string, args: readonly unknown[]): unknown => {
  const [least, most] = ARITY[name] ?? [0, Number.POSITIVE_INFINITY]
  if (args.length < least || args.length > most)
    return fail(
      `${name} got ${args.length} values, and takes ${least === most ? least : `at least ${least}`}`,
    )
  return FUNCTIONS.get(name)?.(...args)
}

export const unknownFunction = (word: string): string =>
  word === 'js' || word === 'call'
    ? `{{${word}}} is not supported; ${NAMES.join(', ')} are`
    : `{{${word}}}: a field starts with a dot: {{.${word}}}`
