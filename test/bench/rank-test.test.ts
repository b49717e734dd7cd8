// @ts-expect-error: plain JavaScript, run as it is by the benchmarks
import * as statistics from '../../bench/statistics.mjs'
import { assert, suite } from '../support/suite.ts'
import { drawn, seeded } from './seeded.ts'

const test = suite('bench/rank-test')
const { centreOf, median, rankTest, shiftBetween, signedRankTest, upperTail } = statistics

type Numbers = readonly number[]
const near = (value: number, wanted: number, within = 1e-12): void =>
  assert.ok(Math.abs(value - wanted) <= within, `${value} is not ${wanted}`)

/** All ways to choose `size` of the values, by their places. */
const choices = (count: number, size: number, from = 0): number[][] =>
  size === 0
    ? [[]]
    : Array.from({ length: Math.max(0, count - from) }, (_, at) => from + at).flatMap((first) =>
        choices(count, size - 1, first + 1).map((rest) => [first, ...rest]),
      )

/** How many pairs have the larger value in b, equal ones half: counted one by one. */
const plainU = (a: Numbers, b: Numbers): number =>
  a.flatMap((x) => b.map((y) => (y > x ? 1 : y === x ? 0.5 : 0))).reduce((all: number, one) => all + one, 0)

/** Every way to deal the values out, tried one by one. */
const plainP = (a: Numbers, b: Numbers): number => {
  const all = [...a, ...b]
  const middle = (a.length * b.length) / 2
  const far = Math.abs(plainU(a, b) - middle)
  const ways = choices(all.length, b.length).map((chosen) => {
    const others = all.filter((_, at) => !chosen.includes(at))
    return Math.abs(
      plainU(
        others,
        chosen.map((at) => all[at] as number),
      ) - middle,
    )
  })
  return ways.filter((distance) => distance >= far - 1e-9).length / ways.length
}

test('the median of an even number of values lies between the two in the middle', () => {
  assert.is(median([5, 1, 3]), 3)
  assert.is(median([4, 1, 3, 10]), 3.5)
})

test('the part of a normal distribution above z is that of the tables', () => {
  near(upperTail(0), 0.5)
  near(upperTail(1), 0.15865525393145705)
  near(upperTail(1.959963984540054), 0.025)
  near(upperTail(5), 2.866515718791939e-7, 1e-18)
  near(upperTail(10), 7.61985302416047e-24, 1e-35)
  near(upperTail(3), upperTail(3 + 1e-13), 1e-14)
})

test('two samples that do not overlap are as unlikely as one deal of all', () => {
  assert.equal(rankTest([1, 2, 3], [4, 5, 6]), { u: 9, p: 0.1, smaller: 0 })
  near(rankTest([6, 7, 8, 9, 10], [1, 2, 3, 4, 5]).p, 2 / 252)
})

test('small samples, with and without equal values, are tested as if every deal were tried', () => {
  const next = seeded(7)
  for (let round = 0; round < 40; round++) {
    const [a, b] = [2 + (round % 4), 2 + (round % 5)].map((count) =>
      drawn(count, next).map((value) => Math.floor(value * (round % 2 ? 6 : 1e6))),
    ) as [number[], number[]]
    const { u, p } = rankTest(a, b)
    assert.is(u, plainU(a, b))
    near(p, plainP(a, b))
  }
})

test('the approximation for large samples continues the exact test', () => {
  const next = seeded(11)
  for (let round = 0; round < 20; round++) {
    const [a, b] = [drawn(20, next), drawn(20, next).map((value) => value + round / 50)]
    const exact = rankTest(a, b).p
    // One value more on one side: the approximation is used, and little else changes.
    near(rankTest([...a, median(a)], b).p, exact, 0.06)
  }
})

test('equal values are corrected for', () => {
  // 30 and 30 values of 0 and 1, 10 and 20 of them 1: U = 600, variance 900 / 12 × (61 − 2 × (30³ − 30) / 60 / 59).
  const ones = (count: number): number[] => Array.from({ length: 30 }, (_, at) => (at < count ? 1 : 0))
  const deviation = Math.sqrt(75 * (61 - (2 * (30 ** 3 - 30)) / 60 / 59))
  const { u, p } = rankTest(ones(10), ones(20))
  assert.is(u, 600)
  near(p, 2 * upperTail(149.5 / deviation))
  assert.is(rankTest(ones(0), ones(0)).p, 1)
})

test('the two sides can change places', () => {
  const next = seeded(3)
  for (const count of [6, 50]) {
    const [a, b] = [drawn(count, next), drawn(count + 3, next)]
    const [there, back] = [rankTest(a, b), rankTest(b, a)]
    near(there.p, back.p)
    near(there.smaller, 1 - back.smaller)
    const [shift, other] = [shiftBetween(a, b), shiftBetween(b, a)]
    assert.equal([shift.estimate, shift.low, shift.high], [-other.estimate, -other.high, -other.low])
  }
})

test('a shift of one side is a shift of the estimate and of its interval', () => {
  const next = seeded(5)
  for (const count of [8, 40]) {
    const whole = (): number[] => drawn(count, next).map((value) => Math.round(value * 1e6))
    const [a, b] = [whole(), whole()]
    const before = shiftBetween(a, b)
    const after = shiftBetween(
      a,
      b.map((value) => value + 12_345),
    )
    for (const name of ['estimate', 'low', 'high']) assert.is(after[name], before[name] + 12_345)
  }
})

test('the interval leaves out 0 where the test says so', () => {
  const next = seeded(13)
  for (let round = 0; round < 200; round++) {
    const count = round % 2 ? 12 : 30
    const [a, b] = [drawn(count, next), drawn(count, next).map((value) => value + (round % 7) / 15)]
    const { p } = rankTest(a, b)
    const { low, high } = shiftBetween(a, b)
    // Around 0.05 itself the two are rounded differently.
    if (Math.abs(p - 0.05) > 0.01) assert.is(low > 0 || high < 0, p < 0.05, `p ${p}, ${low} to ${high}`)
  }
})

test('the differences of a shift by a known amount are told', () => {
  // Differences of [1, 2, 3] and [11, 13]: 8, 9, 10, 10, 11, 12.
  assert.is(shiftBetween([1, 2, 3], [11, 13]).estimate, 10)
  assert.equal(shiftBetween([1, 2, 3, 4], [1, 2, 3, 4]), { estimate: 0, low: -3, high: 3 })
})

/** In how many of 1,000 comparisons of two samples of one kind a difference is seen that is not there. */
const falseAlarms = (count: number, level: number, value: (next: () => number) => number): number => {
  const next = seeded(17)
  const one = (): number => value(next)
  return Array.from({ length: 1000 }, () => rankTest(drawn(count, one), drawn(count, one)).p).filter(
    (p) => p < level,
  ).length
}

test('two samples of one kind differ as rarely as promised', () => {
  for (const count of [10, 40]) {
    const skewed = falseAlarms(count, 0.05, (next) => -Math.log(1 - next()))
    const tied = falseAlarms(count, 0.05, (next) => Math.floor(next() * 5))
    // 50 are expected of 1,000, give or take 7; fewer where few deals are possible.
    for (const alarms of [skewed, tied]) assert.ok(alarms >= 25 && alarms <= 72, `${alarms} of 1000`)
    assert.ok(falseAlarms(count, 0.01, (next) => next()) <= 20)
  }
})

test('the intervals of one kind of sample miss the truth as rarely as promised', () => {
  const next = seeded(19)
  const misses = Array.from({ length: 1000 }, () => shiftBetween(drawn(25, next), drawn(25, next))).filter(
    ({ low, high }) => low > 0 || high < 0,
  ).length
  assert.ok(misses >= 25 && misses <= 72, `${misses} of 1000`)
})

/** Every toss of the signs, tried one by one. */
const plainSignedP = (differences: Numbers): number => {
  const sizes = differences.map(Math.abs)
  const rank = (size: number): number =>
    sizes.filter((other) => other < size).length + (sizes.filter((other) => other === size).length + 1) / 2
  const middle = (sizes.length * (sizes.length + 1)) / 4
  const distance = (isPositive: (index: number) => boolean): number =>
    Math.abs(sizes.reduce((all, size, index) => all + (isPositive(index) ? rank(size) : 0), 0) - middle)
  const far = distance((index) => (differences[index] as number) > 0)
  const tosses = Array.from({ length: 2 ** sizes.length }, (_, toss) =>
    distance((index) => ((toss >> index) & 1) === 1),
  )
  return tosses.filter((other) => other >= far - 1e-9).length / tosses.length
}

test('paired differences are tested as if every toss of their signs were tried', () => {
  near(signedRankTest([1, 2, 3, 4, 5]).p, 2 / 32)
  near(signedRankTest([-1, 0, -2, -3]).p, 2 / 8)
  assert.is(signedRankTest([0, 0]).p, 1)
  const next = seeded(23)
  for (let round = 0; round < 30; round++) {
    const differences = drawn(3 + (round % 7), next).map((value) => Math.ceil(value * 9) - 3.5)
    near(signedRankTest(differences).p, plainSignedP(differences))
  }
})

test('the centre of paired differences lies in an interval that says how sure it is', () => {
  // Averages of pairs: 1, 2, 2.5, 3, 3.5, 4, the pairs of each with itself among them.
  assert.equal(centreOf([1, 3, 4]), { estimate: 2.75, low: 1, high: 4, certainty: 0.75 })
  const ten = centreOf([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
  assert.is(ten.estimate, 5.5)
  near(ten.certainty, 0.951171875)
  const next = seeded(29)
  const missed = Array.from({ length: 1000 }, () =>
    centreOf(drawn(10, next).map((value) => value - 0.5)),
  ).filter(({ low, high }) => low > 0 || high < 0).length
  assert.ok(missed >= 25 && missed <= 72, `${missed} of 1000`)
})

test.run()
