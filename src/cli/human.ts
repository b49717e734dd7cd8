// Times as people say them.

/** `1234` → `1.23 ms`; `12` → `12 µs`. */
export const humanMicros = (us: number): string => {
  if (us < 1000) return `${Math.round(us)} µs`
  return us < 1_000_000 ? `${(us / 1000).toFixed(2)} ms` : `${(us / 1_000_000).toFixed(2)} s`
}

const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

/** How long, in the words of `docker ps`: one unit, rounded down. */
export const humanDuration = (ms: number): string => {
  if (ms < SECOND) return 'Less than a second'
  if (ms < MINUTE) return count(ms / SECOND, 'second')
  if (ms < 2 * MINUTE) return 'About a minute'
  if (ms < HOUR) return count(ms / MINUTE, 'minute')
  if (ms < 1.5 * HOUR) return 'About an hour'
  if (ms < 48 * HOUR) return count(Math.round(ms / HOUR), 'hour')
  if (ms < 14 * DAY) return count(ms / DAY, 'day')
  if (ms < 60 * DAY) return count(ms / (7 * DAY), 'week')
  return ms < 730 * DAY ? count(ms / (30 * DAY), 'month') : count(ms / (365 * DAY), 'year')
}

/** How long ago, as `docker ps` says it. */
export const humanAge = (thenMs: number | undefined, nowMs: number): string =>
  thenMs === undefined ? 'N/A' : `${humanDuration(nowMs - thenMs)} ago`

/** As Go prints a time: `2024-01-02 03:04:05 +0000 UTC`. */
export const goTime = (ms: number): string =>
  `${new Date(ms).toISOString().slice(0, 19).replace('T', ' ')} +0000 UTC`

const count = (value: number, unit: string): string => {
  const whole = Math.floor(value)
  return `${whole} ${unit}${whole === 1 ? '' : 's'}`
}

const BYTE_UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'] as const

/** `123456789` → `123MB`: powers of 1000 and three digits, as `docker images` prints sizes. */
export const humanBytes = (bytes: number): string => {
  let value = Math.max(0, bytes)
  let unit = 0
  while (value >= 999.5 && unit < BYTE_UNITS.length - 1) {
    value /= 1000
    unit++
  }
  return `${Number(unit === 0 ? Math.round(value) : value.toPrecision(3))}${BYTE_UNITS[unit]}`
}
