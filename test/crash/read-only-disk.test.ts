// Detached containers whose disk becomes read-only, breaks, or was never writable: what is there is listed and read, what runs is ended, and
// what would change a file says so.
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createEngine, type Engine, type SlipwayError } from '../../src/index.ts'
import { makeRootfs } from '../support/engine.ts'
import { failure, until } from '../support/library.ts'
import { SMALL_DISK_NEEDS, type SmallDisk, smallDisk } from '../support/small-disk.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('crash/read-only-disk')
test.requires(...SMALL_DISK_NEEDS, 'program:busybox', 'program:e2fsck', 'program:perl')

const [EIO, EROFS] = [5, 30]
const STAYS = 'trap "exit 7" TERM; echo up; while :; do sleep 0.02; done'

let folder = ''
let disk: SmallDisk
let engine: Engine
let isApart = false
const root = (...names: readonly string[]): string => disk.at('root', ...names)
const open = (): Engine =>
  createEngine({ root: root(), networksAhead: 0, ...(isApart ? { runtime: path.join(folder, 'run') } : {}) })
const reopen = async (): Promise<void> => {
  await engine.close()
  engine = open()
}

const onDisk = async (apart: boolean, body: () => Promise<void>): Promise<void> => {
  folder = mkdtempSync(path.join(tmpdir(), 'slipway-read-only-'))
  mkdirSync(path.join(folder, 'rootfs'))
  makeRootfs(path.join(folder, 'rootfs'))
  execFileSync('tar', ['c', '-C', path.join(folder, 'rootfs'), '-f', path.join(folder, 'base.tar'), '.'])
  disk = smallDisk(folder, 'ext4')
  isApart = apart
  engine = open()
  try {
    await engine.import(
      { path: path.join(folder, 'base.tar') },
      { name: 'base:1', changes: ['ENV PATH=/bin'] },
    )
    await body()
    for (const { id } of await engine.list()) await engine.remove(id, { force: true })
  } finally {
    await engine.close()
    await disk.unmount()
    rmSync(folder, { recursive: true })
  }
}

const make = (name: string, script = STAYS, options = {}): Promise<{ readonly id: string }> =>
  engine.containers.create('base:1', ['sh', '-c', script], { name, ...options })
const begin = async (name: string, options = {}): Promise<void> => {
  await make(name, STAYS, options)
  await engine.containers.start(name)
  await until(`${name} is up`, async () => (await logOf(name)).includes('up'))
}
const logOf = async (name: string): Promise<string> => {
  let text = ''
  for await (const entry of engine.containers.logs(name))
    if (entry._tag === 'Line') text += Buffer.from(entry.bytes).toString()
  return text
}
const statuses = async (): Promise<Readonly<Record<string, string>>> =>
  Object.fromEntries(
    (await engine.list())
      .map(
        ({ name, status, exitCode }) =>
          [name, status === 'stopped' ? `stopped ${exitCode}` : status] as const,
      )
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  )
const documents = () =>
  readdirSync(root('containers'))
    .sort()
    .map((id) => JSON.parse(readFileSync(root('containers', id, 'container.json'), 'utf8')))

const writers = (): Readonly<Record<string, () => Promise<unknown>>> => ({
  create: () => make('fresh'),
  start: () => engine.containers.start('new'),
  run: () => engine.run('base:1', ['true']),
  rename: () => engine.containers.rename('web', 'renamed'),
  update: () => engine.containers.update('web', { memory: '64MiB' }),
  'cp into one that runs': () =>
    engine.containers.copy(path.join(folder, 'base.tar'), { container: 'web', path: '/' }),
  replace: () => engine.containers.replace('web', { image: 'base:1' }),
  commit: () => engine.commit('web', { name: 'committed:1' }),
  remove: () => engine.remove('new'),
  'volume create': () => engine.createVolume({ name: 'fresh' }),
  tag: () => engine.tag('base:1', 'tagged:1'),
})

const hasErrno = ({ error }: SlipwayError, errno: number, verb: string): void => {
  const found = error._tag === 'SyscallFailed' ? error : { errno: 0, path: '' }
  assert.ok(found.errno === errno && (found.path ?? '') !== '', `${verb}: ${JSON.stringify(error)}`)
}

for (const apart of [true, false]) {
  const where = apart ? 'the runtime directory elsewhere' : 'the runtime directory on it'
  test(`it becomes read-only, ${where}: what runs is seen and ended, and nothing is changed`, () =>
    onDisk(apart, async () => {
      await make('new')
      for (const name of ['web', 'stopped', 'killed', 'ends']) await begin(name, { restart: 'on-failure:1' })
      await begin('passing', { autoRemove: true })
      const before = documents()
      await engine.close()
      disk.abort()
      engine = open()
      for (const [verb, use] of Object.entries(writers()))
        hasErrno(await failure(use(), `${verb} to fail`), EROFS, verb)
      assert.equal(documents(), before)
      assert.is((await engine.inspect('web')).State.Status, 'running')
      assert.match(await logOf('web'), 'up')
      assert.is(await (await engine.containers.exec('web', ['true'])).exit, 0)
      await engine.containers.copy({ container: 'web', path: '/etc' }, path.join(folder, 'copied'))
      await engine.containers.stop('stopped')
      await engine.containers.kill('killed')
      await until('it was killed', async () => (await statuses()).killed !== 'running')
      await engine.containers.stop('passing')
      // Its end is told, and nothing of it can be taken away.
      hasErrno(await failure(engine.remove('stopped')), EROFS, 'rm')
      hasErrno(await failure(engine.remove('ends', { force: true })), EROFS, 'rm -f')
      await reopen()
      // Where nothing takes the record of an end, its code is not known.
      const code = (known: number): string => `stopped ${apart ? known : -1}`
      const { passing: _, ...others } = await statuses()
      assert.equal(others, {
        ends: code(137),
        killed: code(137),
        new: 'created',
        stopped: code(7),
        web: 'running',
      })
      await engine.containers.stop('web')
      await engine.close()
      await disk.unmount()
      // What was aborted is looked through before it is used again; 1: something was put right.
      execFileSync('sh', ['-c', `e2fsck -p ${path.join(folder, 'disk.img')} || [ $? -eq 1 ]`])
      disk.mount()
      engine = open()
      await until('one that removes itself is gone', async () => !('passing' in (await statuses())))
      assert.equal(
        documents(),
        before.filter(({ name }) => name !== 'passing'),
      )
      await engine.containers.start('web')
      await engine.containers.start('stopped')
      await engine.remove('new')
      assert.equal((await statuses()).web, 'running')
    }))

  test(`it is read-only from the start, ${where}: containers, logs and images are read`, () =>
    onDisk(apart, async () => {
      await make('new')
      await make('ended', 'echo up; exit 3')
      await engine.containers.start('ended')
      await engine.containers.wait('ended')
      await engine.close()
      await disk.unmount()
      disk.mount('ro')
      engine = open()
      assert.equal(await statuses(), { ended: 'stopped 3', new: 'created' })
      assert.is((await engine.inspect('ended')).State.ExitCode, 3)
      assert.is(await logOf('ended'), 'up\n')
      assert.is(await engine.containers.wait('ended'), 3)
      assert.is((await engine.images()).length, 1)
      for (const verb of ['create', 'start', 'run', 'remove', 'volume create', 'tag'])
        hasErrno(await failure(writers()[verb]?.() ?? Promise.resolve(), `${verb} to fail`), EROFS, verb)
      await engine.close()
      await disk.unmount()
      disk.mount()
      engine = open()
      await engine.containers.start('new')
    }))
}

/** ext4's own way to break, EXT4_IOC_SHUTDOWN without a flush of its journal: everything is EIO from then on. */
const SHUTDOWN =
  'open(F, "<", $ARGV[0]) or die; $how = pack("L", 2); defined(ioctl(F, 0x8004587d, $how)) or die "$!"'

test('a disk that breaks: every verb names what it could not read, and what runs elsewhere is not held up', () =>
  onDisk(true, async () => {
    await begin('web')
    const { state } = await engine.containers.inspect('web')
    await engine.close()
    execFileSync('sync', ['-f', disk.at()])
    execFileSync('perl', ['-e', SHUTDOWN, disk.at()])
    engine = open()
    for (const verb of [
      () => engine.containers.start('web'),
      () => engine.containers.rename('web', 'renamed'),
      () => engine.run('base:1', ['true']),
      () => engine.createVolume({ name: 'fresh' }),
    ])
      hasErrno(await failure(verb(), `${verb} to fail`), EIO, String(verb))
    await engine.close()
    process.kill(state?.pid ?? 0, 'SIGKILL')
    await disk.unmount()
    disk.mount()
    engine = open()
    assert.equal(await statuses(), { web: 'stopped 137' })
    await engine.containers.start('web')
  }))
test.run()
