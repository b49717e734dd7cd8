// @ts-expect-error: plain JavaScript, run as it is by the benchmarks
import { barsOf } from '../../bench/bars.mjs'
// @ts-expect-error: the same
import { differences, normalised, parseTrace, startIn } from '../../bench/floor/trace.mjs'
// @ts-expect-error: the same
import { between } from '../../bench/history.mjs'
// @ts-expect-error: the same
import { readmeTable } from '../../bench/render.mjs'
// @ts-expect-error: the same
import { ms, percentile, summary } from '../../bench/statistics.mjs'
import { assert, suite } from '../support/suite.ts'

const test = suite('bench/statistics')
const numbers = Array.from({ length: 100 }, (_, index) => index + 1)

test('a percentile is a sample, by nearest rank', () => {
  assert.is(percentile(numbers, 0.5), 50)
  assert.is(percentile(numbers, 0.99), 99)
  assert.is(percentile([7], 0.99), 7)
})

test('a summary does not depend on the order of its samples', () => {
  assert.equal(summary([...numbers].reverse()), { count: 100, min: 1, p50: 50, p95: 95, p99: 99 })
})

test('milliseconds have three digits', () => {
  assert.equal([104_000, 1_474_000, 43_210_000, 164_400_000].map(ms), ['0.104', '1.47', '43.2', '164'])
})

test('a bar without its samples is left out, and the others are ratios of medians', () => {
  const of = (value: number): { outside: number[]; inside: number[] } => ({
    outside: [value],
    inside: [value],
  })
  const bars = barsOf('launch-cold', { 'all|slipway': of(2), 'all|floor': of(1), 'all|crun run': of(10) })
  assert.equal(
    bars.map(({ value, sense }: { value: number; sense: string }) => [value, sense]),
    [
      [2, 'at most'],
      [0.2, 'at most'],
    ],
  )
  assert.equal(barsOf('no such trial', {}), [])
})

const TRACE = `10 futex(0x1, FUTEX_WAIT) = 0
10 mkdirat(5, "0123456789abcdef", 0755) = 0
10 clone3({flags=CLONE_VM|CLONE_VFORK} <unfinished ...>
11 dup3(3, 0, 0) = 0
11 execve("/true", ["/true"], 0x7f00) = 0
10 <... clone3 resumed>, 88) = 11
10 close(7) = 0
10 futex(0x1, FUTEX_WAIT) = 0
11 exit_group(0) = ?
`

test('the table of the README has the whole starts of a run, fastest first', () => {
  const of = (ms: number): { outside: number[]; inside: number[] } => ({ outside: [ms * 1e6], inside: [] })
  const samples = { 'all|crun run': of(12), 'all|slipway': of(3), 'none|plain': of(1) }
  const environment = { date: '2026-11-24T04:17:00', commit: 'c', versions: { crun: 'crun version 1.8' } }
  const text: string = readmeTable({ trials: { 'launch-cold': samples }, environment })
  assert.match(text, '2026-11-24T04:17Z, commit c')
  assert.equal(text.split('\n').slice(-2), [
    '| slipway | 3.00 | 3.00 | 1 |',
    '| crun run | 12.0 | 12.0 | 1 |',
  ])
  assert.is(readmeTable({ trials: {}, environment }), undefined)
})

test('a section of a page is replaced between its markers, and nothing else', () => {
  const page = 'a\n<!-- bench:x -->\nold\n<!-- /bench:x -->\nb\n'
  assert.is(between(page, 'x', 'new'), 'a\n<!-- bench:x -->\nnew\n<!-- /bench:x -->\nb\n')
  assert.throws(() => between(page, 'y', 'new'), /no section/)
})

test('a start in a trace is told from what comes before and after it, and from its child', () => {
  const { engine, child } = startIn(parseTrace(TRACE), ({ text }: { text: string }) =>
    text.startsWith('futex'),
  )
  const names = (calls: readonly { text: string }[]): unknown => calls.map(({ text }) => text.split('(')[0])
  assert.equal(names(engine), ['mkdirat', 'clone3', 'close'])
  assert.equal(names(child), ['dup3', 'execve'])
})

test('ids, numbers and results do not make two calls different', () => {
  const one = normalised({ text: 'mkdirat(5, "0123456789abcdef/upper", 0755) = 0' })
  const other = normalised({ text: 'mkdirat(23, "fedcba9876543210/upper", 0755) = -1 EEXIST (File exists)' })
  assert.is(one, other)
  assert.is.not(one, normalised({ text: 'mkdirat(5, "0123456789abcdef/work", 0755) = 0' }))
})

test('calls that are made more often on one side are told, and only those', () => {
  assert.equal(differences(['a', 'a', 'b'], ['a', 'b', 'c']), [
    { call: 'a', left: 2, right: 1 },
    { call: 'c', left: 0, right: 1 },
  ])
})

test('a trace without a launch is an error', () => {
  assert.throws(() => startIn(parseTrace('10 close(7) = 0\n'), () => true), /no launch/)
})

test.run()
