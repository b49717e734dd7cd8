import { chosenDetachKeys, keyWatcher, parseDetachKeys } from '../../src/cli/detach-keys.ts'
import { message } from '../../src/model/errors.ts'
import { expectLeft, expectRight } from '../support/either.ts'
import { assert, suite } from '../support/suite.ts'
import { type Answers, fakeEngine } from './fake-world.ts'

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

const FILE = '/home/me/.docker/config.json'
const chosen = (flag: string | undefined, isTyped: boolean, settings?: Answers['settings']) =>
  chosenDetachKeys(
    { engine: async () => fakeEngine(settings === undefined ? {} : { settings }).engine },
    flag,
    isTyped,
  )
const OWN = { file: FILE, detachKeys: 'ctrl-a,d' }
const BAD = { file: FILE, detachKeys: 'ctrl-%' }
for (const [what, flag, isTyped, settings, keys] of [
  ['the file’s hold where there is no flag', undefined, true, OWN, [1, 100]],
  ['an empty flag is none', '', true, OWN, [1, 100]],
  ['the flag wins', 'x', true, OWN, [120]],
  ['the flag wins over a file that is damaged', 'x', true, BAD, [120]],
  ['a file without any leaves the usual ones', undefined, true, { file: FILE }, [16, 17]],
  ['an empty value is none', undefined, true, { file: FILE, detachKeys: '' }, [16, 17]],
  ['a file is not looked at where nobody types', undefined, false, BAD, [16, 17]],
] as const)
  test(`detachKeys: ${what}`, async () => {
    assert.equal(expectRight(await chosen(flag, isTyped, settings)), keys)
  })
test('detachKeys: a bad value is told with its file, a file that cannot be read as it is', async () => {
  assert.is(
    message(expectLeft(await chosen(undefined, true, BAD))),
    `${FILE}: $.detachKeys: "ctrl-%": expected single characters and ctrl-LETTER, with commas between them`,
  )
  const unread = { _tag: 'SyscallFailed', step: 'open', errno: 13, path: FILE } as const
  assert.equal(expectLeft(await chosen(undefined, true, unread)), unread)
  assert.is(expectLeft(await chosen('ctrl-', true, OWN))._tag, 'InvalidOption')
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
