// @ts-expect-error: plain JavaScript, run as it is by the benchmarks
import { roundMedians, verdictOf } from '../../bench/verdict.mjs'
import { assert, suite } from '../support/suite.ts'
import { drawn, seeded } from './seeded.ts'

const test = suite('bench/verdict')

interface Session {
  readonly a: number[]
  readonly b: number[]
}

/**
 * Starts whose time follows the machine's mood, which changes from session to session and from round to round, for both sides alike;
 * and each process is a little faster or slower than others of its program for as long as it lives.
 */
const moody = (seed: number, slower: number): Session[] => {
  const next = seeded(seed)
  return Array.from({ length: 10 }, () => {
    const day = 2e6 * (1 + next())
    const rounds = Array.from({ length: 24 }, () => day * (1 + 0.2 * next()))
    const starts = (factor: number): number[] => {
      const process = 1 + 0.08 * (next() - 0.5)
      return rounds.flatMap((mood) =>
        drawn(5, next).map((value) => Math.round(mood * process * factor * (1 + 0.1 * value))),
      )
    }
    return { a: starts(1), b: starts(slower) }
  })
}

test('a round counts once, by its median', () => {
  assert.equal(roundMedians([1, 9, 2, 7, 7, 8], 3), [2, 7])
})

test('a commit compared with itself is not different, whatever the mood and the processes', () => {
  const results = Array.from({ length: 200 }, (_, seed) => verdictOf(moody(seed, 1), 5))
  const saying = (words: string): number => results.filter(({ verdict }) => verdict.startsWith(words)).length
  assert.ok(saying('B is') <= 4, `${saying('B is')} of 200 look different`)
  assert.ok(saying('no difference seen') >= 180)
})

test('rounds alone would take what two processes differ by for a difference of the commits', () => {
  const steady = Array.from({ length: 10 }, (): Session => {
    const next = seeded(31)
    const side = (process: number): number[] =>
      drawn(120, next).map((value) => 2e6 * process * (1 + 0.02 * value))
    return { a: side(1), b: side(1) }
  })
  const uneven = steady.map(({ a, b }, index) => ({
    a,
    b: b.map((value) => value * (index < 6 ? 1.04 : 0.96)),
  }))
  const { rounds, verdict } = verdictOf(uneven, 5)
  assert.ok(rounds.p < 0.001)
  assert.match(verdict, /^no difference seen/)
})

test('a slower and a faster commit are told, with by how much', () => {
  const slower = verdictOf(moody(1, 1.2), 5)
  assert.match(slower.verdict, /^B is (1[6-9]|2[0-4])\.\d % slower \(p = 0\.00\d\)$/)
  const { estimate, low, high } = slower.sessions.shift
  assert.ok(low > 0 && low < estimate && estimate < high)
  const faster = verdictOf(moody(1, 0.8), 5)
  assert.match(faster.verdict, /^B is (1[6-9]|2[0-4])\.\d % faster \(p = 0\.00\d\)$/)
  assert.ok(faster.ratio < 1 && faster.rounds.smaller > 0.5)
})

test('what is only likely is not called a difference', () => {
  const sessions = moody(2, 1.3).slice(0, 6)
  const { p, verdict } = verdictOf(sessions, 5)
  assert.is(p, 2 / 64)
  assert.match(verdict, /^not sure: B is [\d.]+ % slower or the same \(p = 0\.031\); more rounds would tell$/)
})

test('a comparison of two sessions says that it is too short', () => {
  const { verdict } = verdictOf(moody(3, 1).slice(0, 2), 5)
  assert.match(verdict, /^no difference seen, in too few rounds to see one \(p = [\d.]+\)$/)
})

test.run()
