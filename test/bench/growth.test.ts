// Counts that go up and down are told from counts that grow.
// @ts-expect-error: plain JavaScript, run as it is by the benchmarks
import { growth, tau } from '../../bench/soak/growth.mjs'
import { assert, suite } from '../support/suite.ts'

const test = suite('bench/growth')

const rows = (count: (index: number) => number) =>
  Array.from({ length: 30 }, (_, index) => ({ flat: 100, count: count(index) }))
const names = (found: readonly { readonly name: string }[]): string[] => found.map(({ name }) => name)

test('a trend is 1 for what only grows, -1 for what only shrinks, near 0 for what does neither', () => {
  assert.is(tau([1, 2, 3, 4]), 1)
  assert.is(tau([4, 3, 2, 1]), -1)
  assert.is(tau([1, 2, 1, 2, 1, 2, 1, 2]) < 0.3, true)
})

test('what grows by a container each row is found, what swings or shrinks is not', () => {
  assert.equal(names(growth(rows((index) => 100 + 5 * index))), ['count'])
  assert.equal(growth(rows((index) => 100 + 60 * Math.sin(index))), [])
  assert.equal(growth(rows((index) => 400 - 5 * index)), [])
})

test('a level that is reached and kept is no growth, nor is a little', () => {
  assert.equal(growth(rows((index) => (index < 3 ? 100 : 500))), [])
  assert.equal(growth(rows((index) => 1000 + index)), [])
  assert.equal(growth(rows((index) => index / 3)), [])
})

test('a few rows tell nothing', () => {
  assert.equal(growth([{ count: 1 }, { count: 100 }, { count: 1000 }]), [])
})

test.run()
