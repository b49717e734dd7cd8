// From words to a verb: help, versions, roots, mistakes.
import { commandGroups } from '../../../src/cli/commands/index.ts'
import { dispatch, type World } from '../../../src/cli/dispatch.ts'
import { ReaderGone, WriteFailed } from '../../../src/cli/output-failures.ts'
import { assert, suite } from '../../support/suite.ts'
import { call } from '../fake-world.ts'

const test = suite('cli/dispatch')

test('without words the help goes to standard error and the call fails', async () => {
  const made = call([])
  assert.is(await made.code, 1)
  assert.is(made.stdout(), '')
  assert.ok(made.stderr().startsWith('Usage: slipway '))
})

for (const words of [['--help'], ['-h'], ['help'], ['--root', '/x', '--help']])
  test(`${words.join(' ')} prints the help with every verb`, async () => {
    const made = call(words)
    assert.is(await made.code, 0)
    for (const group of commandGroups)
      for (const { name } of group.commands) assert.ok(made.stdout().includes(`\n  ${name} `), name)
    assert.is(made.stderr(), '')
  })

for (const words of [['--version'], ['-v']])
  test(`${words[0]} prints the version`, async () => {
    const made = call(words)
    assert.is(await made.code, 0)
    assert.is(made.stdout(), 'slipway test\n')
  })

for (const { name, load } of commandGroups.flatMap((group) => group.commands)) {
  test(`${name} is the name of its command, and its help fits 80 columns`, async () => {
    assert.is((await load()).name, name)
    for (const words of [
      [...name.split(' '), '--help'],
      ['help', ...name.split(' ')],
    ]) {
      const made = call(words)
      assert.is(await made.code, 0)
      assert.ok(made.stdout().startsWith(`Usage: slipway ${name} `))
      const tooLong = made
        .stdout()
        .split('\n')
        .filter((line) => line.length > 80)
      assert.equal(tooLong, [])
    }
  })
  test(`${name} refuses an unknown flag and points at its help`, async () => {
    const made = call([...name.split(' '), '--no-such-flag'])
    assert.is(await made.code, ['run', 'exec', 'explain'].includes(name) ? 125 : 1)
    assert.is(made.stdout(), '')
    assert.is(made.stderr(), `slipway: unknown flag --no-such-flag\n\nSee 'slipway ${name} --help'.\n`)
  })
}

const MISTAKES: readonly (readonly [readonly string[], string])[] = [
  [['rum'], "slipway: unknown command \"rum\"\n  hint: did you mean 'run'?\n\nSee 'slipway --help'.\n"],
  [['frobnicate'], 'slipway: unknown command "frobnicate"\n\nSee \'slipway --help\'.\n'],
  [['help', 'frobnicate'], 'slipway: unknown command "frobnicate"\n\nSee \'slipway --help\'.\n'],
  [['--verbose', 'ps'], "slipway: unknown flag --verbose before the command\n\nSee 'slipway --help'.\n"],
  [
    ['-H', 'tcp://a', 'ps'],
    "slipway: -H is not supported: there is no daemon to connect to\n\nSee 'slipway --help'.\n",
  ],
  [
    ['--tlsverify', 'ps'],
    "slipway: --tlsverify is not supported: there is no daemon to connect to\n\nSee 'slipway --help'.\n",
  ],
  [
    ['--context=far', 'ps'],
    'slipway: --context: "far": there is only the context default, which is this machine\n\nSee \'slipway --help\'.\n',
  ],
  [['--log-level'], "slipway: --log-level needs a value\n\nSee 'slipway --help'.\n"],
  [['--config', '', 'ps'], "slipway: --config needs a directory\n\nSee 'slipway --help'.\n"],
  [['--root'], "slipway: --root needs a directory\n\nSee 'slipway --help'.\n"],
  [['--root=', 'ps'], "slipway: --root needs a directory\n\nSee 'slipway --help'.\n"],
]
for (const [words, text] of MISTAKES)
  test(`${words.join(' ')} is answered with what is wrong`, async () => {
    const made = call(words)
    assert.is(await made.code, 1)
    assert.is(made.stderr(), text)
  })

const ROOTS: readonly (readonly [readonly string[], Record<string, string>, string | undefined])[] = [
  [['ps'], {}, undefined],
  [['--root', '/a', 'ps'], { SLIPWAY_ROOT: '/b' }, '/a'],
  [['--root=/a', 'ps'], {}, '/a'],
  [['ps'], { SLIPWAY_ROOT: '/b' }, '/b'],
  [['ps'], { SLIPWAY_ROOT: '' }, undefined],
]
for (const [words, env, root] of ROOTS)
  test(`${words.join(' ')} with ${JSON.stringify(env)} opens the root ${root}`, async () => {
    const made = call(words, { env })
    assert.is(await made.code, 0)
    assert.equal(made.roots, [root])
  })

test("Docker's flags before the command are understood", async () => {
  const made = call([
    '-D',
    '--log-level',
    'debug',
    '-l=info',
    '-c',
    'default',
    '--config',
    '/c',
    '--root=/r',
    'ps',
  ])
  assert.is(await made.code, 0)
  assert.equal([made.roots, made.configs], [['/r'], ['/c']])
})

test('the engine is closed once after use, and never opened for help', async () => {
  const used = call(['info'])
  await used.code
  assert.is(used.fake.closed(), 1)
  const unused = call(['info', '--help'])
  await unused.code
  assert.equal([unused.fake.closed(), unused.roots.length], [0, 0])
})

const brokenWorld = (error: Error): World => ({
  argv: ['--version'],
  env: {},
  cwd: '/',
  platform: { node: '', arch: '', program: [] },
  stdin: { fd: 0, isTTY: () => false, stream: () => process.stdin, setRaw: () => {} },
  stdout: {
    fd: 1,
    isTTY: () => false,
    hungUp: () => false,
    columns: () => 80,
    rows: () => 24,
    write: () => {
      throw error
    },
  },
  stderr: {
    fd: 2,
    isTTY: () => false,
    hungUp: () => false,
    columns: () => 80,
    rows: () => 24,
    write: () => {},
  },
  onSignal: () => () => {},
  engineOf: () => Promise.reject(new Error('no engine')),
})

test('a reader that went away ends the command like a closed pipe', async () => {
  assert.is(await dispatch(brokenWorld(new ReaderGone()), commandGroups), 141)
})

test('output that cannot be written ends the command with 1', async () => {
  assert.is(await dispatch(brokenWorld(new WriteFailed(28)), commandGroups), 1)
})

test('any other failure of a stream is not swallowed', async () => {
  let caught: unknown
  await dispatch(brokenWorld(new Error('disk full')), commandGroups).catch((error: unknown) => {
    caught = error
  })
  assert.ok(caught instanceof Error && caught.message === 'disk full')
})

test.run()
