// The small renderers: tables, bars, quantities, wrapped help, step charts.
import { twoColumns, wrap } from '../../../src/cli/help.ts'
import { humanDuration, humanMicros } from '../../../src/cli/human.ts'
import { alignColumns, bar, isUtf8, printable, styleFor, table } from '../../../src/cli/table.ts'
import { sharesLine, stepChart, summaryLine, timingText } from '../../../src/cli/timing.ts'
import { assert, suite } from '../../support/suite.ts'
import { ended } from '../fake-world.ts'

const test = suite('cli/text')

test('columns are aligned by code points and no line ends in blanks', () => {
  assert.equal(
    alignColumns([
      ['a', 'b', ''],
      ['für', 'x', 'y'],
      ['😀', ''],
    ]),
    ['a     b', 'für   x   y', '😀'],
  )
})

test('a table prints foreign text harmlessly', () => {
  assert.is(table(['A', 'B'], [['x\ny', '\u001b[31m']]), 'A          B\nx\\u000ay   \\u001b[31m\n')
})

test('printable spells out what could drive a terminal or turn text around, and nothing else', () => {
  assert.is(printable('a\u202eb\u009bc\u007f'), 'a\\u202eb\\u009bc\\u007f')
  assert.is(printable('grüße — 😀'), 'grüße — 😀')
})

test('a bar is its share of the columns, never more, and a sliver for anything', () => {
  assert.is(bar(1, 4, true), '████')
  assert.is(bar(2, 4, true), '████')
  assert.is(bar(0.5, 4, true), '██')
  assert.is(bar(0.28, 4, true), '█▏')
  assert.is(bar(0.0001, 4, true), '▏')
  assert.is(bar(0, 4, true), '')
  assert.is(bar(Number.NaN, 4, true), '')
  assert.is(bar(0.5, 4, false), '##')
  assert.is(bar(0.0001, 4, false), '#')
})

test('block characters need a locale that has them', () => {
  assert.is(isUtf8({ LANG: 'en_US.UTF-8' }), true)
  assert.is(isUtf8({ LANG: 'en_US.UTF-8', LC_ALL: 'C' }), false)
  assert.is(isUtf8({ LC_CTYPE: 'C.utf8' }), true)
  assert.is(isUtf8({}), false)
})

const output = (isTTY: boolean) => ({
  fd: 1,
  isTTY: () => isTTY,
  hungUp: () => false,
  columns: () => 80,
  rows: () => 24,
  write: () => {},
})

test('colours need a terminal that wants them', () => {
  assert.is(styleFor(output(true), {}).red('x'), '\u001b[31mx\u001b[0m')
  assert.is(styleFor(output(false), {}).red('x'), 'x')
  assert.is(styleFor(output(true), { NO_COLOR: '1' }).red('x'), 'x')
  assert.is(styleFor(output(true), { NO_COLOR: '' }).bold('x'), '\u001b[1mx\u001b[0m')
  assert.is(styleFor(output(true), { TERM: 'dumb' }).red('x'), 'x')
})

const DURATIONS: readonly (readonly [number, string])[] = [
  [0, 'Less than a second'],
  [1, '1 second'],
  [59, '59 seconds'],
  [60, 'About a minute'],
  [120, '2 minutes'],
  [3599, '59 minutes'],
  [3600, 'About an hour'],
  [5400, '2 hours'],
  [47 * 3600, '47 hours'],
  [48 * 3600, '2 days'],
  [14 * 86400, '2 weeks'],
  [60 * 86400, '2 months'],
  [730 * 86400, '2 years'],
]
for (const [seconds, text] of DURATIONS)
  test(`${seconds} s is said as: ${text}`, () => assert.is(humanDuration(seconds * 1000), text))

test('microseconds have the unit that fits', () => {
  assert.equal([0.4, 999, 1234, 2_500_000].map(humanMicros), ['0 µs', '999 µs', '1.23 ms', '2.50 s'])
})

test('text wraps at blanks and leaves longer words whole', () => {
  assert.equal(wrap('aa bb cccccccc d', 5), ['aa bb', 'cccccccc', 'd'])
})

test('a name too long for its column stands on a line of its own', () => {
  assert.is(
    twoColumns(
      [
        ['ab', 'x'],
        ['abcdef', 'y'],
      ],
      80,
      3,
    ),
    '  ab   x\n  abcdef\n       y',
  )
})

const plain = { utf8: false, style: styleFor(output(false), {}), columns: undefined }

test('a step chart has a line per step and bars against the longest', () => {
  assert.equal(stepChart(ended().timings.steps, plain), [
    '#   side     step                   time',
    '1   engine   cgroup_create      100.0 µs  ######                    /sys/fs/cgroup/x',
    '2   engine   clone              400.0 µs  ########################',
    '3   child    mount_proc          50.0 µs  ###                       /proc',
  ])
})

test('deciding is no measure for the bars of the steps', () => {
  const step = (name: string, durationUs: number) =>
    ({ step: name, side: 'engine', startUs: 0, durationUs }) as const
  const [, decide = '', clone = ''] = stepChart([step('decide', 9000), step('clone', 90)], plain)
  assert.ok(decide.endsWith('#'.repeat(24)))
  assert.ok(clone.endsWith('#'.repeat(24)))
})

test('on a narrow terminal a long path keeps its end', () => {
  const steps = [
    { step: 'mount', detail: '/very/long/path/to/somewhere', side: 'child', startUs: 0, durationUs: 1 },
  ] as const
  const [, line = ''] = stepChart(steps, { ...plain, columns: 60 })
  assert.ok(line.endsWith('…o/somewhere'), line)
  assert.not(line.includes('/very'))
})

test('a chart of nothing is its header', () => {
  assert.is(stepChart([], plain).length, 1)
})

test('a chart without time has no bars', () => {
  const [, line = ''] = stepChart([{ step: 's', side: 'child', startUs: 0, durationUs: 0 }], plain)
  assert.ok(line.endsWith('0.0 µs'), line)
})

test('the summary names start, program, cpu and peak memory', () => {
  const { timings, usage } = ended()
  assert.is(summaryLine(timings, usage), 'start 1.50 ms, program 1.75 ms, cpu 4.00 ms, peak memory 3MiB')
  assert.is(sharesLine(timings), 'engine 500 µs, child 50 µs, between the steps 950 µs')
  const { peakMemoryBytes, ...rest } = usage
  assert.not(summaryLine(timings, rest).includes('peak'))
  assert.is(
    timingText({ ...timings, steps: [] }, rest),
    'slipway: start 1.50 ms, program 1.75 ms, cpu 4.00 ms\n',
  )
})

test.run()
