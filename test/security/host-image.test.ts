// The host as an image, and root in it: nothing that is anybody's secret can be read, and nothing that is written reaches the
// host (docs/security.md, The host image).
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import type { RunOptions } from '../../src/model/options.ts'
import { assert, suite } from '../support/suite.ts'
import { type Box, openBox, security, securityNeeds } from './box.ts'

const Host = suite('security/host-image')
const reason = securityNeeds()
const test = security(Host, reason)
let box: Box

Host.before(() => {
  if (reason === undefined) box = openBox()
})
Host.after(async () => {
  if (reason === undefined) await box.close()
})

const run = (script: string, options: RunOptions = {}) => box.run(['sh', '-c', script], options, 'host')

test('the files and folders that hold secrets are not there', async () => {
  const places = [
    '/etc/shadow',
    '/etc/gshadow',
    '/etc/shadow-',
    '/etc/sudoers',
    '/etc/sudoers.d',
    '/etc/ssh',
    '/etc/ssl/private',
    '/etc/machine-id',
    '/etc/security',
    '/etc/pam.d',
    '/etc/krb5.keytab',
    '/var/lib/slipway',
    '/var/lib/docker',
    '/var/lib/containerd',
    '/run/docker.sock',
    '/run/systemd',
    '/var/run/docker.sock',
    box.root,
    box.host,
    path.join(box.root, 'containers'),
  ]
  const { out } = await run(`for f in ${places.join(' ')}; do [ -e "$f" ] && echo "$f"; done; true`)
  assert.is(out, '')
  for (const folder of [
    '/root',
    '/home',
    '/srv',
    '/mnt',
    '/media',
    '/tmp',
    '/var/tmp',
    '/var/log',
    '/var/lib',
  ]) {
    assert.is((await run(`ls -A ${folder}`)).out, '', folder)
  }
})

test('a secret planted on the host is nowhere to be found, by name or by content', async () => {
  const secret = `slipway-planted-${process.pid}-${Date.now()}`
  const folder = mkdtempSync('/root/slipway-planted-')
  const inEtc = `/etc/slipway-planted-${process.pid}.key`
  try {
    for (const file of [path.join(folder, 'token'), inEtc])
      writeFileSync(file, `${secret}\n`, { mode: 0o600 })
    const { out } = await run(
      'find / -xdev -name "*planted*" 2>/dev/null; grep -rsl slipway-planted /etc /root /home /run /var /tmp /srv 2>/dev/null; true',
    )
    assert.is(out, '')
    const everywhere = await run(
      `grep -rslF "${secret}" /proc/*/environ /proc/*/cmdline /etc /var /run 2>/dev/null | grep -v /proc/; true`,
    )
    assert.is(everywhere.out, '')
  } finally {
    rmSync(folder, { recursive: true })
    rmSync(inEtc)
  }
})

test('everything of /etc that is there may be read by everyone on the host', async () => {
  const { out } = await run('find /etc -xdev -type f')
  const kept = out
    .trim()
    .split('\n')
    .filter((file) => existsSync(file) && !/^\/etc\/(hosts|hostname|resolv\.conf|mtab)$/.test(file))
  assert.ok(kept.length > 5)
  const modes = execFileSync('stat', ['-L', '-c', '%a %n', ...kept], { encoding: 'utf8' })
    .trim()
    .split('\n')
  for (const line of modes) assert.match(line, /^\d*[4567] /, line)
  assert.not.match((await run('cat /etc/passwd /etc/group')).out, /:[$!*]/)
})

test('what one container writes another does not see, nor does the host', async () => {
  const marks = [
    '/usr/slipway-mark',
    '/etc/slipway-mark',
    '/opt/slipway-mark',
    '/slipway-mark',
    '/tmp/slipway-mark',
    '/usr/bin/slipway-mark',
    '/var/lib/slipway-mark',
  ]
  const script = `for f in ${marks.join(' ')}; do echo mine > $f || echo refused $f; done; rm -f /usr/bin/env; rm -rf /usr/share/doc; chmod 600 /usr/bin/sh /usr/lib; chown 1:1 /etc/passwd; cat ${marks[0]}`
  const hashes = (): string =>
    execFileSync(
      'sh',
      [
        '-c',
        'ls -ld /usr /usr/lib /usr/bin /usr/bin/env /etc/passwd /usr/share/doc; md5sum /usr/bin/env /etc/passwd',
      ],
      { encoding: 'utf8' },
    )
  const before = hashes()
  assert.match((await run(script)).out, /mine\n$/)
  assert.is(hashes(), before)
  for (const mark of marks) assert.not(existsSync(mark), mark)
  assert.is(
    (await run(`ls ${marks.join(' ')} 2>/dev/null; [ -x /usr/bin/env ] && echo there`)).out,
    'there\n',
  )
})

test("another container's layers and records are in nobody's sight", async () => {
  const other = await box.engine.start('host', [
    'sh',
    '-c',
    `echo precious > /usr/precious-${process.pid}; echo up; sleep 30`,
  ])
  await new Promise((resolve) => other.stdout?.once('data', resolve))
  try {
    const upper = execFileSync(
      'find',
      [path.join(box.root, 'containers', other.id), '-name', `precious-${process.pid}`],
      { encoding: 'utf8' },
    )
    assert.match(upper, /precious/)
    const { out } = await run(
      `find / -name 'precious-${process.pid}' 2>/dev/null; ls ${box.root} 2>&1; cat /proc/self/mountinfo | grep -c ${other.id}; true`,
    )
    assert.not.match(out, /\/precious/)
    assert.match(out, /No such file/)
    assert.match(out, /\n0\n$/)
  } finally {
    other.kill(9)
    await other.removed
  }
})

test('there is no device and no socket of the host in it', async () => {
  const { out } = await run(
    'find /usr /opt /etc -xdev \\( -type b -o -type c -o -type s \\) 2>/dev/null; true',
  )
  assert.is(out, '')
  const devices = (await run('find /dev -type b -o -type c | sort | tr "\\n" " "')).out.trim()
  assert.is(devices, '/dev/full /dev/null /dev/pts/ptmx /dev/random /dev/tty /dev/urandom /dev/zero')
})

test('an engine whose state lies in what would be shown refuses, or leaves that folder out', async () => {
  const { createEngine } = await import('../../src/index.ts')
  const root = `/usr/local/slipway-security-${process.pid}`
  mkdirSync(root, { mode: 0o700 })
  const engine = createEngine({ root })
  try {
    await engine.run('host', ['true'])
    assert.unreachable('it ran')
  } catch (error) {
    assert.match(String((error as Error).message), /every container would see/)
  } finally {
    await engine.close()
    rmSync(root, { recursive: true, force: true })
  }
  assert.ok(readdirSync('/usr').length > 0 && readFileSync('/etc/passwd', 'utf8').length > 0)
})

Host.run()
