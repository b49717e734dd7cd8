// cp: which word is on this machine, what is asked of the engine, and what is printed.
import * as TE from '#fp/TaskEither'
import type { Copied, CopyEnd } from '../../../src/fp.ts'
import { type EngineError, SlipwayError } from '../../../src/model/errors.ts'
import { assert, suite } from '../../support/suite.ts'
import { type Answers, call, fakeContainers, outcomeOf } from '../fake-world.ts'

const test = suite('cli/cp')

const done: Copied = { bytes: 9728, skippedDevices: 0 }
const asking = (result: Copied = done) => {
  const asked: unknown[] = []
  const answers: Answers = {
    containers: {
      containers: {
        ...fakeContainers,
        copy: (from, to, { signal: _, ...options } = {}) => {
          asked.push([from, to, options])
          return TE.right(result)
        },
        copyFrom: (container, path, { signal: _, ...options } = {}) => {
          asked.push([container, path, options])
          return TE.right({
            stat: { name: 'x', size: 1, mode: 0o100644, mtimeMs: 0, linkTarget: '' },
            tar: (async function* () {
              yield Buffer.from('ta')
              yield Buffer.from('r')
              if (path === '/broken')
                throw new SlipwayError({ _tag: 'CopyRefused', path: 'web:/broken', why: 'it broke' })
            })(),
            close: async () => {},
          })
        },
        copyInto: (container, path, _tar, { signal: _, ...options } = {}) => {
          asked.push([container, path, options])
          return TE.right(undefined)
        },
      },
    },
  }
  return { asked, answers }
}
const said = (words: readonly string[], answers: Answers) => outcomeOf(call(['cp', ...words], { answers }))
const PLAIN = { archive: false, followLink: false }

test('a word with a colon is in a container, unless it begins with a slash or a dot', async () => {
  const web = (path: string): CopyEnd => ({ container: 'web', path })
  for (const [words, from, to] of [
    [['web:/etc/hosts', 'hosts'], web('/etc/hosts'), '/work/hosts'],
    [['./a:b', 'web:srv'], '/work/./a:b', web('srv')],
    [['/a:b', 'web:'], '/a:b', web('/')],
    [['.', 'web:/x:y'], '/work/.', web('/x:y')],
  ] as const) {
    const { asked, answers } = asking()
    assert.is((await said(words, answers)).code, 0)
    assert.equal(asked, [[from, to, PLAIN]])
  }
})

test('what was copied is told on standard error, but for --quiet', async () => {
  const { asked, answers } = asking()
  assert.equal(await said(['a', 'web:/b'], answers), {
    code: 0,
    stdout: '',
    stderr: 'Successfully copied 9.73kB to web:/b\n',
  })
  assert.equal(await said(['-aLq', 'web:/b', 'c'], answers), { code: 0, stdout: '', stderr: '' })
  assert.equal(asked[1], [{ container: 'web', path: '/b' }, '/work/c', { archive: true, followLink: true }])
  const some = await said(['-q', 'a', 'web:/b'], asking({ bytes: 1, skippedDevices: 2 }).answers)
  assert.is(some.stderr, 'slipway: 2 device nodes were left out: they may not be made there\n')
})

test('- is a tar on standard output or from standard input, and no terminal', async () => {
  const { asked, answers } = asking()
  assert.equal(await said(['-L', 'web:/x', '-'], answers), { code: 0, stdout: 'tar', stderr: '' })
  assert.is((await said(['-a', '-', 'web:/x'], answers)).code, 0)
  assert.equal(asked, [
    ['web', '/x', { followLink: true }],
    ['web', '/x', { archive: true }],
  ])
  for (const [words, text] of [
    [['web:/x', '-'], /standard output is a terminal/],
    [['-', 'web:/x'], /standard input is a terminal/],
  ] as const) {
    const made = call(['cp', ...words], { answers, tty: { columns: 80, rows: 24 } })
    assert.is(await made.code, 1)
    assert.match(made.stderr(), text)
  }
})

test('a failure is told, also one in the middle of a tar', async () => {
  const { answers } = asking()
  const broken = await said(['web:/broken', '-'], answers)
  assert.equal(broken, { code: 1, stdout: 'tar', stderr: 'slipway: copy: web:/broken: it broke\n' })
  const missing: EngineError = { _tag: 'SyscallFailed', step: 'copy_stat_path', errno: 2, path: 'web:/x' }
  const containers = { ...fakeContainers, copy: () => TE.left(missing) }
  const told = await said(['web:/x', 'y'], { containers: { containers } })
  assert.equal(
    [told.code, told.stderr.split('\n')[0]],
    [1, 'slipway: copy_stat_path: web:/x: ENOENT (no such file or directory)'],
  )
})

test('both ends on one side, and too few words, are refused', async () => {
  for (const [words, text] of [
    [['a', 'b'], /one of both must be in a container, as in web:\/etc\/hosts/],
    [['a:/x', 'b:/x'], /one of both must be on this machine/],
    [['-', '-'], /one of both must be in a container/],
    [['a:/x'], /cp/],
  ] as const) {
    const { code, stderr } = await said(words, asking().answers)
    assert.is(code, 1)
    assert.match(stderr, text)
  }
})

test.run()
