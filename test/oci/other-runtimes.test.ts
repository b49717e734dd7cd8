// The documents we make mean to another runtime what we mean by them: runc starts one, and the container looks as asked.
import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { probeHostFacts, thisHost } from '../../src/adapters/host-facts.ts'
import type { ContainerOptions } from '../../src/model/options.ts'
import type { SpecInput } from '../../src/plan/spec/index.ts'
import { input, specOf, web } from '../plan/spec/support.ts'
import { lacking } from '../support/needs.ts'
import { assert, suite } from '../support/suite.ts'

const OtherRuntimes = suite('oci/other-runtimes')
const BUSYBOX = '/bin/busybox'
const reason = lacking('root', 'program:runc', `file:${BUSYBOX}`)

let bundle = ''
OtherRuntimes.beforeEach(() => {
  bundle = mkdtempSync(path.join(tmpdir(), 'bundle-'))
  const bin = path.join(bundle, 'rootfs/bin')
  mkdirSync(bin, { recursive: true })
  copyFileSync(BUSYBOX, path.join(bin, 'busybox'))
  for (const name of ['sh', 'cat', 'id', 'grep', 'stat', 'ulimit'])
    symlinkSync('busybox', path.join(bin, name))
})
OtherRuntimes.afterEach(() => rmSync(bundle, { recursive: true, force: true }))

const facts = probeHostFacts(thisHost)
/** runc 1.1 knows no time namespace. */
const plain = { ...facts, namespaces: facts.namespaces.filter((name) => name !== 'time') }

/** What `script` prints in a container of these options. No seccomp: the profile is not what is tested here. */
const printed = (script: string, options: ContainerOptions = {}, more: Partial<SpecInput> = {}): string => {
  const id = `slipway-test-${process.pid}-${path.basename(bundle)}`
  const given = {
    facts: plain,
    argv: ['sh', '-c', script],
    seccomp: undefined,
    cgroupsPath: `/${id}`,
    ...more,
  }
  const spec = specOf(options, { ...input(options), ...given, options: input(options).options })
  const json = JSON.stringify(spec, (_, value) => (typeof value === 'bigint' ? `#${value}#` : value))
  writeFileSync(path.join(bundle, 'config.json'), json.replace(/"#(\d+)#"/g, '$1'))
  const state = path.join(bundle, 'state')
  const result = spawnSync('runc', ['--root', state, 'run', '--bundle', bundle, id], {
    encoding: 'utf8',
    timeout: 60_000,
  })
  spawnSync('runc', ['--root', state, 'delete', '--force', id])
  assert.is(result.status, 0, `${result.stdout}${result.stderr}`)
  return result.stdout
}

const fact = (name: string, test: () => void): void => {
  if (reason === undefined) OtherRuntimes(name, test)
  else OtherRuntimes.skip(name, reason)
}

fact('the default document starts, with its environment, directory and name', () => {
  const lines = printed('echo $PATH; echo $HOSTNAME; echo $HOME; cat /proc/sys/kernel/hostname; pwd')
    .trim()
    .split('\n')
  const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
  assert.equal(lines, [PATH, '0123456789ab', '/root', '0123456789ab', '/'])
})

fact("root has the mask of Docker's capabilities, another user none in effect", () => {
  const caps = 'grep -E "^Cap(Prm|Eff|Bnd|Amb)" /proc/self/status'
  const rows = (text: string) =>
    text
      .trim()
      .split(/\s+/)
      .filter((_, i) => i % 2 === 1)
  assert.equal(rows(printed(caps)), [
    '00000000a80425fb',
    '00000000a80425fb',
    '00000000a80425fb',
    '0000000000000000',
  ])
  const none = '0000000000000000'
  assert.equal(rows(printed(caps, {}, { user: web })), [none, none, '00000000a80425fb', none])
})

fact('the user has the ids and groups of the document', () => {
  assert.is(printed('id -u; id -g; id -G; umask', {}, { user: web }), '33\n33\n33 50\n0022\n')
})

fact('the limits are those of the document', () => {
  const ulimits = [
    { name: 'core', soft: 0, hard: -1 },
    { name: 'nofile', soft: 100, hard: 200 },
  ]
  assert.is(
    printed('ulimit -Sn; ulimit -Hn; ulimit -Sc; ulimit -Hc', { ulimits }),
    '100\n200\n0\nunlimited\n',
  )
})

fact('mounts land where they were asked for, and a read-only root is one', () => {
  const target = path.join(bundle, 'source')
  mkdirSync(target)
  writeFileSync(path.join(target, 'file'), 'found\n')
  mkdirSync(path.join(bundle, 'rootfs/data'))
  for (const name of ['proc', 'sys', 'dev']) mkdirSync(path.join(bundle, 'rootfs', name))
  const script =
    'cat /data/file; (echo x > /data/y) 2>/dev/null || echo closed; (echo x > /y) 2>/dev/null || echo closed; ' +
    'echo x > /scratch/y && stat -c %a /scratch'
  const options: ContainerOptions = {
    readonly: true,
    mounts: [
      { type: 'bind', source: target, target: '/data', readonly: true },
      { type: 'tmpfs', target: '/scratch', mode: 0o700 },
    ],
  }
  assert.is(printed(script, options), 'found\nclosed\nclosed\n700\n')
})

fact('masked paths are empty, read-only ones refuse, low ports are open', () => {
  const script =
    'cat /proc/keys; (echo 0 > /proc/sys/kernel/panic) 2>/dev/null || echo closed; cat /proc/sys/net/ipv4/ip_unprivileged_port_start'
  assert.is(printed(script), 'closed\n0\n')
})

fact('privileged has every capability that we have, and no masks', () => {
  const all = facts.effectiveCaps.toString(16).padStart(16, '0')
  const options: ContainerOptions = { security: { privileged: true } }
  const script = 'grep CapEff /proc/self/status; grep -c . /proc/timer_list > /dev/null && echo open'
  const text = printed(script, options)
  assert.is(text, `CapEff:\t${all}\nopen\n`)
})

OtherRuntimes.run()
