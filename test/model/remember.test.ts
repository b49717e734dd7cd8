// A cache keeps the last few, and each of them once.
import { remember } from '../../src/model/remember.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('model/remember')

const MOST = 64
const full = (): Map<string, number> => {
  const known = new Map<string, number>()
  for (let index = 0; index < MOST; index++) remember(known, `k${index}`, index)
  return known
}

test('one more drives the oldest out', () => {
  const known = full()
  remember(known, 'new', 1)
  assert.is(known.size, MOST)
  assert.not.ok(known.has('k0'))
  assert.ok(known.has('k1'))
})

test('what is remembered anew drives nothing out, and is the youngest', () => {
  const known = full()
  remember(known, 'k0', 7)
  assert.is(known.size, MOST)
  assert.is(known.get('k0'), 7)
  remember(known, 'new', 1)
  assert.ok(known.has('k0'))
  assert.not.ok(known.has('k1'))
})

test.run()
