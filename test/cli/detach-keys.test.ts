import { keyWatcher, parseDetachKeys } from '../../src/cli/detach-keys.ts'
import { expectLeft, expectRight } from '../support/either.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('cli/detach-keys')
for (const [text, keys] of [
  [undefined, [16, 17]],
  ['', [16, 17]],
  ['ctrl-a,a', [1, 97]],
  ['ctrl-@,ctrl-[,ctrl-_', [0, 27, 31]],
  ['CTRL-A', undefined],
  ['x', [120]],
] as const)
  test(`${JSON.stringify(text)} is ${keys === undefined ? 'refused' : keys.join(' ')}`, () => {
    const parsed = parseDetachKeys(text)
    if (keys === undefined) assert.is(expectLeft(parsed)._tag, 'InvalidOption')
    else assert.equal(expectRight(parsed), keys)
  })
for (const text of ['ctrl-', 'ab', 'ctrl-1', 'ctrl-p,', 'é'])
  test(`${text} is refused`, () => {
    const error = expectLeft(parseDetachKeys(text))
    assert.is(error._tag === 'InvalidOption' && error.value, text)
  })

/** What passes of these chunks, and whether the keys were seen. */
const typed = (keys: readonly number[], ...chunks: readonly string[]): readonly [string, boolean] => {
  const watch = keyWatcher(keys)
  let passed = ''
  for (const chunk of chunks) {
    const { pass, left } = watch(Buffer.from(chunk, 'latin1'))
    passed += Buffer.from(pass).toString('latin1')
    if (left) return [passed, true]
  }
  return [passed, false]
}
test('the keys are seen in one piece and in two', () => {
  assert.equal(typed([16, 17], 'ab\x10\x11cd'), ['ab', true])
  assert.equal(typed([16, 17], 'a\x10', '\x11'), ['a', true])
})
test('what only begins like them is passed on, late', () => {
  assert.equal(typed([16, 17], 'a\x10', 'b'), ['a\x10b', false])
  assert.equal(typed([16, 17], '\x10\x10\x11'), ['\x10', true])
})
test('one key is enough where one was asked for', () => {
  assert.equal(typed([120], 'abx'), ['ab', true])
})
test.run()
