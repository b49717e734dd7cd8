// The syntax of argument lists, by a small table of flags.
import * as E from '#fp/Either'
import { type Grammar, nearestWord, parseArgs } from '../../../src/cli/args.ts'
import { assert, suite } from '../../support/suite.ts'

const test = suite('cli/args')

const grammar: Grammar = {
  usage: '[OPTIONS] IMAGE [COMMAND]',
  stopsAtPositional: true,
  positionals: { min: 1 },
  flags: {
    rm: { kind: 'boolean', help: '' },
    proxy: { kind: 'boolean', on: true, help: '' },
    interactive: { kind: 'boolean', short: 'i', help: '' },
    tty: { kind: 'boolean', short: 't', help: '' },
    hostname: { kind: 'text', short: 'h', help: '', value: 'NAME' },
    env: { kind: 'list', short: 'e', help: '' },
    shares: { kind: 'integer', short: 'c', help: '' },
    cpus: { kind: 'decimal', help: '' },
    network: { kind: 'text', aliases: ['net'], help: '' },
    cache: { kind: 'text', bare: 'yes', help: '' },
    publish: { kind: 'list', short: 'p', help: '', unsupported: { yet: true, why: 'no ports' } },
    link: { kind: 'boolean', help: '', unsupported: { yet: false, why: 'it is old' } },
  },
}
const parse = (words: string, over: Partial<Grammar> = {}) =>
  parseArgs({ ...grammar, ...over }, words.split(' '))

/** Everything given apart from the defaults. */
const DEFAULTS = {
  rm: false,
  proxy: true,
  interactive: false,
  tty: false,
  hostname: undefined,
  env: [],
  shares: undefined,
  cpus: undefined,
  network: undefined,
  cache: undefined,
  publish: [],
  link: false,
}

const GOOD: readonly (readonly [string, Record<string, unknown>, readonly string[]])[] = [
  ['img', {}, ['img']],
  ['--rm img', { rm: true }, ['img']],
  ['--rm=false img', { rm: false }, ['img']],
  ['--rm=T img', { rm: true }, ['img']],
  ['--proxy=0 img', { proxy: false }, ['img']],
  ['-it img', { interactive: true, tty: true }, ['img']],
  ['-i=false -t img', { interactive: false, tty: true }, ['img']],
  ['-ithbox img', { interactive: true, tty: true, hostname: 'box' }, ['img']],
  ['-h box img', { hostname: 'box' }, ['img']],
  ['-h=box img', { hostname: 'box' }, ['img']],
  ['-hbox img', { hostname: 'box' }, ['img']],
  ['-h=a=b img', { hostname: 'a=b' }, ['img']],
  ['--hostname box img', { hostname: 'box' }, ['img']],
  ['--hostname=box img', { hostname: 'box' }, ['img']],
  ['--hostname= img', { hostname: '' }, ['img']],
  ['--hostname --rm img', { hostname: '--rm' }, ['img']],
  ['--hostname a --hostname b img', { hostname: 'b' }, ['img']],
  ['-e A=1 --env B=2 -eC img', { env: ['A=1', 'B=2', 'C'] }, ['img']],
  ['-c 512 img', { shares: 512 }, ['img']],
  ['--shares=-1 img', { shares: -1 }, ['img']],
  ['--cpus .5 img', { cpus: 0.5 }, ['img']],
  ['--net host img', { network: 'host' }, ['img']],
  ['--cache img', { cache: 'yes' }, ['img']],
  ['--cache=no img', { cache: 'no' }, ['img']],
  ['img sh -c --rm -x', {}, ['img', 'sh', '-c', '--rm', '-x']],
  ['-- --rm', {}, ['--rm']],
  ['--rm -- img -- x', { rm: true }, ['img', '--', 'x']],
  ['-', {}, ['-']],
  ['--link=false img', { link: false }, ['img']],
]
for (const [words, flags, positionals] of GOOD)
  test(`${words} is understood`, () => {
    const parsed = parse(words)
    assert.equal(parsed, E.right({ _tag: 'Args', args: { flags: { ...DEFAULTS, ...flags }, positionals } }))
  })

const BAD: readonly (readonly [string, string, string?])[] = [
  ['--nope img', 'unknown flag --nope'],
  ['--hostnam x img', 'unknown flag --hostnam', 'did you mean --hostname?'],
  ['--inter img', 'unknown flag --inter', 'did you mean --interactive?'],
  ['-x img', 'unknown flag -x'],
  ['-ix img', 'unknown flag -x in -ix'],
  ['--hostname', '--hostname needs a value', 'write --hostname=NAME'],
  ['-e', '-e needs a value', 'write --env=VALUE'],
  ['--rm=maybe img', '--rm: "maybe" is not true or false'],
  ['--shares 1.5 img', '--shares: "1.5" is not a whole number'],
  ['-cx img', '-c: "x" is not a whole number'],
  ['--cpus half img', '--cpus: "half" is not a number'],
  ['--cpus=1e3 img', '--cpus: "1e3" is not a number'],
  ['--publish 80:80 img', '--publish is not supported yet: no ports'],
  ['-p80:80 img', '-p (--publish) is not supported yet: no ports'],
  ['--link img', '--link is not supported: it is old'],
  ['--rm', 'too few arguments: 0 given, at least 1 needed', 'the form is: [OPTIONS] IMAGE [COMMAND]'],
]
for (const [words, message, hint] of BAD)
  test(`${words} is refused: ${message}`, () => {
    const wanted = { _tag: 'UsageError', message, ...(hint === undefined ? {} : { hint }) }
    assert.equal(parse(words), E.left(wanted))
  })

test('--help wins over what comes after it and over missing positionals', () => {
  assert.equal(parse('--rm --help --nope'), E.right({ _tag: 'Help' }))
})

test('-h asks for help only where the verb has no flag of that letter', () => {
  assert.equal(parse('-h', { flags: {} }), E.right({ _tag: 'Help' }))
})

test('--help after the image belongs to the program', () => {
  const parsed = parse('img --help')
  assert.ok(E.isRight(parsed) && parsed.right._tag === 'Args')
})

test('flags and positionals mix where the verb allows it', () => {
  const parsed = parse('a --rm b', { stopsAtPositional: false })
  assert.ok(E.isRight(parsed) && parsed.right._tag === 'Args')
  if (E.isRight(parsed) && parsed.right._tag === 'Args') {
    assert.equal(parsed.right.args.positionals, ['a', 'b'])
    assert.is(parsed.right.args.flags.rm, true)
  }
})

test('a verb without positionals refuses one', () => {
  const parsed = parseArgs({ usage: '[OPTIONS]', flags: {} }, ['x'])
  assert.ok(E.isLeft(parsed) && parsed.left.message === 'unexpected argument "x"')
})

test('suggestions stay close to the word', () => {
  assert.is(nearestWord('rum', ['run', 'rm', 'ps']), 'run')
  assert.is(nearestWord('images', ['image', 'rm']), 'image')
  assert.is(nearestWord('xyz', ['run', 'rm']), undefined)
  assert.is(nearestWord('dns-', ['dns-search', 'dns-option']), undefined)
})

test.run()
