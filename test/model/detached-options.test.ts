import * as E from '#fp/Either'
import { decodeDetachedOptions, decodeStopOptions } from '../../src/model/detached-options.ts'
import { plainFacts } from '../cli/fake-world.ts'
import { expectLeft, expectRight } from '../support/either.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('model/detached-options')
const decode = (options: unknown) => decodeDetachedOptions(options, plainFacts)

test('what nobody asked for is as Docker has it', () => {
  assert.equal(expectRight(decode({})), {
    options: {},
    policies: {
      restart: { name: 'no', most: 0 },
      log: { form: 'compact', maxBytes: 10_000_000, maxFiles: 3, blocking: false },
      stdin: false,
      stopMs: 10_000,
      autoRemove: false,
    },
  })
})
test('options of every container go through', () => {
  assert.equal(expectRight(decode({ memory: '64MiB', name: 'web' })).options, {
    memory: 64 * 2 ** 20,
    name: 'web',
  })
})
for (const [word, policy] of [
  ['no', { name: 'no', most: 0 }],
  ['always', { name: 'always', most: 0 }],
  ['unless-stopped', { name: 'unless-stopped', most: 0 }],
  ['on-failure', { name: 'on-failure', most: 0 }],
  ['on-failure:5', { name: 'on-failure', most: 5 }],
] as const)
  test(`the policy ${word} is read`, () => {
    assert.equal(expectRight(decode({ restart: word })).policies.restart, policy)
  })
for (const [word, why] of [
  ['sometimes', /expected one of no, on-failure, always, unless-stopped/],
  ['on-failure:-1', /"-1" is no number of tries/],
  ['on-failure:', /"" is no number of tries/],
  ['on-failure:1:2', /"1" is no number of tries/],
  ['always:3', /only on-failure has a number of tries/],
  ['', /expected one of/],
] as const)
  test(`the policy ${JSON.stringify(word)} is refused`, () => {
    const error = expectLeft(decode({ restart: word }))
    assert.is(error._tag === 'InvalidOption' && error.option, 'restart')
    assert.match(error._tag === 'InvalidOption' ? error.why : '', why)
  })
for (const [log, where] of [
  [{ form: 'syslog' }, 'log.form'],
  [{ maxSize: '1k' }, 'log.maxSize'],
  [{ maxSize: '3g' }, 'log.maxSize'],
  [{ maxFiles: 0 }, 'log.maxFiles'],
  [{ blocking: 'yes' }, 'log.blocking'],
  [{ size: 1 }, 'log.size'],
] as const)
  test(`a log of ${JSON.stringify(log)} is refused`, () => {
    const error = expectLeft(decode({ log }))
    assert.is(error._tag === 'InvalidOption' && error.option, where)
  })
test('a container that removes itself is not started again', () => {
  assert.match(
    JSON.stringify(expectLeft(decode({ autoRemove: true, restart: 'always' }))),
    'cannot be started again',
  )
  assert.ok(E.isRight(decode({ autoRemove: true, restart: 'no' })))
})
test('a stop may wait for ever', () => {
  assert.is(expectRight(decode({ stopTimeout: -1 })).policies.stopMs, -1)
  assert.is(expectRight(decode({ stopTimeout: '1m' })).policies.stopMs, 60_000)
  assert.is(expectLeft(decode({ stopTimeout: -2 }))._tag, 'InvalidOption')
  assert.is(expectLeft(decode({ stopTimeout: '60d' }))._tag, 'InvalidOption')
})
test('choices of a stop', () => {
  assert.equal(expectRight(decodeStopOptions({ signal: 'SIGINT', timeout: '2s' })), {
    signal: 'SIGINT',
    timeoutMs: 2000,
  })
  assert.equal(expectRight(decodeStopOptions(undefined)), {})
  assert.is(expectLeft(decodeStopOptions({ signal: 'SIGNOTHING' }))._tag, 'InvalidOption')
  assert.is(expectLeft(decodeStopOptions({ grace: 1 }))._tag, 'InvalidOption')
})
test.run()
