// A copy into a folder that is killed at each step of a name: what stood there is the old one or the new one, and nothing else is left.
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import {
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { until } from '../support/library.ts'
import { assert, suite } from '../support/suite.ts'
import { tarOf } from '../support/tar-builder.ts'

const test = suite('crash/copy killed at each step')
test.requires('root', 'program:cc')

const addon = JSON.stringify(process.env.SLIPWAY_ADDON ?? path.resolve('build/Release/slipway.node'))
let folder = ''
let made = 0
test.before(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'slipway-copy-kill-'))
  execFileSync('cc', ['-shared', '-fPIC', '-O1', '-o', at('kill.so'), 'test/crash/copy-kill.c', '-ldl'])
  writeFileSync(at('copy.tar'), NEW)
})
test.after(() => rmSync(folder, { recursive: true, force: true }))
const at = (...names: string[]): string => path.join(folder, ...names)

const NEW = tarOf([
  { name: 'file', data: 'new' },
  { name: 'link', type: '2', linkName: 'new' },
  { name: 'pipe', type: '6', uid: 7 },
  { name: 'twice', type: '1', linkName: 'file' },
])
const NAMES = ['file', 'link', 'pipe', 'twice']

/** What is under each name. */
const shown = (target: string): Readonly<Record<string, string>> =>
  Object.fromEntries(
    readdirSync(target).map((name) => {
      const file = path.join(target, name)
      const status = lstatSync(file)
      if (status.isSymbolicLink()) return [name, readlinkSync(file)]
      if (status.isFIFO()) return [name, status.uid === 7 ? 'new' : 'old']
      return [name, readFileSync(file, 'utf8')]
    }),
  )
const old = (): string => {
  const target = at(`target${made++}`)
  mkdirSync(target)
  writeFileSync(path.join(target, 'file'), 'old')
  symlinkSync('old', path.join(target, 'link'))
  execFileSync('mkfifo', [path.join(target, 'pipe')])
  linkSync(path.join(target, 'file'), path.join(target, 'twice'))
  return target
}

const script = (target: string): string => `
  const module_ = { exports: {} }
  process.dlopen(module_, ${addon})
  const choices = { keepOwner: true, replace: false, followLinks: true }
  module_.exports
    .receiveArchive({ path: ${JSON.stringify(target)} }, choices, 0)
    .then((result) => process.exit(result.ok ? 0 : 3))
`
const environment = (given: Readonly<Record<string, string>>): NodeJS.ProcessEnv => {
  const preload = process.env.SLIPWAY_TEST_PRELOAD
  return {
    ...process.env,
    LD_PRELOAD: [...(preload === undefined ? [] : [preload]), at('kill.so')].join(' '),
    ASAN_OPTIONS: 'detect_leaks=0',
    ...given,
  }
}
/** How the copy ended. */
const copied = (target: string, given: Readonly<Record<string, string>> = {}, tar = NEW): string | number => {
  const { status, signal, stderr } = spawnSync(process.execPath, ['-e', script(target)], {
    env: environment(given),
    input: tar,
    encoding: 'utf8',
  })
  assert.is(stderr, '')
  return signal ?? status ?? ''
}
const drawn = (target: string): readonly string[] =>
  readdirSync(target).filter((name) => name.startsWith('.slipway-'))

test('a copy that nobody kills replaces all of it', () => {
  for (const given of [{}, { NO_TMPFILE: '1' }]) {
    const target = old()
    assert.is(copied(target, given), 0)
    assert.equal(shown(target), Object.fromEntries(NAMES.map((name) => [name, 'new'])))
  }
})

for (const call of ['linkat', 'symlinkat', 'mknodat', 'fchownat', 'utimensat', 'renameat', 'unlinkat'])
  for (const moment of ['before', 'after'])
    test(`killed ${moment} ${call}`, async () => {
      const target = old()
      assert.is(copied(target, { KILL_AT: `${call}:${moment}` }), 'SIGKILL')
      // What outlives it comes to its end a moment later.
      await until('nothing of its own is left', () => drawn(target).length === 0)
      const found = shown(target)
      assert.equal(Object.keys(found).sort(), NAMES)
      for (const [name, what] of Object.entries(found)) assert.ok(['old', 'new'].includes(what), name)
      assert.is(copied(target), 0)
      assert.equal(shown(target), Object.fromEntries(NAMES.map((name) => [name, 'new'])))
    })

test('on a file system without nameless files the next copy removes what a killed one has left, and no other', async () => {
  const target = old()
  writeFileSync(path.join(target, '.slipway-x'), 'somebody’s')
  writeFileSync(path.join(target, '.slipway-'), 'somebody’s')
  symlinkSync('nowhere', path.join(target, '.slipway-1'))
  const others = drawn(target)
  const given = { NO_TMPFILE: '1' }
  for (const KILL_AT of ['pwrite:before', 'pwrite:after', 'renameat:before'])
    assert.is(copied(target, { ...given, KILL_AT }), 'SIGKILL', KILL_AT)
  const left = drawn(target).filter((name) => !others.includes(name))
  assert.is(left.length, 1)
  // One that lives, and is in the middle of a file.
  const living = spawn(process.execPath, ['-e', script(target)], {
    env: environment(given),
    stdio: ['pipe', 'ignore', 'inherit'],
  })
  const exit = new Promise((resolve) => living.once('exit', resolve))
  living.stdin.write(NEW.subarray(0, 512))
  const own = (): readonly string[] => drawn(target).filter((name) => ![...others, ...left].includes(name))
  await until('it has begun', () => own().length === 1)
  const [mine] = own()
  assert.is(copied(target, given), 0)
  assert.equal(drawn(target), [...others, mine].sort())
  living.stdin.end(NEW.subarray(512))
  assert.is(await exit, 0)
  assert.equal(drawn(target), others)
  assert.equal(
    NAMES.map((name) => shown(target)[name]),
    NAMES.map(() => 'new'),
  )
})
test.run()
