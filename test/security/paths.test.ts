// An image may ship anything where the engine mounts, makes and opens things: symlinks of every kind, FIFOs, devices. The host
// stays as it is, and a container that starts has what it should (docs/security.md, rules 2, 3, 5, 6, 7, 8 and 9).
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import type { RunOptions } from '../../src/model/options.ts'
import { assert, suite } from '../support/suite.ts'
import { type Box, type Outcome, openBox, security, securityNeeds } from './box.ts'

const Paths = suite('security/paths')
const reason = securityNeeds()
const test = security(Paths, reason)
let box: Box
/** A folder of the host every hostile link leads to. */
let outside: string

Paths.before(() => {
  if (reason !== undefined) return
  box = openBox()
  outside = path.join(box.host, 'outside')
  mkdirSync(path.join(outside, 'deep'), { recursive: true })
  for (const name of ['hosts', 'resolv.conf', 'passwd', 'null', 'deep/file'])
    writeFileSync(path.join(outside, name), 'host\n')
})
Paths.after(async () => {
  if (reason === undefined) await box.close()
})

/** Every name, type, mode and content below the folder. */
const stateOf = (folder: string): string =>
  execFileSync(
    'sh',
    ['-c', `cd '${folder}' && find . -printf '%p %y %m %u %n %T@\\n' | sort; cat $(find . -type f | sort)`],
    {
      encoding: 'utf8',
    },
  )

const UP = '../'.repeat(20)
const KINDS: Readonly<Record<string, (target: string) => string>> = {
  absolute: () => outside,
  relative: () => `${UP}${outside.slice(1)}`,
  dangling: () => '/nowhere/at/all',
  looping: (target) => path.basename(target),
  'into proc': () => '/proc/self/root',
  'to a magic link': () => '/proc/self/fd/3',
  'into our proc/sys': () => '/proc/sys/kernel',
}

/** The link at `place`, whatever was there. */
const link = (rootfs: string, place: string, target: string): void => {
  const at = path.join(rootfs, place)
  mkdirSync(path.dirname(at), { recursive: true })
  rmSync(at, { recursive: true, force: true })
  symlinkSync(target, at)
}

const LOOK = `
[ "$(stat -c %t:%T /dev/null)" = 1:3 ] || echo no null
(echo x > /proc/sys/kernel/panic) 2>/dev/null && echo sysctl open
[ -s /proc/timer_list ] && echo timer_list open
grep -q " ${'/proc/sys'} proc ro" /proc/self/mounts || echo proc/sys not read-only
ls /host-marker 2>/dev/null && echo out of the root
true`

/** A started container must look sound; one that did not start must say so by a tag. */
const sound = (outcome: Outcome, what: string): void => {
  if (outcome.failed === undefined) {
    assert.is(outcome.out, '', what)
    assert.is(outcome.code, 0, what)
  } else assert.match(outcome.failed, /^(SyscallFailed|CommandNotFound|CommandNotExecutable): /, what)
}

const PLACES = [
  '/dev',
  '/proc',
  '/sys',
  '/etc',
  '/run',
  '/tmp',
  '/dev/shm',
  '/dev/pts',
  '/dev/null',
  '/dev/console',
  '/dev/ptmx',
  '/dev/mqueue',
  '/sys/fs/cgroup',
  '/etc/hosts',
  '/etc/hostname',
  '/etc/resolv.conf',
  '/etc/passwd',
  '/etc/group',
]

for (const [kind, target] of Object.entries(KINDS)) {
  test(`each place the engine touches as a symlink, ${kind}`, async () => {
    const before = stateOf(outside)
    for (const place of PLACES) {
      const rootfs = box.rootfsWith((folder) => link(folder, place, target(place)))
      for (const options of [{}, { tty: true }, { readonly: true, user: '0:0' }] as RunOptions[]) {
        const outcome = await box.run(['/bin/sh', '-c', LOOK], options, { rootfs })
        sound(outcome, `${place} ${kind} ${JSON.stringify(options)}`)
      }
      rmSync(rootfs, { recursive: true, force: true })
    }
    assert.is(stateOf(outside), before)
  })
}

test('links that dangle, as distributions ship them, are no obstacle', async () => {
  const rootfs = box.rootfsWith((folder) => {
    link(folder, '/etc/resolv.conf', '../run/systemd/resolve/stub-resolv.conf')
    link(folder, '/etc/hosts', 'hosts')
    link(folder, '/dev/null', '/proc/sys/kernel/core_pattern')
  })
  assert.is(
    await box.sh('cat /etc/hosts | head -n 1; cat /etc/resolv.conf', { dns: ['192.0.2.1'] }, { rootfs }),
    '127.0.0.1\tlocalhost\nnameserver 192.0.2.1',
  )
  assert.is(await box.sh('stat -c %F /dev/null', {}, { rootfs }), 'character special file')
})

test('a FIFO, a device and a folder where the engine binds its files do not hang a start', async () => {
  for (const make of ['mkfifo', 'mknod-c', 'mkdir']) {
    const rootfs = box.rootfsWith((folder) => {
      for (const name of ['etc/hosts', 'etc/resolv.conf']) {
        const at = path.join(folder, name)
        rmSync(at, { force: true })
        if (make === 'mknod-c') execFileSync('mknod', [at, 'c', '1', '5'])
        else execFileSync(make, [at])
      }
    })
    sound(await box.run(['/bin/sh', '-c', LOOK], {}, { rootfs }), make)
  }
})

test('a working directory that is a magic link is refused, an ordinary link stays inside', async () => {
  const before = stateOf(outside)
  for (let fd = 0; fd <= 64; fd++) {
    for (const cwd of [`/proc/self/fd/${fd}`, `/proc/self/fd/${fd}/..`]) {
      const { failed } = await box.run(['pwd'], { cwd })
      assert.match(
        failed ?? 'it started',
        /^SyscallFailed: (open working directory|make directory|open directory)/,
        cwd,
      )
    }
  }
  for (const cwd of ['/proc/self/cwd', '/proc/self/root', '/proc/1/root']) {
    assert.match((await box.run(['pwd'], { cwd })).failed ?? 'it started', /^SyscallFailed: /, cwd)
  }
  const rootfs = box.rootfsWith((folder) => link(folder, '/work', outside))
  sound(await box.run(['/bin/sh', '-c', LOOK], { cwd: '/work' }, { rootfs }), 'link out of the root')
  assert.is(stateOf(outside), before)
})

test('mount targets: links stay in the root, and none leads into proc', async () => {
  const volume = path.join(box.host, 'volume')
  mkdirSync(path.join(volume, 'net/ipv4'), { recursive: true })
  mkdirSync(path.join(volume, 'self'), { recursive: true })
  for (const name of ['ip_unprivileged_port_start', 'ping_group_range'])
    writeFileSync(path.join(volume, 'net/ipv4', name), 'mine\n')
  const mounts = [{ type: 'bind' as const, source: volume, target: '/data' }]
  for (const target of [
    '/proc',
    '/proc/sys',
    '/proc/sys/net/ipv4',
    '/proc/self/attr',
    '/proc/self',
    '/proc/1',
  ]) {
    const rootfs = box.rootfsWith((folder) => link(folder, '/data', target))
    const { failed } = await box.run(['true'], { mounts, oomScoreAdj: 1 }, { rootfs })
    assert.match(failed ?? 'it started', /^SyscallFailed: verify mount target: \/data: EPROTO/, target)
  }
  for (const target of ['/proc', '/proc/sys', '/proc/self', '/proc/self/attr/current']) {
    const { failed } = await box.run(['true'], { mounts: [{ ...mounts[0], target } as never] })
    assert.match(failed ?? 'it started', /^InvalidOption: /, target)
  }
  assert.is(readFileSync(path.join(volume, 'net/ipv4/ip_unprivileged_port_start'), 'utf8'), 'mine\n')
  for (const target of [outside, `${UP}${outside.slice(1)}`, '/etc', '/dev', '/sys']) {
    const rootfs = box.rootfsWith((folder) => link(folder, '/data', target))
    const before = stateOf(outside)
    await box.run(['sh', '-c', 'echo x > /data/written'], { mounts }, { rootfs })
    assert.is(stateOf(outside), before, target)
    rmSync(path.join(volume, 'written'), { force: true })
  }
})

test('masked paths read as nothing, and neither they nor an ignored stream is a way to the null device of the host', async () => {
  const host = () => execFileSync('stat', ['-c', '%a %u %g', '/dev/null'], { encoding: 'utf8' })
  const before = host()
  const masked = [
    '/proc/timer_list',
    '/proc/keys',
    '/proc/interrupts',
    '/proc/kcore',
    '/proc/sched_debug',
  ].filter((file) => existsSync(file))
  const script = `for f in ${masked.join(' ')}; do cat $f; chmod 600 $f; chown 1 $f; touch $f; (echo x > $f) && echo -n; done 2>/dev/null; ls /proc/acpi /sys/firmware 2>/dev/null | grep -v :`
  assert.is((await box.run(['sh', '-c', script])).out.trim(), '')
  for (const options of [
    {},
    { init: true },
    { stdin: 'ignore', stdout: 'ignore', stderr: 'ignore' },
  ] as RunOptions[]) {
    await box.run(['/probe', 'fchmod=0', 'fchmod=1', 'fchmod=2', 'chmod=/dev/stdin'], options)
    assert.is(host(), before)
  }
})

test('a folder is no stream: `..` of its descriptor would be the host', async () => {
  for (const stdin of [{ file: '/etc' }, { fd: 'etc' }]) {
    const { openSync, closeSync } = await import('node:fs')
    const fd = openSync('/etc', 'r')
    const { failed } = await box.run(['/probe', 'fds'], {
      stdin: 'file' in stdin ? stdin : { fd },
    } as RunOptions)
    closeSync(fd)
    assert.match(failed ?? 'it started', /^InvalidOption: .*folder/)
  }
})

test('a start makes nothing in the host folders a root file system is beside', async () => {
  const parent = path.join(box.host, 'beside')
  mkdirSync(parent)
  const rootfs = box.rootfsWith(() => {})
  const moved = path.join(parent, 'rootfs')
  execFileSync('cp', ['-a', rootfs, moved])
  await box.run(
    ['true'],
    { cwd: '/../../made', mounts: [{ type: 'tmpfs', target: '/../../made2' }] },
    { rootfs: moved },
  )
  assert.equal(readdirSync(parent), ['rootfs'])
})

Paths.run()
