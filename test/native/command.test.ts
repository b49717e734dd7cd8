// Commands timed by the addon: what they are started with, how their end is told, and that nobody waits for ever.
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { constants, tmpdir } from 'node:os'
import path from 'node:path'
import type { TimedCommand } from '../../src/native/addon.ts'
import { loadAddon } from '../../src/native/load.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('native/command')
const addon = loadAddon()
let folder = ''
let log = ''
test.before(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'native-command-'))
  log = path.join(folder, 'log')
})
test.after(() => rmSync(folder, { recursive: true }))

const time = async (
  argv: readonly string[],
  env: readonly string[] = [],
  timeoutMs = 60_000,
  namespace = -1,
) => {
  const [nothing, said] = [openSync('/dev/null', 'r+'), openSync(log, 'w+')]
  const fds = Int32Array.of(nothing, said, said, namespace)
  const result = await new Promise<TimedCommand>((resolve) =>
    addon.timeCommand(argv, env, fds, timeoutMs, resolve),
  )
  for (const fd of [nothing, said]) closeSync(fd)
  return { ...result, said: readFileSync(log, 'utf8') }
}
const sh = (script: string, env?: readonly string[], timeoutMs?: number) =>
  time(['/bin/sh', '-c', script], env, timeoutMs)

test('the time is that of the command, and its exit code is told', async () => {
  const { errno, waitStatus, timedOut, elapsedNs } = await sh('sleep 0.2; exit 3', ['PATH=/usr/bin:/bin'])
  assert.equal([errno, waitStatus, timedOut], [0, 3 << 8, false])
  assert.ok(elapsedNs >= 200e6)
})

test('a signal that ended it is told', async () => {
  assert.is((await sh('kill -TERM $$')).waitStatus, constants.signals.SIGTERM)
})

test('it gets the words, the variables and the descriptors that were given, and no others', async () => {
  const { said } = await time(
    ['/bin/sh', '-c', 'echo "$1 $A [$HOME]"; ls /proc/self/fd | wc -l', 'sh', 'a b'],
    ['A=1', 'PATH=/usr/bin:/bin'],
  )
  // The fourth is the folder ls(1) reads.
  assert.is(said.replace(/\n\s*/g, '\n'), 'a b 1 []\n4\n')
})

test('its signals are those of a fresh process, and its group is its own', async () => {
  const { said } = await sh('sed -n "/^Sig[BIC]/p" /proc/self/status; cut -d" " -f1,5 /proc/$$/stat', [
    'PATH=/usr/bin:/bin',
  ])
  assert.match(said, /^SigBlk:\t0{16}\nSigIgn:\t0{16}\nSigCgt:\t0{16}\n(\d+) \1\n$/)
})

test('a program that is not there ends with 127, as in a shell', async () => {
  assert.is((await time(['/nowhere/program'])).waitStatus, 127 << 8)
})

test('one that does not end is killed with its children when the time is over', async () => {
  const { timedOut, waitStatus } = await sh('sleep 100 & sleep 100', ['PATH=/usr/bin:/bin'], 50)
  assert.equal([timedOut, waitStatus], [true, constants.signals.SIGKILL])
})

test('a namespace that is none is an end of its own, before the command', async () => {
  const nothing = openSync('/dev/null', 'r')
  assert.is((await time(['/bin/true'], [], 1000, nothing)).waitStatus, 125 << 8)
  closeSync(nothing)
})

test('the caller goes on meanwhile, and several commands run side by side', async () => {
  let ticks = 0
  const ticker = setInterval(() => ticks++, 5)
  const begin = addon.nowNs()
  const all = await Promise.all([1, 2, 3].map(() => sh('sleep 0.3', ['PATH=/usr/bin:/bin'])))
  const elapsedNs = addon.nowNs() - begin
  clearInterval(ticker)
  assert.ok(ticks > 5)
  assert.ok(elapsedNs < all.reduce((sum, each) => sum + each.elapsedNs, 0))
})

test('arguments that are none are refused', () => {
  const done = (): void => {}
  assert.throws(() => addon.timeCommand([], [], new Int32Array(4), 1, done), TypeError)
  assert.throws(() => addon.timeCommand(['/x'], [], new Int32Array(3), 1, done), TypeError)
})

test.run()
