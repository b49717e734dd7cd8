import * as E from '#fp/Either'
import { health, healthCheck } from '../../src/model/health.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('model/health')
const decoded = (given: unknown) => {
  const result = health(given)
  if (E.isLeft(result)) throw new Error(result.left.why)
  return result.right
}
const usual = {
  intervalMs: 30_000,
  timeoutMs: 30_000,
  startPeriodMs: 0,
  startIntervalMs: 5000,
  retries: 3,
  onUnhealthy: 'none',
}

test('a line is for the shell, a list is a program', () => {
  assert.equal(healthCheck(decoded({ command: 'curl -f localhost' }), undefined), {
    ...usual,
    argv: ['/bin/sh', '-c', 'curl -f localhost'],
  })
  assert.equal(healthCheck(decoded({ command: ['probe', '-x'] }), undefined)?.argv, ['probe', '-x'])
})
test('an image says it in nanoseconds, and a caller has the last word', () => {
  const image = { Test: ['CMD', 'probe'], Interval: 5e9, Timeout: 0, Retries: 7, StartPeriod: 1e9 }
  assert.equal(healthCheck(undefined, image), {
    ...usual,
    argv: ['probe'],
    intervalMs: 5000,
    startPeriodMs: 1000,
    retries: 7,
  })
  const asked = decoded({ interval: '1s', retries: 2, onUnhealthy: 'kill' })
  assert.equal(healthCheck(asked, image), {
    ...usual,
    argv: ['probe'],
    intervalMs: 1000,
    startPeriodMs: 1000,
    retries: 2,
    onUnhealthy: 'kill',
  })
})
for (const [what, Test, argv] of [
  ['CMD-SHELL', ['CMD-SHELL', 'a || b'], ['/bin/sh', '-c', 'a || b']],
  ['NONE', ['NONE'], undefined],
  ['an empty list', [], undefined],
  ['CMD alone', ['CMD'], undefined],
] as const)
  test(`an image with ${what}`, () => {
    assert.equal(healthCheck(undefined, { Test })?.argv, argv)
  })
test('nobody looks where that was asked for', () => {
  assert.is(healthCheck(decoded(false), { Test: ['CMD', 'probe'] }), undefined)
  assert.is(healthCheck(decoded({ interval: '1s' }), undefined), undefined)
})
for (const wrong of [
  { command: '' },
  { command: [] },
  { interval: 0 },
  { retries: 0 },
  { onUnhealthy: 'cry' },
  { cmd: 'x' },
  true,
])
  test(`${JSON.stringify(wrong)} is refused`, () => {
    assert.ok(E.isLeft(health(wrong)))
  })
test.run()
