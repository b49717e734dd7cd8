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

/** The middle value, or the mean of the two in the middle. */
export const median = (values) => {
  const sorted = [...values].sort((a, b) => a - b)
  const half = sorted.length / 2
  return (sorted[Math.ceil(half) - 1] + sorted[Math.floor(half)]) / 2
}

const sum = (values) => values.reduce((total, value) => total + value, 0)

/**
 * Ranks of all values together, those of `a` first: equal values share the mean of their ranks, so all are doubled to stay
 * whole. `ties` are the sizes of the groups of equal values.
 */
const doubledRanks = (a, b) => {
  const all = [...a, ...b]
  const order = all.map((_, index) => index).sort((one, other) => all[one] - all[other])
  const ranks = new Array(all.length)
  const ties = []
  for (let from = 0, to = 0; from < order.length; from = to) {
    while (to < order.length && all[order[to]] === all[order[from]]) to++
    for (let at = from; at < to; at++) ranks[order[at]] = from + to + 1
    ties.push(to - from)
  }
  return { ranks, ties }
}

/** In how many ways `size` of the ranks can be chosen, by their sum. */
const waysBySum = (ranks, size) => {
  const ways = Array.from({ length: size + 1 }, () => new Float64Array(sum(ranks) + 1))
  ways[0][0] = 1
  for (const rank of ranks) {
    for (let chosen = size; chosen > 0; chosen--) {
      for (let at = ways[chosen].length - 1; at >= rank; at--) ways[chosen][at] += ways[chosen - 1][at - rank]
    }
  }
  return ways[size]
}

/** Of all ways to deal the values out to both sides, the share that is at least as far from the middle. */
const exactP = (ranks, size, own) => {
  const ways = waysBySum(ranks, size)
  const middle = (size * sum(ranks)) / ranks.length
  const distance = Math.abs(own - middle) - 1e-9
  return sum(ways.filter((_, at) => Math.abs(at - middle) >= distance)) / sum(ways)
}

const density = (z) => Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI)

/** The part of a normal distribution above z ≥ 0: by its power series near the middle, by a continued fraction far out. */
export const upperTail = (z) => {
  if (z > 3) {
    let fraction = z
    for (let step = 60; step > 0; step--) fraction = z + step / fraction
    return density(z) / fraction
  }
  let [term, series] = [z, z]
  for (let odd = 3; term > 1e-17; odd += 2) {
    term *= (z * z) / odd
    series += term
  }
  return 0.5 - density(z) * series
}

/** With correction for ties and for continuity. */
const normalP = (u, pairs, count, ties) => {
  const tied = sum(ties.map((size) => size ** 3 - size)) / (count * (count - 1))
  const deviation = Math.sqrt((pairs / 12) * (count + 1 - tied))
  const distance = Math.max(0, Math.abs(u - pairs / 2) - 0.5)
  return deviation === 0 ? 1 : 2 * upperTail(distance / deviation)
}

/** Up to here every way to deal the values out is counted. */
const EXACT_UP_TO = 20
const isSmall = (a, b) => Math.max(a.length, b.length) <= EXACT_UP_TO

/**
 * Mann and Whitney's rank test of two independent samples, two-sided. `u` counts the pairs in which b is the larger one, equal
 * pairs half; `smaller` is the share of pairs in which b is the smaller one; `p` is how often chance alone would deal the values
 * out so unevenly.
 */
export const rankTest = (a, b) => {
  const { ranks, ties } = doubledRanks(a, b)
  const own = sum(ranks.slice(a.length))
  const pairs = a.length * b.length
  const u = own / 2 - (b.length * (b.length + 1)) / 2
  const p = isSmall(a, b) ? exactP(ranks, b.length, own) : normalP(u, pairs, ranks.length, ties)
  return { u, p: Math.min(1, p), smaller: 1 - u / pairs }
}

const Z_95 = 1.959963984540054
const TAIL = 0.025

/** Which of the sorted differences, counted from 1, bounds the 95 % interval on either side. */
const boundAt = (a, b) => {
  const pairs = a.length * b.length
  const count = a.length + b.length
  if (!isSmall(a, b)) return Math.max(1, Math.floor(pairs / 2 - Z_95 * Math.sqrt((pairs * (count + 1)) / 12)))
  const ways = waysBySum(
    Array.from({ length: count }, (_, index) => index + 1),
    b.length,
  )
  const all = sum(ways)
  const least = (b.length * (b.length + 1)) / 2
  for (let u = 0, below = 0; ; u++) {
    below += ways[least + u]
    if (below / all >= TAIL) return Math.max(1, u)
  }
}

/**
 * Hodges and Lehmann's estimate of how far b lies above a: the median of all differences, and the interval that holds the
 * true shift in 95 of 100 cases. It belongs to the rank test: the interval leaves out 0 where p is below 0.05.
 */
export const shiftBetween = (a, b) => {
  const differences = new Float64Array(a.length * b.length)
  a.forEach((from, row) => {
    b.forEach((to, column) => {
      differences[row * b.length + column] = to - from
    })
  })
  differences.sort()
  const bound = boundAt(a, b)
  return {
    estimate: median(differences),
    low: differences[bound - 1],
    high: differences[differences.length - bound],
  }
}

/** In how many ways some of the ranks can be chosen, however many, by their sum. */
const waysOfAny = (ranks) => {
  const ways = new Float64Array(sum(ranks) + 1)
  ways[0] = 1
  for (const rank of ranks) for (let at = ways.length - 1; at >= rank; at--) ways[at] += ways[at - rank]
  return ways
}

/**
 * Wilcoxon's signed-rank test of paired differences, two-sided and exact: `p` is how often they would lean so much to one side if
 * every sign were tossed. Differences of 0 say nothing.
 */
export const signedRankTest = (differences) => {
  const some = differences.filter((difference) => difference !== 0)
  const { ranks } = doubledRanks(some.map(Math.abs), [])
  const positive = sum(ranks.filter((_, index) => some[index] > 0))
  const [ways, middle] = [waysOfAny(ranks), sum(ranks) / 2]
  const extreme = ways.filter((_, at) => Math.abs(at - middle) >= Math.abs(positive - middle) - 1e-9)
  return { p: sum(extreme) / sum(ways) }
}

/** The averages of all pairs of differences, each with itself too, sorted. */
const walshAverages = (differences) =>
  Float64Array.from(
    differences.flatMap((one, index) => differences.slice(index).map((other) => (one + other) / 2)),
  ).sort()

/**
 * Hodges and Lehmann's estimate of the middle of paired differences: the median of the averages of all pairs. The interval holds
 * it in `certainty` of all cases: 95 %, or what so few differences can give.
 */
export const centreOf = (differences) => {
  const ways = waysOfAny(differences.map((_, index) => index + 1))
  const all = sum(ways)
  let [bound, below] = [0, 0]
  while (bound < ways.length - 1 && (below + ways[bound]) / all < TAIL) below += ways[bound++]
  if (bound === 0) [bound, below] = [1, ways[0]]
  const averages = walshAverages(differences)
  return {
    estimate: median(averages),
    low: averages[bound - 1],
    high: averages[averages.length - bound],
    certainty: 1 - (2 * below) / all,
  }
}
