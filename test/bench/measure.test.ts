// How subjects are measured: rounds, order, what is counted, and what becomes of one that fails.
import { type MeasureOptions, measure, seededRandom, shuffled } from '../../src/bench/measure.ts'
import { difference, median, medianBounds, summary } from '../../src/bench/statistics.ts'
import type { Subject } from '../../src/bench/subject.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('bench/measure')

const options = (over: Partial<MeasureOptions> = {}): MeasureOptions => ({
  maxRounds: 3,
  budgetMs: 1e9,
  lead: 1,
  signal: new AbortController().signal,
  nowMs: () => 0,
  random: seededRandom(1n),
  describe: (error) => (error as Error).message,
  onProgress: () => {},
  ...over,
})

/** Its n-th start takes n nanoseconds. */
const counter = (id: string, log: string[], block = 2, failsAt = Number.POSITIVE_INFINITY): Subject => {
  let starts = 0
  return {
    id,
    title: id,
    block,
    once: async () => {
      log.push(id)
      if (++starts >= failsAt) throw new Error(`start ${starts} failed`)
      return { ns: starts }
    },
  }
}

test('every round has each subject once, and its first start there is not counted', async () => {
  const log: string[] = []
  const [a, b] = await measure([counter('a', log), counter('b', log, 1)], options())
  assert.equal(a?.ns, [
    [2, 3],
    [5, 6],
    [8, 9],
  ])
  assert.equal(b?.ns, [[2], [4], [6]])
  for (let round = 0; round < 3; round++)
    assert.match(log.slice(5 * round, 5 * round + 5).join(''), /^(aaabb|bbaaa)$/)
})

test('a subject that fails is measured no further, and the others are', async () => {
  const log: string[] = []
  const [a, b] = await measure([counter('a', log, 2, 5), counter('b', log)], options())
  assert.is(a?.failure, 'start 5 failed')
  assert.is(log.filter((id) => id === 'a').length, 5)
  assert.is(b?.failure, undefined)
  assert.is(b?.ns.flat().length, 6)
})

test('time that is over ends it after the round, never before the first', async () => {
  let now = 0
  const clock = { nowMs: () => now++ * 100, budgetMs: 1 }
  assert.equal((await measure([counter('a', [])], options(clock)))[0]?.ns, [[2, 3]])
  now = 0
  const [longer] = await measure([counter('a', [])], options({ ...clock, budgetMs: 600, maxRounds: 50 }))
  assert.ok((longer?.ns.length ?? 0) > 1 && (longer?.ns.length ?? 0) < 50)
})

test('an abort ends it after the start that runs', async () => {
  const controller = new AbortController()
  const log: string[] = []
  const once = async () => {
    log.push('x')
    if (log.length === 5) controller.abort()
    return { ns: 1 }
  }
  const subjects = [{ id: 'x', title: 'x', block: 2, once }]
  const [measured] = await measure(subjects, options({ signal: controller.signal }))
  assert.is(log.length, 5)
  assert.equal(measured?.ns, [[1, 1], [1]])
})

test('progress tells the time left from the second round on', async () => {
  let now = 0
  const left: (number | undefined)[] = []
  await measure(
    [counter('a', [])],
    options({ nowMs: () => (now += 10), maxRounds: 4, onProgress: ({ leftMs }) => left.push(leftMs) }),
  )
  assert.is(left[0], undefined)
  assert.ok(left.slice(1).every((ms) => ms !== undefined && ms >= 0))
})

test('the order is another one in each round, the same for the same seed, and leaves nobody out', () => {
  const items = Array.from({ length: 30 }, (_, index) => index)
  const orders = (seed: bigint) => {
    const random = seededRandom(seed)
    return [shuffled(items, random), shuffled(items, random)]
  }
  const [first = [], second = []] = orders(7n)
  assert.equal(orders(7n), [first, second])
  assert.not.equal(first, second)
  assert.not.equal(first, items)
  assert.equal(
    [...first].sort((a, b) => a - b),
    items,
  )
})

test('a summary is of samples, by nearest rank', () => {
  const numbers = Array.from({ length: 100 }, (_, index) => 100 - index)
  assert.equal(summary(numbers), {
    n: 100,
    min: 1,
    p5: 5,
    p25: 25,
    p50: 50,
    p75: 75,
    p95: 95,
    p99: 99,
    max: 100,
  })
  assert.is(summary([]), undefined)
  assert.is(median([4, 1, 3]), 3)
})

test('a difference is that of each round: what slows down a whole round falls out', () => {
  const slow = [0, 1000, 0, 50_000, 0, 0, 9, 0]
  const reference = slow.map((extra) => [100 + extra, 101 + extra, 900 + extra])
  const subject = slow.map((extra) => [131 + extra, 130 + extra, 131 + extra])
  assert.equal(difference(subject, reference), { n: 8, p25: 30, p50: 30, p75: 30, low: 30, high: 30 })
})

test('rounds without one of both are left out, and without any there is no difference', () => {
  assert.is(difference([[1], [], [5]], [[1], [2], []])?.n, 1)
  assert.is(difference([[]], [[1]]), undefined)
  assert.is(difference([], []), undefined)
})

/** Of the sign test at 5 %, as tables give it. */
test('the bounds of a median are those of the sign test', () => {
  const upTo = (n: number): readonly number[] => Array.from({ length: n }, (_, index) => index + 1)
  for (const [n, low, high] of [
    [6, 1, 6],
    [10, 2, 9],
    [20, 6, 15],
    [50, 18, 33],
  ] as const)
    assert.equal(medianBounds(upTo(n)), { low, high })
  assert.equal(medianBounds(upTo(5)), { low: Number.NEGATIVE_INFINITY, high: Number.POSITIVE_INFINITY })
})

test.run()
