// Moments as people and logs write them, in nanoseconds since 1970: a bigint, since a number would lose the last three digits.
import type { Either } from '#fp/Either'
import * as E from '#fp/Either'
import type { InvalidOption } from './errors.ts'
import { parseAge } from './units.ts'

const NS_PER_MS = 1_000_000n
const NS_PER_S = 1_000_000_000n

export const nsOfMs = (ms: number): bigint =>
  BigInt(Math.floor(ms)) * NS_PER_MS + BigInt(Math.floor((ms % 1) * 1e6))
export const msOfNs = (ns: bigint): number => Number(ns / NS_PER_MS)

const RFC_3339 = /^(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?([Zz]|[+-]\d\d:\d\d)$/

/** RFC 3339 with a zone. Undefined for anything else. */
export const parseRfc3339 = (text: string): bigint | undefined => {
  const [, day = '', time = '', fraction = '', zone = ''] = RFC_3339.exec(text) ?? []
  const ms = day === '' ? Number.NaN : Date.parse(`${day}T${time}${zone.toUpperCase()}`)
  return Number.isNaN(ms) ? undefined : BigInt(ms) * NS_PER_MS + BigInt(fraction.padEnd(9, '0'))
}

/** In UTC with nine digits, as `docker logs --timestamps` has it. */
export const formatRfc3339 = (ns: bigint): string => {
  const fraction = ((ns % NS_PER_S) + NS_PER_S) % NS_PER_S
  const seconds = (ns - fraction) / NS_PER_S
  return `${new Date(Number(seconds) * 1000).toISOString().slice(0, 19)}.${String(fraction).padStart(9, '0')}Z`
}

type Moment = string | number | bigint

/**
 * What docker's `--since` and `--until` take: RFC 3339, also without zone, seconds or time of day (ours, then); seconds since 1970 with a
 * fraction; or how long before `nowNs`, e.g. `1h30m`. A bigint is nanoseconds already. Fails: InvalidOption.
 */
export const parseMoment = (value: Moment, nowNs: bigint, option: string): Either<InvalidOption, bigint> => {
  if (typeof value === 'bigint') return E.right(value)
  const text = String(value).trim()
  const ns = unixNs(text) ?? agoNs(text, nowNs) ?? parseRfc3339(text) ?? localNs(text)
  return ns === undefined
    ? E.left({
        _tag: 'InvalidOption',
        option,
        value: text,
        why: 'expected a time such as 2026-01-02T03:04:05Z, seconds since 1970, or how long ago, e.g. 10m',
      })
    : E.right(ns)
}

/** From when and up to when something is asked for, as `since` and `until` say. Fails: InvalidOption. */
export const parsePeriod = (
  { since, until }: { readonly since?: Moment; readonly until?: Moment },
  nowNs: bigint,
): Either<InvalidOption, { readonly sinceNs?: bigint; readonly untilNs?: bigint }> => {
  const from = since === undefined ? E.right(undefined) : parseMoment(since, nowNs, 'since')
  if (E.isLeft(from)) return from
  const to = until === undefined ? E.right(undefined) : parseMoment(until, nowNs, 'until')
  if (E.isLeft(to)) return to
  return E.right({
    ...(from.right === undefined ? {} : { sinceNs: from.right }),
    ...(to.right === undefined ? {} : { untilNs: to.right }),
  })
}

const unixNs = (text: string): bigint | undefined => {
  const [, sign = '', seconds = '', fraction = ''] = /^(-?)(\d{1,12})(?:\.(\d{1,9}))?$/.exec(text) ?? []
  if (seconds === '') return undefined
  const ns = BigInt(seconds) * NS_PER_S + BigInt(fraction.padEnd(9, '0'))
  return sign === '' ? ns : -ns
}

const agoNs = (text: string, nowNs: bigint): bigint | undefined => {
  const age = parseAge(text)
  return age === undefined ? undefined : nowNs - nsOfMs(age)
}

/** Also with a `Z` after minutes or hours, as docker's client takes it. */
const LOCAL = /^(\d{4}-\d\d-\d\d)(?:T(\d\d)(?::(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?)?)?(Z?)$/
const localNs = (text: string): bigint | undefined => {
  const [, day, hours = '00', minutes = '00', seconds = '00', fraction = '', zone = ''] =
    LOCAL.exec(text) ?? []
  const ms = day === undefined ? Number.NaN : Date.parse(`${day}T${hours}:${minutes}:${seconds}${zone}`)
  return Number.isNaN(ms) ? undefined : BigInt(ms) * NS_PER_MS + BigInt(fraction.padEnd(9, '0'))
}
