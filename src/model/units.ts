// Sizes and durations as people write them: '64MiB', '1.5g', '2s', '1m30s'.

import type { Either } from '#fp/Either'
import * as E from '#fp/Either'
import type { InvalidOption } from './errors.ts'

const refuse = (option: string, value: unknown, why: string): Either<InvalidOption, never> =>
  E.left({ _tag: 'InvalidOption', option, value: String(value), why })

const SIZE = /^(\d+(?:\.\d+)?|\.\d+) ?(?:([kmgtpe])(?:i?b)?|b)?$/i
const POWERS = 'kmgtpe'

/**
 * Bytes. Every suffix is a power of 1024, `k`, `kb` and `kib` alike, in either case; a part of a byte is dropped
 * (docker-run(1); go-units size.go, RAMInBytes). Fails: InvalidOption.
 */
export const parseSize = (value: string | number, option: string): Either<InvalidOption, number> => {
  if (typeof value === 'number') return wholeBytes(value, option, value)
  const match = SIZE.exec(value.trim())
  if (match === null) return refuse(option, value, 'expected a size such as 64MiB, 1.5g or a number of bytes')
  const power = match[2] === undefined ? 0 : POWERS.indexOf(match[2].toLowerCase()) + 1
  return wholeBytes(Math.floor(Number(match[1]) * 1024 ** power), option, value)
}

const wholeBytes = (bytes: number, option: string, value: unknown): Either<InvalidOption, number> => {
  if (Number.isSafeInteger(bytes) && bytes >= 0) return E.right(bytes)
  if (bytes > Number.MAX_SAFE_INTEGER) return refuse(option, value, 'too large')
  return refuse(option, value, 'expected a whole number of bytes, zero or more')
}

const UNITS_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
}
const DURATION = /^(?:(?:\d+(?:\.\d+)?|\.\d+)(?:ns|us|µs|ms|s|m|h|d))+$/
const PART = /(\d+(?:\.\d+)?|\.\d+)(ns|us|µs|ms|s|m|h|d)/g

/** Longest delay a timer of Node.js takes, about 24.8 days: a longer one would fire at once. */
export const MAX_DURATION_MS = 2 ** 31 - 1

/** Milliseconds, with a fraction where one was written. A string needs a unit, as in Go. Fails: InvalidOption. */
export const parseDuration = (value: string | number, option: string): Either<InvalidOption, number> => {
  if (typeof value === 'number') return wholeTime(value, option, value)
  const written = value.trim()
  if (written === '0') return E.right(0)
  if (/^[\d.]+$/.test(written)) return refuse(option, value, 'needs a unit: ms, s, m, h or d')
  if (!DURATION.test(written)) return refuse(option, value, 'expected a duration such as 150ms, 2s or 1m30s')
  return wholeTime(durationMs(written), option, value)
}

/** How long ago, in milliseconds: a duration of any length. Undefined for what is none. */
export const parseAge = (written: string): number | undefined =>
  DURATION.test(written) ? durationMs(written) : undefined

const durationMs = (written: string): number => {
  let total = 0
  for (const [, number, unit] of written.matchAll(PART)) total += Number(number) * (UNITS_MS[unit ?? ''] ?? 0)
  return Math.round(total * 1e6) / 1e6
}

const wholeTime = (ms: number, option: string, value: unknown): Either<InvalidOption, number> => {
  if (!Number.isFinite(ms) || ms < 0) return refuse(option, value, 'expected milliseconds, zero or more')
  return ms > MAX_DURATION_MS ? refuse(option, value, 'longer than 24 days') : E.right(ms)
}

const SIZE_UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'] as const

/** Four significant digits at most: 1536 → `1.5KiB`, 6291456 → `6MiB` (go-units size.go, BytesSize). */
export const formatSize = (bytes: number): string => {
  let value = bytes
  let unit = 0
  while (value >= 1024 && unit < SIZE_UNITS.length - 1) {
    value /= 1024
    unit++
  }
  return `${Number(value.toPrecision(4))}${SIZE_UNITS[unit] ?? 'B'}`
}

/** 90061 → `1m30.061s`, 150 → `150ms`, 0.25 → `250us`; what parseDuration reads back. */
export const formatDuration = (ms: number): string => {
  if (ms === 0) return '0s'
  if (ms < 1) return `${trim(ms * 1000)}us`
  if (ms < 1000) return `${trim(ms)}ms`
  const hours = Math.floor(ms / 3_600_000)
  const minutes = Math.floor((ms % 3_600_000) / 60_000)
  const seconds = trim((ms % 60_000) / 1000)
  return `${hours > 0 ? `${hours}h` : ''}${minutes > 0 ? `${minutes}m` : ''}${seconds === 0 ? '' : `${seconds}s`}`
}

const trim = (value: number): number => Math.round(value * 1000) / 1000
