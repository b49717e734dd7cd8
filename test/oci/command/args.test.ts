// Argument lists as runc's and crun's callers write them.
import * as E from '#fp/Either'
import { type FlagTable, parseArgs, type UsageError } from '../../../src/oci/args.ts'
import { type Caller, decodeGlobals, globalFlags } from '../../../src/oci/globals.ts'
import { assert, suite } from '../../support/suite.ts'

const test = suite('oci/command/args')

const right = <A>(parsed: E.Either<UsageError, A>): A => {
  if (E.isLeft(parsed)) throw new Error(parsed.left.message)
  return parsed.right
}
const left = <A>(parsed: E.Either<UsageError, A>): UsageError => {
  if (E.isRight(parsed)) throw new Error('expected a refusal')
  return parsed.left
}

const flags = {
  bundle: { kind: 'text', short: 'b', help: '' },
  detach: { kind: 'boolean', short: 'd', help: '' },
  tty: { kind: 'boolean', short: 't', help: '' },
  env: { kind: 'list', short: 'e', help: '' },
  'preserve-fds': { kind: 'integer', help: '' },
  cap: { kind: 'list', short: 'c', help: '' },
  format: { kind: 'text', short: 'f', help: '' },
} as const satisfies FlagTable

const parsed = (words: string, stopsAtPositional = false) => {
  const { flags: found, positionals } = right(
    parseArgs({ flags, stopsAtPositional }, words === '' ? [] : words.split(' ')),
  )
  return [found, positionals]
}

const SAME: readonly (readonly [words: string, flags: object, positionals: readonly string[]])[] = [
  ['', {}, []],
  ['--bundle /b web', { bundle: '/b' }, ['web']],
  ['--bundle=/b web', { bundle: '/b' }, ['web']],
  ['-bundle /b web', { bundle: '/b' }, ['web']],
  ['-b /b web', { bundle: '/b' }, ['web']],
  ['-b=/b web', { bundle: '/b' }, ['web']],
  ['--b /b web', { bundle: '/b' }, ['web']],
  ['-b/b web', { bundle: '/b' }, ['web']],
  ['web --bundle /b', { bundle: '/b' }, ['web']],
  ['--bundle= web', { bundle: '' }, ['web']],
  ['--bundle --detach web', { bundle: '--detach' }, ['web']],
  ['-d web', { detach: true }, ['web']],
  ['-detach=false web', { detach: false }, ['web']],
  ['--detach=T web', { detach: true }, ['web']],
  ['-td web', { tty: true, detach: true }, ['web']],
  ['-tb /b web', { tty: true, bundle: '/b' }, ['web']],
  ['-tt', { tty: true }, []],
  ['-fjson', { format: 'json' }, []],
  ['-e A=1 -e B=2,3 --env=C=', { env: ['A=1', 'B=2,3', 'C='] }, []],
  ['-cap CAP_KILL', { cap: ['CAP_KILL'] }, []],
  ['--preserve-fds 3', { 'preserve-fds': 3 }, []],
  ['--preserve-fds -1', { 'preserve-fds': -1 }, []],
  ['-b /a -b /c', { bundle: '/c' }, []],
  ['-- --bundle web', {}, ['--bundle', 'web']],
  ['- web', {}, ['-', 'web']],
]
for (const [words, found, positionals] of SAME) {
  test(`${words || 'nothing'} is read`, () => assert.equal(parsed(words), [found, positionals]))
}

test('where another program follows, its flags are its own', () => {
  assert.equal(parsed('-d web ls -l --detach=no -- -d', true), [
    { detach: true },
    ['web', 'ls', '-l', '--detach=no', '--', '-d'],
  ])
})

const WRONG: readonly (readonly [words: string, message: string])[] = [
  ['--foo', 'flag provided but not defined: -foo'],
  ['--foo=1', 'flag provided but not defined: -foo'],
  ['-xfoo', 'flag provided but not defined: -xfoo'],
  ['-tx', 'flag provided but not defined: -tx'],
  ['--constructor', 'flag provided but not defined: -constructor'],
  ['--bundle', 'flag needs an argument: -bundle'],
  ['-b', 'flag needs an argument: -b'],
  ['--preserve-fds abc', 'invalid value "abc" for flag -preserve-fds: parse error'],
  ['--preserve-fds=', 'invalid value "" for flag -preserve-fds: parse error'],
  ['--detach=maybe', 'invalid boolean value "maybe" for flag -detach: parse error'],
]
for (const [words, message] of WRONG) {
  test(`${words}: ${message}`, () => assert.is(left(parseArgs({ flags }, words.split(' '))).message, message))
}

test('help is asked for anywhere', () => {
  for (const words of ['-h', '--help', 'web -h', '-d --help web'])
    assert.ok(right(parseArgs({ flags }, words.split(' '))).help, words)
})

const caller: Caller = { cwd: '/here', env: {}, euid: 0, inUserNamespace: () => false }
const globals = (words: string, over: Partial<Caller> = {}) => {
  const args = right(parseArgs({ flags: globalFlags }, words === '' ? [] : words.split(' ')))
  return decodeGlobals(args, { ...caller, ...over })
}

test('the root depends on who calls', () => {
  const root = (over: Partial<Caller>) => right(globals('', over)).root
  const env = { XDG_RUNTIME_DIR: '/run/user/7' }
  const inUserNamespace = () => true
  assert.is(root({}), '/run/slipway-oci')
  assert.is(root({ env }), '/run/slipway-oci')
  assert.is(root({ euid: 7 }), '/run/slipway-oci')
  assert.is(root({ euid: 7, env }), '/run/user/7/slipway-oci')
  assert.is(root({ env, inUserNamespace }), '/run/user/7/slipway-oci')
  assert.is(root({ env: { ...env, USER: 'root' }, inUserNamespace }), '/run/slipway-oci')
})

test('what is before the command is decoded', () => {
  assert.equal(right(globals('')), {
    root: '/run/slipway-oci',
    rootIsGiven: false,
    logFormat: 'text',
    logLevel: 'error',
    cgroupManager: 'cgroupfs',
    rootless: 'auto',
  })
  assert.equal(right(globals('--root r --log l.json --log-format=json --debug --systemd-cgroup')), {
    root: '/here/r',
    rootIsGiven: true,
    logFile: '/here/l.json',
    logFormat: 'json',
    logLevel: 'debug',
    cgroupManager: 'systemd',
    rootless: 'auto',
  })
  assert.is(right(globals('--log file:/x/l')).logFile, '/x/l')
  assert.is(right(globals('--cgroup-manager disabled')).cgroupManager, 'disabled')
  const rootless = (value: string) => right(globals(`--rootless=${value}`)).rootless
  assert.equal(['true', '0', 'auto', 'AUTO', ''].map(rootless), [true, false, 'auto', 'auto', 'auto'])
})

for (const words of [
  '--root /',
  '--root ../..',
  '--log journald:x',
  '--log syslog:x',
  '--log-format xml',
  '--log-level loud',
  '--cgroup-manager none',
  '--rootless perhaps',
]) {
  test(`${words} is refused`, () => assert.ok(E.isLeft(globals(words))))
}

test.run()
