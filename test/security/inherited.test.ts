// What a payload inherits of the process that started it: nothing (docs/security.md, rules 3, 14 and 17).
import { spawnSync } from 'node:child_process'
import path from 'node:path'
import type { RunOptions } from '../../src/model/options.ts'
import { bundleProgram } from '../support/bundle.ts'
import { assert, suite } from '../support/suite.ts'
import { type Box, compile, openBox, security, securityNeeds } from './box.ts'

const Inherited = suite('security/inherited')
const reason = securityNeeds()
const test = security(Inherited, reason)
let box: Box
let script: string

Inherited.before(async () => {
  if (reason !== undefined) return
  box = openBox()
  compile('dirty.c', path.join(box.host, 'dirty'))
  script = await bundleProgram('test/security/leaky-engine.ts')
})
Inherited.after(async () => {
  if (reason === undefined) await box.close()
})

/** Output of `argv` in a container of an engine that was started in as bad a state as can be. */
const fromDirt = (argv: readonly string[], options: RunOptions = {}): string => {
  const words = [process.execPath, script, path.join(box.host, 'dirty-data'), box.rootfs]
  const { stdout, stderr, status } = spawnSync(
    path.join(box.host, 'dirty'),
    [...words, JSON.stringify(options), JSON.stringify(argv)],
    { encoding: 'utf8', cwd: process.cwd() },
  )
  assert.is(status, 0, stderr)
  return stdout
}
const status = (text: string): ReadonlyMap<string, string> =>
  new Map(text.split('\n').map((line) => line.split(/:\s*/, 2) as [string, string]))

const STATUS = ['cat', '/proc/self/status']
const DEFAULT_CAPS = '00000000a80425fb'
const NONE = '0000000000000000'

const FIELDS = [
  'Groups',
  'SigIgn',
  'SigBlk',
  'Umask',
  'CapInh',
  'CapAmb',
  'CapPrm',
  'CapEff',
  'CapBnd',
  'NoNewPrivs',
  'Seccomp',
]
const wanted = (caps: string, more: object = {}) => ({
  Groups: '0',
  SigIgn: NONE,
  SigBlk: NONE,
  Umask: '0022',
  CapInh: NONE,
  CapAmb: NONE,
  CapPrm: caps,
  CapEff: caps,
  CapBnd: DEFAULT_CAPS,
  NoNewPrivs: '0',
  Seccomp: '2',
  ...more,
})
const seen = (text: string) => {
  const fields = status(text)
  return Object.fromEntries(FIELDS.map((name) => [name, fields.get(name)?.trim()]))
}

test('the status of a process is that of a fresh one, whatever the engine was started with', async () => {
  assert.equal(seen(fromDirt(STATUS)), wanted(DEFAULT_CAPS))
})

test('so is that of another user, and with an init', async () => {
  assert.equal(seen(fromDirt(STATUS, { user: 'app' })), wanted(NONE, { Groups: '1000 2000' }))
  assert.equal(seen(fromDirt(STATUS, { init: true })), wanted(DEFAULT_CAPS))
})

test('with no_new_privs the flag is there', async () => {
  const text = fromDirt(STATUS, { security: { noNewPrivileges: true } })
  assert.equal(seen(text), wanted(DEFAULT_CAPS, { NoNewPrivs: '1' }))
})

test('of fifty leaked descriptors none arrives, only the three streams', async () => {
  for (const options of [{}, { init: true }, { user: 'app' }] as RunOptions[]) {
    const fds = fromDirt(['/probe', 'fds'], options)
      .trim()
      .split('\n')
      .map((line) => line.split(' ')[1])
    assert.equal(fds.sort(), ['0', '1', '2'], JSON.stringify(options))
  }
})

test('PID 1 of an init has no descriptor at all, and nobody may look into it', async () => {
  const script = 'ls /proc/1/fd | wc -l; cat /proc/1/environ; readlink /proc/1/exe; echo end'
  const text = fromDirt(['sh', '-c', `(${script}) 2>&1`], { init: true })
  assert.match(text, /^0\n/)
  assert.match(text, /\/proc\/1\/environ': Permission denied/)
  assert.not.match(text, /memfd/)
  assert.match(text, /end\n$/)
})

test('the environment is the one of the options, nothing of the host', async () => {
  const names = fromDirt(['env'])
    .trim()
    .split('\n')
    .map((line) => line.split('=')[0])
  assert.equal(names.sort(), ['HOME', 'HOSTNAME', 'PATH'])
})

test('limits are those of the document; being spared when memory runs out is not inherited', async () => {
  const text = fromDirt(['sh', '-c', 'ulimit -Sn; cat /proc/self/oom_score_adj'])
  assert.equal(text.trim().split('\n'), [String(Math.min(1024 * 1024, hardLimit())), '0'])
})

test("a key of the host's session is out of reach, even without a filter", async () => {
  const ENOKEY = 126
  const text = fromDirt(['/probe', 'key=slipway-host-secret'], { security: { seccomp: 'unconfined' } })
  assert.is(text, `key ${-ENOKEY}\n`)
})

test('the payload leads a session of its own and cannot type into a terminal it was given', async () => {
  const table = await box.probe(['steal-tty', 'tiocsti', 'tioclinux'])
  for (const [name, result] of table) assert.match(result, /^-/, name)
  const [, , , , , session] = (await box.sh('cat /proc/self/stat')).split(' ')
  assert.is(session, '1')
})

const hardLimit = (): number => {
  const { stdout } = spawnSync('sh', ['-c', 'ulimit -Hn'], { encoding: 'utf8' })
  return Number(stdout)
}

Inherited.run()
