// The ledgers of several starts as one, two of them side by side, and the strip of who was at work when.
import { activityStrip, differences, median, medianSteps } from '../../../src/cli/start-ledger.ts'
import type { StepTiming } from '../../../src/model/exit.ts'
import { assert, suite } from '../../support/suite.ts'

const test = suite('cli/start-ledger')

const same = (text: string): string => text
const style = { bold: same, dim: same, red: same, green: same, yellow: same, blue: same }

const step = (
  name: string,
  startUs: number,
  durationUs: number,
  more: Partial<StepTiming> = {},
): StepTiming => ({ step: name, side: 'engine', startUs, durationUs, ...more })

test('the median is one of the values', () => {
  assert.is(median([3]), 3)
  assert.is(median([5, 1, 3]), 3)
  assert.is(median([1, 2, 3, 4]), 3)
  assert.is(median([]), 0)
})

test('one start is shown as it was', () => {
  const steps = [step('b', 5, 1), step('a', 0, 1)]
  assert.equal(medianSteps([steps]), steps)
})

test('of several starts each step has its median, in the order of the begins', () => {
  const starts = [
    [step('a', 0, 10), step('b', 20, 1)],
    [step('a', 0, 30), step('b', 10, 3)],
    [step('a', 30, 20), step('b', 12, 2)],
  ]
  assert.equal(medianSteps(starts), [step('a', 0, 20), step('b', 12, 2)])
})

test('the same step twice in a start is two steps, and one on another thing is another', () => {
  const start = [
    step('open', 0, 1, { detail: '/x' }),
    step('open', 1, 2, { detail: '/y' }),
    step('close', 3, 4),
    step('close', 7, 8),
  ]
  assert.equal(medianSteps([start, start, start]), start)
})

test('a step that fewer than half of the starts had is left out', () => {
  const rare = [step('a', 0, 1), step('rare', 1, 1)]
  const usual = [step('a', 0, 1)]
  assert.equal(medianSteps([rare, usual, usual]), usual)
})

test('differences are sums of a step, the largest first', () => {
  const one = [step('a', 0, 10), step('a', 10, 10), step('b', 20, 5), step('c', 25, 1)]
  const other = [step('a', 0, 12), step('b', 12, 5.05), step('c', 20, 30), step('d', 50, 2)]
  assert.equal(differences(one, other), [
    { side: 'engine', step: 'c', count: [1, 1], us: [1, 30] },
    { side: 'engine', step: 'a', count: [2, 1], us: [20, 12] },
    { side: 'engine', step: 'd', count: [0, 1], us: [0, 2] },
  ])
})

test('the strip shows who was at work when, and the time', () => {
  const steps = [
    step('a', 0, 500),
    step('b', 0, 250, { side: 'beside' }),
    step('c', 500, 450, { side: 'child' }),
    step('d', 950, 10, { side: 'child' }),
  ]
  assert.equal(activityStrip(steps, 1000, { utf8: false, style, columns: 40 }), [
    'engine  ####################',
    'beside  ##########',
    'child                       ##################:',
    '        |0        |0.25 ms  |0.5 ms   |0.75 ms',
  ])
  const [engine = '', child = ''] = activityStrip(
    [step('a', 0, 10), step('b', 10, 1, { side: 'child' })],
    20,
    {
      utf8: true,
      style,
      columns: 20,
    },
  )
  assert.is(engine, `engine  ${'█'.repeat(10)}`)
  assert.ok(child.startsWith('child '))
})

test.run()
