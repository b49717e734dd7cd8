// What root in a container may not do to the host (docs/security.md: rules 1, 10, 14, 16 and the defaults).
import { execFileSync, spawn } from 'node:child_process'
import { chmodSync, copyFileSync, existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { createServer } from 'node:net'
import { constants } from 'node:os'
import path from 'node:path'
import type { RunOptions } from '../../src/model/options.ts'
import { assert, suite } from '../support/suite.ts'
import { type Box, openBox, security, securityNeeds } from './box.ts'

const Kernel = suite('security/kernel')
const reason = securityNeeds()
const test = security(Kernel, reason)
const { EPERM, ENOSYS, ESRCH, ECONNREFUSED, ENOTTY, EROFS } = constants.errno
let box: Box

Kernel.before(() => {
  if (reason === undefined) box = openBox()
})
Kernel.after(async () => {
  if (reason === undefined) await box.close()
})

/** moby profiles/seccomp/default.json with the default capabilities: what is refused, and how. */
const REFUSED: Readonly<Record<string, readonly number[]>> = {
  'unshare-user': [EPERM],
  'unshare-mount': [EPERM],
  setns: [EPERM],
  clone3: [ENOSYS],
  'clone-user': [EPERM],
  mount: [EPERM],
  'mount-cgroup': [EPERM],
  fsopen: [EPERM],
  umount: [EPERM],
  remount: [EPERM],
  keyctl: [EPERM],
  add_key: [EPERM],
  bpf: [EPERM],
  perf: [EPERM],
  kexec: [EPERM],
  module: [EPERM],
  reboot: [EPERM],
  handle: [EPERM],
  af_alg: [EPERM],
  af_vsock: [EPERM],
  pidfd_getfd: [EPERM],
  tiocsti: [ENOTTY],
  tioclinux: [ENOTTY],
  'steal-tty': [ENOTTY],
  'i386-unshare': [EPERM, ENOSYS],
  'i386-mount': [EPERM, ENOSYS],
  'x32-unshare': [EPERM, ENOSYS],
}

test('the calls Docker refuses are refused, in every form the machine has', async () => {
  for (const user of ['root', 'app']) {
    const table = await box.probe(['calls'], { user })
    assert.ok(table.size > 20)
    for (const [name, result] of table) {
      // A machine without the compat entry ends the program by a signal.
      if (result === 'signal') assert.match(name, /^(i386|x32)-/)
      else assert.ok(REFUSED[name]?.includes(-Number(result)), `${user} ${name}: ${result}`)
    }
  }
})

test('without a filter the capabilities alone still hold', async () => {
  const names = [
    'mount',
    'mount-cgroup',
    'umount',
    'remount',
    'setns',
    'unshare-mount',
    'kexec',
    'module',
    'reboot',
    'fsopen',
  ]
  const table = await box.probe(names, { security: { seccomp: 'unconfined' } })
  for (const [name, result] of table)
    assert.ok([EPERM, ENOSYS].includes(-Number(result)), `${name}: ${result}`)
})

test('a disk or memory of the host can be named by mknod and not be opened', async () => {
  const [disk = 'b 259 0'] = readFileSync('/proc/partitions', 'utf8')
    .split('\n')
    .slice(2)
    .map((line) => line.trim().split(/\s+/))
    .flatMap(([major, minor]) => (major ? [`b ${major} ${minor}`] : []))
  for (const numbers of [
    disk,
    'c 1 1',
    'c 1 2',
    'c 1 4',
    'c 10 229',
    'c 10 237',
    'c 4 0',
    'c 10 130',
    'b 7 0',
  ]) {
    const made = `mknod /tmp/dev ${numbers} && chmod 666 /tmp/dev`
    const { out } = await box.run([
      'sh',
      '-c',
      `${made} && /probe read=/tmp/dev write=/tmp/dev; rm -f /tmp/dev`,
    ])
    assert.is(out, `read ${-EPERM}\nwrite ${-EPERM}\n`, numbers)
  }
})

test('processes of the host can neither be seen, traced nor signalled', async () => {
  const victim = spawn('sleep', ['30'], { stdio: 'ignore' })
  try {
    const table = await box.probe([`ptrace=${victim.pid}`, `kill=${victim.pid}`])
    assert.is(table.get('ptrace'), String(-ESRCH))
    assert.is(table.get('kill'), String(-ESRCH))
    const pids = (await box.sh('ls /proc')).split('\n').filter((name) => /^\d+$/.test(name))
    assert.ok(pids.length <= 3, pids.join())
    // With the host's pid namespace they are seen, but not to be traced or looked into.
    const shared = await box.probe(
      [`ptrace=${victim.pid}`, `read=/proc/${victim.pid}/mem`, `read=/proc/${process.pid}/environ`],
      { pid: 'host' },
    )
    assert.is(shared.get('ptrace'), String(-EPERM))
    const { out } = await box.run(
      ['sh', '-c', `cat /proc/${process.pid}/environ /proc/${process.pid}/root/etc/shadow`],
      { pid: 'host' },
    )
    assert.match(out, /Permission denied[\s\S]*Permission denied/)
  } finally {
    victim.kill('SIGKILL')
  }
})

test('/sys, /proc/sys and the other switches of the kernel are read-only', async () => {
  const files = [
    '/proc/sys/kernel/core_pattern',
    '/proc/sys/kernel/hostname',
    '/proc/sysrq-trigger',
    '/proc/sys/vm/overcommit_memory',
    '/sys/kernel/mm/transparent_hugepage/enabled',
    '/proc/irq/default_smp_affinity',
    '/proc/sys/net/ipv4/ip_forward',
  ]
  for (const file of files.filter((each) => existsSync(each))) {
    assert.is((await box.probe([`write=${file}`])).get('write'), String(-EROFS), file)
  }
  const options = await box.sh("awk '$2 ~ /^.(sys|proc)/ {print $2, $4}' /proc/self/mounts")
  for (const line of options.split('\n')) {
    const [place = '', flags = ''] = line.split(' ')
    if (place === '/proc') assert.match(flags, /^rw,.*nosuid.*nodev.*noexec/)
    else assert.match(flags, /(^|,)ro(,|$)/, line)
  }
})

test('the cgroup trees show the container alone, cannot be written, and have no release agent', async () => {
  const listing = await box.sh(
    'find /sys/fs/cgroup -name release_agent; find /sys/fs/cgroup -mindepth 2 -type d; echo end',
  )
  assert.is(listing, 'end')
  const script =
    'for f in /sys/fs/cgroup/*/cgroup.procs /sys/fs/cgroup/*/notify_on_release /sys/fs/cgroup/cgroup.procs; do (echo 1 > $f) 2>/dev/null && echo $f; mkdir $(dirname $f)/x 2>/dev/null && echo made; done; true'
  assert.is(await box.sh(script), '')
  for (const line of (await box.sh('cat /proc/self/cgroup')).split('\n'))
    assert.not.match(line, /slipway|docker/)
})

test('of the network there is only lo, and no abstract socket of the host', async () => {
  const name = `slipway-security-${process.pid}`
  const server = createServer((socket) => socket.end()).listen(`\0${name}`)
  await new Promise((resolve) => server.once('listening', resolve))
  try {
    assert.is((await box.probe([`abstract=${name}`])).get('abstract'), String(-ECONNREFUSED))
    assert.equal((await box.probe([`abstract=${name}`], { network: 'host' })).get('abstract'), '0')
    assert.is(await box.sh('ls /sys/class/net'), 'lo')
    assert.is(await box.sh('grep -c : /proc/net/dev'), '1')
    assert.is(await box.sh('cat /proc/net/unix | wc -l'), '1')
  } finally {
    server.close()
  }
})

test('a setuid program gives no more than the bound, and nothing at all with no_new_privs', async () => {
  const rootfs = box.rootfsWith((folder) => {
    const program = path.join(folder, 'suid')
    copyFileSync(path.join(folder, 'probe'), program)
    chmodSync(program, 0o4755)
  })
  const run = async (options: RunOptions) =>
    (await box.run(['/suid', 'uid', 'caps'], { user: 'app', ...options }, { rootfs })).out
  assert.is(await run({}), 'uid 1000 0\ncaps 00000000a80425fb\n')
  assert.is(await run({ security: { noNewPrivileges: true } }), 'uid 1000 1000\ncaps 0000000000000000\n')
})

test('what a container writes and makes setuid is out of reach of the users of the host', async () => {
  const running = await box.engine.start({ rootfs: box.rootfs }, [
    'sh',
    '-c',
    'cp /probe /tmp/suid; chmod 4755 /tmp/suid; sleep 20',
  ])
  try {
    const mode = (folder: string): number => statSync(path.join(box.root, folder)).mode & 0o077
    assert.equal(['containers', 'trash', 'names', 'run'].map(mode), [0, 0, 0, 0])
    for (const name of readdirSync(box.root)) assert.is(statSync(path.join(box.root, name)).uid, 0)
  } finally {
    running.kill(9)
    await running.removed
  }
})

test('a user namespace: root inside owns nothing of the host, not even the device nodes it is given', async () => {
  const map = [{ containerId: 0, hostId: 100000, size: 65536 }]
  const script =
    'chmod 600 /dev/null 2>/dev/null && echo changed; cat /etc/shadow 2>/dev/null; echo x > /dev/null && cat /proc/self/uid_map'
  const { out, failed } = await box.run(
    ['sh', '-c', script],
    { security: { userns: { uidMap: map, gidMap: map } } },
    'host',
  )
  if (failed?.startsWith('HostUnfit') === true) return console.log(failed)
  assert.is(failed, undefined)
  assert.match(out, /^\s*0\s+100000\s+65536\n$/)
  assert.is(statSync('/dev/null').mode & 0o777, 0o666)
})

test('a root that others may write to is refused: its records say whom to kill', async () => {
  const { createEngine } = await import('../../src/index.ts')
  const root = path.join(box.host, 'open-root')
  execFileSync('mkdir', ['-m', '777', root])
  const engine = createEngine({ root })
  try {
    await engine.list()
    assert.unreachable('it opened')
  } catch (error) {
    assert.match(String((error as Error).message), /others can write/)
  } finally {
    await engine.close()
  }
})

Kernel.run()
