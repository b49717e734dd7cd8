// Containers in a mount namespace of others: the runtime's own, or one that is joined. Nothing of theirs is mounted in it.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, readlinkSync, rmdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { makeRootfs } from '../../support/engine.ts'
import { assert, suite } from '../../support/suite.ts'
import { type Box, type Change, makeFolder, NEEDS, openBox, until } from './support.ts'

const test = suite('oci/life-cycle/shared-mounts')
test.requires(...NEEDS, 'program:mount', 'program:unshare', 'linux:6.15')

let box: Box
/** A mount that has peers: what is mounted in a copy of it comes up in it, unless the copy is cut off. */
let shared: string
test.before(() => {
  box = openBox()
  shared = mkdtempSync(path.join(tmpdir(), 'shared-'))
  execFileSync('mount', ['-t', 'tmpfs', 'shared', shared])
  execFileSync('mount', ['--make-shared', shared])
  makeRootfs(path.join(shared, 'rootfs'))
  makeFolder(shared, 'data/below')
})
test.after(async () => {
  execFileSync('umount', [shared])
  rmdirSync(shared)
  await box.close()
})

const MOUNTS = [
  { destination: '/proc', type: 'proc', source: 'proc' },
  { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['mode=755'] },
  { destination: '/dev/pts', type: 'devpts', source: 'devpts', options: ['newinstance', 'ptmxmode=0666'] },
  { destination: '/sys', type: 'sysfs', source: 'sysfs', options: ['ro'] },
  { destination: '/data', source: 'DATA', options: ['rbind'] },
  { destination: '/data/below', type: 'tmpfs', source: 'tmpfs' },
]
const SEEN =
  'ls -d /proc/self /dev/null /dev/pts/ptmx /sys/class /data/below; touch /x 2>&1; touch /data/below/y; cat /proc/sys/kernel/hostname'
const WANTED =
  '/data/below\n/dev/null\n/dev/pts/ptmx\n/proc/self\n/sys/class\ntouch: /x: Read-only file system\ninside\n'

const changeOf = (namespaces: readonly object[]): Change => ({
  args: ['sh', '-c', `{ ${SEEN}; } > /data/seen; exec sleep 1000`],
  linux: {
    namespaces,
    // The specification has them only for a mount namespace of some kind.
    ...(namespaces.some((each) => 'path' in each)
      ? { readonlyPaths: ['/proc/sys'], maskedPaths: ['/proc/keys'] }
      : {}),
  },
  more: {
    hostname: 'inside',
    root: { path: path.join(shared, 'rootfs'), readonly: true },
    mounts: MOUNTS.map((mount) =>
      mount.source === 'DATA' ? { ...mount, source: path.join(shared, 'data') } : mount,
    ),
  },
})
const OTHERS = ['pid', 'ipc', 'uts', 'network'].map((type) => ({ type }))
const mountsOf = (pid: number | string): string => readFileSync(`/proc/${pid}/mountinfo`, 'utf8')
const seen = (): string => {
  try {
    return readFileSync(path.join(shared, 'data/seen'), 'utf8')
  } catch {
    return ''
  }
}

const lives = async (namespaces: readonly object[], holder: number | 'self'): Promise<void> => {
  const before = [mountsOf(holder), mountsOf('self')]
  const id = await box.started(changeOf(namespaces))
  await until('it runs', () => seen().endsWith('inside\n') || undefined)
  assert.is(seen().replaceAll(/^ls: .*\n/gm, ''), WANTED)
  const { pid } = await box.state(id)
  assert.is(readlinkSync(`/proc/${pid}/ns/mnt`), readlinkSync(`/proc/${holder}/ns/mnt`))
  assert.equal([mountsOf(holder), mountsOf('self')], before)
  const isMasked = namespaces.some((each) => 'path' in each)
  if (isMasked) assert.is(await box.ok('exec', id, 'wc', '-c', '/proc/keys'), '0 /proc/keys\n')
  const script = `test -f /data/below/y && pwd && readlink /proc/self/ns/mnt && ls /`
  const [there, namespace, ...root] = (await box.ok('exec', '--cwd', '/data', id, 'sh', '-c', script))
    .trim()
    .split('\n')
  assert.equal([there, namespace], ['/data', readlinkSync(`/proc/${holder}/ns/mnt`)])
  assert.ok(root.includes('data') && !root.includes('boot'), root.join(' '))
  await box.gone(id)
  assert.equal([mountsOf(holder), mountsOf('self')], before)
  execFileSync('rm', [path.join(shared, 'data/seen')])
}

test('one without a mount namespace inherits the runtime’s, and mounts nothing in it', () =>
  lives(OTHERS, 'self'))

test('one that joins a mount namespace mounts nothing for the others in it', async () => {
  const holder: ChildProcess = spawn('unshare', ['--mount', 'sleep', '1000'], { stdio: 'ignore' })
  const pid = holder.pid ?? 0
  try {
    await until('it has left', () => readFileSync(`/proc/${pid}/comm`, 'utf8') === 'sleep\n' || undefined)
    const root = readlinkSync(`/proc/${pid}/root`)
    await lives([...OTHERS, { type: 'mount', path: `/proc/${pid}/ns/mnt` }], pid)
    assert.is(readlinkSync(`/proc/${pid}/root`), root)
  } finally {
    holder.kill('SIGKILL')
  }
})

test('a create that fails leaves nothing mounted', async () => {
  const before = mountsOf('self')
  const id = box.newId()
  const change = changeOf(OTHERS)
  const bundle = box.bundle(id, { ...change, args: ['/no/such/program'] })
  const { code, err } = await box.call(['create', '--bundle', bundle, id])
  assert.is(code, 1)
  assert.match(err, /no\/such\/program/)
  assert.equal(box.left(id), [])
  assert.is(mountsOf('self'), before)
})

test.run()
