// Nanoseconds as people read them.

const UNITS = [
  { from: 1e9, text: 's' },
  { from: 1e6, text: 'ms' },
  { from: 1e3, text: 'µs' },
  { from: 0, text: 'ns' },
] as const

/** Three significant digits: `412 ns`, `83.1 µs`, `1.47 ms`, `2.10 s`; the sign is a real minus. */
export const humanNs = (ns: number): string => {
  if (!Number.isFinite(ns)) return '–'
  const size = Math.abs(ns)
  const unit = UNITS.find(({ from }) => size >= from * 0.9995) ?? UNITS[3]
  const value = unit.from === 0 ? size : size / unit.from
  const digits = value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2
  const shown = unit.from === 0 ? String(Math.round(value)) : value.toFixed(digits)
  return `${ns < 0 && Number(shown) !== 0 ? '−' : ''}${shown} ${unit.text}`
}

/** The same with a plus where it is above zero. */
export const signedNs = (ns: number): string => (ns > 0 ? `+${humanNs(ns)}` : humanNs(ns))

/** A mark of an axis: as few digits as tell it apart, `500 µs`, `1 ms`, `2.5 ms`. */
export const tickNs = (ns: number): string => {
  const size = Math.abs(ns)
  if (size === 0) return '0'
  const unit = UNITS.find(({ from }) => size >= from * 0.9995) ?? UNITS[3]
  return `${ns < 0 ? '−' : ''}${Number((size / (unit.from || 1)).toPrecision(3))} ${unit.text}`
}

/** Milliseconds as time left or spent: `48 s`, `2 min 05 s`. */
export const humanTime = (ms: number): string => {
  const seconds = Math.max(0, Math.round(ms / 1000))
  if (seconds < 60) return `${seconds} s`
  return `${Math.floor(seconds / 60)} min ${String(seconds % 60).padStart(2, '0')} s`
}
