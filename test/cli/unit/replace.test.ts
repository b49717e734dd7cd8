// slipway replace: what it asks of the engine, prints, and ends with.
import * as TE from '#fp/TaskEither'
import type { EngineForCli } from '../../../src/cli/engine.ts'
import type { EngineError } from '../../../src/model/errors.ts'
import { assert, suite } from '../../support/suite.ts'
import { call, outcomeOf } from '../fake-world.ts'

const test = suite('cli/replace')

type Asked = Parameters<EngineForCli['replace']>
const replaced = async (words: readonly string[], answer?: EngineError) => {
  const asked: Asked[] = []
  const replace: EngineForCli['replace'] = (...request) => {
    asked.push(request)
    return answer === undefined ? TE.right({ id: 'f00d', name: 'web' }) : TE.left(answer)
  }
  const outcome = await outcomeOf(call(['replace', ...words], { answers: { containers: { replace } } }))
  return { outcome, asked: asked[0] }
}

for (const [words, changes, gate, pull] of [
  [['web'], {}, {}, {}],
  [['web', 'app:2'], { image: 'app:2' }, {}, {}],
  [
    ['web', 'app:2', '-e', 'A=1', '-m', '64m', '--restart', 'always'],
    { image: 'app:2', env: { A: '1' }, memory: '64m', restart: 'always' },
    {},
    {},
  ],
  [['web', 'app:2', '--', 'serve', '-f'], { image: 'app:2', argv: ['serve', '-f'] }, {}, {}],
  [
    ['web', 'app:2', '-m', '1m', 'sh', '-c', 'x'],
    { image: 'app:2', memory: '1m', argv: ['sh', '-c', 'x'] },
    {},
    {},
  ],
  [['--rootfs', '/srv', 'web'], { image: { rootfs: '/srv' } }, {}, {}],
  [['--timeout', '2m', '--grace=1s', 'web'], {}, { timeout: '2m', grace: '1s' }, {}],
  [['--pull', 'always', 'web'], {}, {}, { pull: 'always' }],
  [['--no-healthcheck', '--stop-timeout', '3', 'web'], { health: false, stopTimeout: 3000 }, {}, {}],
] as const)
  test(`replace ${words.join(' ')}`, async () => {
    const { outcome, asked } = await replaced(words)
    assert.equal(outcome, { code: 0, stdout: 'f00d\n', stderr: '' })
    const [container, given, { signal, ...options } = {}, { signal: _, onProgress: _on, ...pulled }] =
      asked as Asked
    assert.is(container, 'web')
    assert.equal(given, changes)
    assert.equal(options, gate)
    assert.equal(pulled, pull)
    assert.is(signal?.aborted, false)
  })
test('the last lines of a new one that failed are above the reason', async () => {
  const { outcome } = await replaced(['web'], {
    _tag: 'ReplaceFailed',
    container: 'web',
    why: 'ended with exit code 3',
    log: ['one', 'tw\u001bo'],
    isBack: true,
  })
  assert.is(outcome.code, 1)
  assert.match(
    outcome.stderr,
    /^one\ntw.*o\nslipway: replace of web: the new container ended with exit code 3; it wrote last: /,
  )
  assert.not.match(outcome.stderr, '\u001b')
})
test('an old one that could not be put back is told with both reasons', async () => {
  const { outcome } = await replaced(['web'], {
    _tag: 'ReplaceFailed',
    container: 'web',
    why: 'failed',
    log: [],
    isBack: false,
    cause: [
      { _tag: 'CommandNotFound', command: 'x' },
      { _tag: 'ContainerNotFound', container: 'web' },
    ] as never,
  })
  assert.match(outcome.stderr, /could not be put back: .*x.*; no such container: web/)
})
test('flags that make no sense here are not taken', async () => {
  for (const words of [
    ['--rm', 'web'],
    ['--name', 'other', 'web'],
    ['--cidfile', '/f', 'web'],
  ]) {
    const { outcome, asked } = await replaced(words)
    assert.is(outcome.code, 1)
    assert.is(asked, undefined)
  }
})
test.run()
