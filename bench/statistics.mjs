// Order statistics of nanosecond samples.

/** The smallest sample with at least `fraction` of all samples at or below it (nearest rank). */
export const percentile = (sorted, fraction) =>
  sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(fraction * sorted.length) - 1))]

/** `{ count, min, p50, p95, p99 }` in nanoseconds. */
export const summary = (samples) => {
  const sorted = [...samples].sort((a, b) => a - b)
  return {
    count: sorted.length,
    min: sorted[0],
    p50: percentile(sorted, 0.5),
    p95: percentile(sorted, 0.95),
    p99: percentile(sorted, 0.99),
  }
}

/** Milliseconds as text with three significant digits: 0.104, 1.47, 43.2, 164. */
export const ms = (ns) => {
  const value = ns / 1e6
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(value >= 1 ? 2 : 3)
}
