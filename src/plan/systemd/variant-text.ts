// Values of D-Bus as people write them: GLib's text format of GVariant, without dictionaries and tuples.
import type { Either } from '#fp/Either'
import * as E from '#fp/Either'
import type { DbusValue, DbusVariant } from '../../model/unit-property.ts'

/** `uint64 5`, `'text'`, `true`, `['a', 'b']`, `@as []`, `<5>`. Without a type a number is an `i`, with a dot a `d`. Left: why not. */
export const parseVariantText = (text: string): Either<string, DbusVariant> => {
  const reader = new Reader(text)
  try {
    const variant = reader.value(undefined, 0)
    return reader.isAtEnd() ? E.right(variant) : E.left('has something behind its value')
  } catch (error) {
    if (error instanceof TextError) return E.left(error.message)
    throw error
  }
}

class TextError extends Error {}
const refuse = (why: string): never => {
  throw new TextError(why)
}

/** "Type annotations" of the format. */
const KEYWORDS: Readonly<Record<string, string>> = {
  boolean: 'b',
  byte: 'y',
  int16: 'n',
  uint16: 'q',
  int32: 'i',
  uint32: 'u',
  handle: 'h',
  int64: 'x',
  uint64: 't',
  double: 'd',
  string: 's',
  objectpath: 'o',
  signature: 'g',
}
const MAX_DEPTH = 16
const TYPE = /a*[bynqiuhxtdsogv]/y
const WORD = /[a-z][a-z0-9]*/y
const NUMBER = /[+-]?(?:0x[0-9a-fA-F]+|\d+(?:\.\d+)?(?:e[+-]?\d+)?|inf|nan)/y

class Reader {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  isAtEnd(): boolean {
    this.#skip()
    return this.#at === this.#text.length
  }

  /** `wanted`: the signature that is known already. */
  value(wanted: string | undefined, depth: number): DbusVariant {
    if (depth > MAX_DEPTH) refuse('is nested too deeply')
    this.#skip()
    const next = this.#text[this.#at] ?? refuse('ends where a value should be')
    if (next === '@') {
      this.#at++
      const type = this.#match(TYPE) ?? refuse('has an @ without a type')
      return this.value(type, depth + 1)
    }
    if (next === '[') return this.#array(wanted, depth)
    if (next === '<') return this.#variant(wanted, depth)
    if (next === "'" || next === '"') return this.#textValue(wanted, next)
    const number = this.#match(NUMBER)
    if (number !== undefined) return numberValue(number, wanted)
    const word = this.#match(WORD) ?? refuse(`has ${JSON.stringify(next)} where a value should be`)
    if (word === 'true' || word === 'false') return of('b', wanted, word === 'true')
    const type = Object.hasOwn(KEYWORDS, word) ? KEYWORDS[word] : undefined
    return this.value(type ?? refuse(`has ${JSON.stringify(word)} where a value should be`), depth + 1)
  }

  #array(wanted: string | undefined, depth: number): DbusVariant {
    this.#at++
    let element = wanted?.startsWith('a') === true ? wanted.slice(1) : undefined
    if (wanted !== undefined && element === undefined) refuse(`has a list where ${wanted} should be`)
    const values: DbusValue[] = []
    for (let first = true; !this.#takes(']'); first = false) {
      if (!first && !this.#takes(',')) refuse('has a list without an end')
      const { signature, value } = this.value(element, depth + 1)
      element ??= signature
      values.push(value)
    }
    return {
      signature: `a${element ?? refuse('has an empty list without a type, as in "@as []"')}`,
      value: values,
    }
  }

  #variant(wanted: string | undefined, depth: number): DbusVariant {
    this.#at++
    const value = this.value(undefined, depth + 1)
    if (!this.#takes('>')) refuse('has a variant without an end')
    return of('v', wanted, value)
  }

  #textValue(wanted: string | undefined, quote: string): DbusVariant {
    let text = ''
    for (this.#at++; this.#text[this.#at] !== quote; this.#at++) {
      if (this.#text[this.#at] === '\\') this.#at++
      text += this.#text[this.#at] ?? refuse('has a text without an end')
    }
    this.#at++
    const signature = wanted ?? 's'
    return /^[sog]$/.test(signature)
      ? { signature, value: text }
      : refuse(`has a text where ${signature} should be`)
  }

  #takes(letter: string): boolean {
    this.#skip()
    if (this.#text[this.#at] !== letter) return false
    this.#at++
    return true
  }

  #skip(): void {
    while (/\s/.test(this.#text[this.#at] ?? '')) this.#at++
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at
    const [found] = pattern.exec(this.#text) ?? []
    if (found !== undefined) this.#at += found.length
    return found
  }
}

const of = (signature: string, wanted: string | undefined, value: DbusValue): DbusVariant =>
  wanted === undefined || wanted === signature
    ? { signature, value }
    : refuse(`has another value where ${wanted} should be`)

const RANGE: Readonly<Record<string, readonly [min: bigint, max: bigint]>> = {
  y: [0n, 255n],
  n: [-(2n ** 15n), 2n ** 15n - 1n],
  q: [0n, 2n ** 16n - 1n],
  i: [-(2n ** 31n), 2n ** 31n - 1n],
  u: [0n, 2n ** 32n - 1n],
  h: [0n, 2n ** 32n - 1n],
  x: [-(2n ** 63n), 2n ** 63n - 1n],
  t: [0n, 2n ** 64n - 1n],
}

const numberValue = (text: string, wanted: string | undefined): DbusVariant => {
  const isWhole = /^[+-]?(0x[0-9a-fA-F]+|\d+)$/.test(text)
  const signature = wanted ?? (isWhole ? 'i' : 'd')
  if (signature === 'd') return { signature, value: doubleOf(text) }
  const [min, max] = RANGE[signature] ?? refuse(`has a number where ${signature} should be`)
  if (!isWhole) refuse(`has ${text} where a whole number should be`)
  const size = BigInt(text.replace(/^[+-]/, ''))
  const number = text.startsWith('-') ? -size : size
  if (number < min || number > max) refuse(`has ${text}, which is not between ${min} and ${max}`)
  return { signature, value: signature === 'x' || signature === 't' ? number : Number(number) }
}

const doubleOf = (text: string): number => {
  const sign = text.startsWith('-') ? -1 : 1
  const size = text.replace(/^[+-]/, '')
  return sign * (size === 'inf' ? Number.POSITIVE_INFINITY : size === 'nan' ? Number.NaN : Number(size))
}
