// Order statistics of samples, and what two subjects measured in the same rounds differ by.

/** In the unit of the samples. */
export interface Summary {
  readonly n: number
  readonly min: number
  readonly p5: number
  readonly p25: number
  readonly p50: number
  readonly p75: number
  readonly p95: number
  readonly p99: number
  readonly max: number
}

/** The smallest sample with at least `fraction` of all samples at or below it (nearest rank). NaN of nothing. */
export const percentile = (sorted: readonly number[], fraction: number): number =>
  sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(fraction * sorted.length) - 1))] ?? Number.NaN

export const ascending = (samples: readonly number[]): readonly number[] => [...samples].sort((a, b) => a - b)

export const median = (samples: readonly number[]): number => percentile(ascending(samples), 0.5)

/** Undefined of nothing. */
export const summary = (samples: readonly number[]): Summary | undefined => {
  if (samples.length === 0) return undefined
  const sorted = ascending(samples)
  const at = (fraction: number): number => percentile(sorted, fraction)
  return {
    n: sorted.length,
    min: at(0),
    p5: at(0.05),
    p25: at(0.25),
    p50: at(0.5),
    p75: at(0.75),
    p95: at(0.95),
    p99: at(0.99),
    max: at(1),
  }
}

/** Samples of one subject, those of each round together; a round without it is empty. */
export type Rounds = readonly (readonly number[])[]

/** What one subject takes longer than another, from the rounds both were in. */
export interface Difference {
  /** Rounds compared. */
  readonly n: number
  readonly p25: number
  readonly p50: number
  readonly p75: number
  /** Bounds between which the true median difference lies with a confidence of 95 %; infinite with fewer than six rounds. */
  readonly low: number
  readonly high: number
}

/**
 * The difference of the medians of each round. Both were measured within moments of each other, so what slows the whole machine
 * down falls out. Undefined where no round has both.
 */
export const difference = (subject: Rounds, reference: Rounds): Difference | undefined => {
  const paired = subject.flatMap((own, round) => {
    const other = reference[round] ?? []
    return own.length === 0 || other.length === 0 ? [] : [median(own) - median(other)]
  })
  if (paired.length === 0) return undefined
  const sorted = ascending(paired)
  const at = (fraction: number): number => percentile(sorted, fraction)
  return { n: sorted.length, p25: at(0.25), p50: at(0.5), p75: at(0.75), ...medianBounds(sorted) }
}

/** The order statistics that enclose the median: the sign test's interval, which asks nothing of the distribution. */
export const medianBounds = (sorted: readonly number[]): { readonly low: number; readonly high: number } => {
  const below = signTestRank(sorted.length)
  return {
    low: sorted[below - 1] ?? Number.NEGATIVE_INFINITY,
    high: sorted[sorted.length - below] ?? Number.POSITIVE_INFINITY,
  }
}

/** The largest k for which a fair coin shows fewer than k heads in n throws with a probability of 2.5 % at most; 0 for none. */
const signTestRank = (n: number): number => {
  let probability = 0.5 ** n
  let sum = 0
  for (let k = 0; k <= n; k++) {
    sum += probability
    if (sum > 0.025) return k
    probability *= (n - k) / (k + 1)
  }
  return 0
}
