// JSON whose numbers may need 64 bits: JSON.parse alone would round RLIM_INFINITY up by one.

import type { Either } from '#fp/Either'
import * as E from '#fp/Either'

/** A string or a number, each as a whole. */
const TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g
const LONG = /^-?\d{16,}$/

/** As JSON.parse, but whole numbers a double cannot hold become bigints. Left: what is wrong with the text. */
export const parseJson = (source: string): Either<string, unknown> => {
  try {
    const parsed: unknown = JSON.parse(source)
    return E.right(/\d{16}/.test(source) ? parseExact(source) : parsed)
  } catch (error) {
    return E.left(`not JSON: ${error instanceof Error ? error.message : String(error)}`)
  }
}

/** Every string gets an `s` in front, and every long number becomes a string with an `n`: so none can pass for another. */
const parseExact = (source: string): unknown => unmark(JSON.parse(source.replace(TOKEN, mark)))

const mark = (token: string): string => {
  if (token.startsWith('"')) return `"s${token.slice(1)}`
  return LONG.test(token) ? `"n${token}"` : token
}

const unmark = (value: unknown): unknown => {
  if (typeof value === 'string') return value.startsWith('n') ? toNumber(value.slice(1)) : value.slice(1)
  if (Array.isArray(value)) return value.map(unmark)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key.slice(1), unmark(entry)]))
}

const toNumber = (digits: string): number | bigint => {
  const number = Number(digits)
  return String(number) === digits ? number : BigInt(digits)
}

/** As JSON.stringify, for plain data whose bigints become numbers. */
export const formatJson = (value: unknown): string => {
  if (typeof value === 'bigint') return String(value)
  if (Array.isArray(value)) return `[${value.map((item) => formatJson(item ?? null)).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const fields = Object.entries(value)
    .filter(([, field]) => field !== undefined)
    .map(([name, field]) => `${JSON.stringify(name)}:${formatJson(field)}`)
  return `{${fields.join(',')}}`
}
