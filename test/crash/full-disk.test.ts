// Detached containers on a disk without a block or an inode left: what needs room says so and changes nothing, what needs none works, and
// with room everything goes on.
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createEngine, type DetachedOptions, type Engine, type SlipwayError } from '../../src/index.ts'
import { makeRootfs } from '../support/engine.ts'
import { failure, until } from '../support/library.ts'
import {
  type DiskKind,
  type Shortage,
  SMALL_DISK_NEEDS,
  type SmallDisk,
  smallDisk,
} from '../support/small-disk.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('crash/full-disk')
test.requires(...SMALL_DISK_NEEDS, 'program:busybox')

const ENOSPC = 28
/** Its exit code tells that it heard its stop signal. */
const STAYS = 'trap "exit 7" TERM; echo up; while :; do sleep 0.02; done'
const KEPT = 'what a volume keeps'

let folder = ''
let base = ''
let disk: SmallDisk
let engine: Engine
let isApart = false
const root = (...names: readonly string[]): string => disk.at('root', ...names)
const runtime = (...names: readonly string[]): string =>
  isApart ? path.join(folder, 'run', ...names) : root('run', ...names)
const open = (): Engine => createEngine({ root: root(), runtime: runtime(), networksAhead: 0 })

test.before(() => {
  const made = mkdtempSync(path.join(tmpdir(), 'slipway-full-rootfs-'))
  makeRootfs(made)
  base = path.join(made, '..', 'full-base.tar')
  execFileSync('tar', ['c', '-C', made, '-f', base, '.'])
  rmSync(made, { recursive: true })
})
test.after(() => rmSync(base, { force: true }))

const onDisk = async (kind: DiskKind, apart: boolean, body: () => Promise<void>): Promise<void> => {
  folder = mkdtempSync(path.join(tmpdir(), 'slipway-full-'))
  disk = smallDisk(folder, kind)
  isApart = apart
  engine = open()
  try {
    await engine.import({ path: base }, { name: 'base:1', changes: ['ENV PATH=/bin'] })
    await body()
  } finally {
    disk.drain()
    for (const { id } of await engine.list()) await engine.remove(id, { force: true })
    await engine.close()
    await disk.unmount()
    rmSync(folder, { recursive: true })
  }
}

const make = (
  name: string,
  script = STAYS,
  options: DetachedOptions = {},
): Promise<{ readonly id: string }> =>
  engine.containers.create('base:1', ['sh', '-c', script], {
    name,
    mounts: [{ type: 'volume', source: 'kept', target: '/srv' }],
    ...options,
  })
const begin = async (name: string, options: DetachedOptions = {}): Promise<void> => {
  await make(name, STAYS, options)
  await engine.containers.start(name)
  await until(`${name} is up`, () => logOf(name).then((text) => text.includes('up')))
}
const logOf = async (name: string): Promise<string> => {
  let text = ''
  for await (const entry of engine.containers.logs(name))
    if (entry._tag === 'Line') text += Buffer.from(entry.bytes).toString()
  return text
}
const statuses = async (of: Engine = engine): Promise<Readonly<Record<string, string>>> =>
  Object.fromEntries(
    (await of.list())
      .map(
        ({ name, status, exitCode }) =>
          [name, status === 'stopped' ? `stopped ${exitCode}` : status] as const,
      )
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  )
const changed = async (name: string, status: string): Promise<void> => {
  const is = async (): Promise<string | undefined> => (await statuses())[name]
  await until(`${name} is ${status}`, async () => (await is()) === status)
}

/** Nothing half-made: what is in the folders where things are made, and under names of files that are being written. */
const halfMade = (): readonly string[] => [
  ...['ingest', 'staging', 'trash', 'replacing'].flatMap((name) => {
    try {
      return readdirSync(root(name)).map((file) => `${name}/${file}`)
    } catch {
      return []
    }
  }),
  ...execFileSync('find', [root(), '-xdev', '-name', '*.new', '-printf', '%P\n'], { encoding: 'utf8' })
    .split('\n')
    .filter((line) => line !== ''),
]

/** Of what every verb that makes something leaves as it was. */
const picture = async () => ({
  statuses: await statuses(),
  documents: readdirSync(root('containers')).map((id) =>
    JSON.parse(readFileSync(root('containers', id, 'container.json'), 'utf8')),
  ),
  names: readdirSync(root('names')).sort(),
  images: (await engine.images()).map(({ repository, tag }) => `${repository}:${tag}`).sort(),
  volumes: (await engine.volumes()).map(({ name }) => name),
  kept: readFileSync(root('volumes/kept/_data/file'), 'utf8'),
  halfMade: halfMade(),
})

const outside = (name: string): string => path.join(folder, name)
const NEEDS_ROOM: Readonly<Record<string, () => Promise<unknown>>> = {
  create: () => make('fresh'),
  start: () => engine.containers.start('new'),
  'start of one that has ended': () => engine.containers.start('ended'),
  run: () => engine.run('base:1', ['true']),
  rename: () => engine.containers.rename('web', 'renamed'),
  update: () => engine.containers.update('web', { memory: '64MiB' }),
  'cp into one that runs': () => engine.containers.copy(base, { container: 'web', path: '/' }),
  'cp into one that does not': () => engine.containers.copy(base, { container: 'new', path: '/' }),
  commit: () => engine.commit('web', { name: 'committed:1' }),
  replace: () => engine.containers.replace('web', { image: 'base:1' }),
  'replace of one that does not run': () => engine.containers.replace('new', { image: 'base:1' }),
  'volume create': () => engine.createVolume({ name: 'fresh' }),
  import: () => engine.import({ path: base }, { name: 'imported:1' }),
  tag: () => engine.tag('base:1', 'tagged:1'),
}
const NEEDS_NONE: Readonly<Record<string, () => Promise<unknown>>> = {
  list: () => engine.list(),
  inspect: () => engine.inspect('web'),
  logs: async () => assert.match(await logOf('web'), 'up'),
  top: () => engine.containers.top('web'),
  exec: async () => {
    const process = await engine.containers.exec('web', ['cat', '/srv/file'])
    let text = ''
    for await (const chunk of process.stdout ?? []) text += chunk
    assert.is(text.trim(), KEPT)
    assert.is(await process.exit, 0)
  },
  'cp out of one that runs': () =>
    engine.containers.copy({ container: 'web', path: '/etc' }, outside('copied')),
  diff: () => engine.diff('web'),
  export: () => engine.export('web', { path: outside('exported.tar') }),
  images: () => engine.images(),
  'volume prune': () => engine.pruneVolumes({ all: true }),
  'system start': async () =>
    assert.equal(await engine.containers.startWanted(), { started: [], failed: [] }),
  events: async () => {
    for await (const event of await engine.events({ since: 0, until: Math.floor(Date.now() / 1000) }))
      assert.ok(event.Action)
  },
  pause: async () => {
    await engine.containers.pause('web')
    assert.is((await statuses()).web, 'paused')
    await engine.containers.unpause('web')
    assert.is((await statuses()).web, 'running')
  },
}

const isFull = ({ error }: SlipwayError, verb: string): void => {
  const { errno, path: file } = error._tag === 'SyscallFailed' ? error : { errno: 0, path: '' }
  assert.ok(errno === ENOSPC && (file ?? '') !== '', `${verb}: ${JSON.stringify(error)}`)
}

const CASES: readonly (readonly [DiskKind, Shortage, apart: boolean])[] = [
  ['ext4', 'blocks', false],
  ['ext4', 'inodes', false],
  ['tmpfs', 'blocks', false],
  ['tmpfs', 'inodes', false],
  ['ext4', 'blocks', true],
]
for (const [kind, what, apart] of CASES) {
  const where = `${kind} without ${what}${apart ? ', the runtime directory elsewhere' : ''}`
  test(`${where}: what needs room says what is full, and changes nothing; what needs none works`, () =>
    onDisk(kind, apart, async () => {
      await make('first', `echo '${KEPT}' > /srv/file`)
      await engine.containers.start('first')
      await engine.containers.wait('first')
      await make('new')
      await make('ended', 'exit 3')
      await engine.containers.start('ended')
      await engine.containers.wait('ended')
      await begin('web')
      const before = await picture()
      for (const [verb, use] of Object.entries(NEEDS_ROOM)) {
        // With the runtime directory elsewhere a start finds all it needs there, and in what its container has already.
        if (apart && /^(start of|run$)/.test(verb)) continue
        disk.fill(what)
        isFull(await failure(use(), `${verb} to fail`), verb)
        assert.equal(await picture(), before, verb)
      }
      for (const [verb, use] of Object.entries(NEEDS_NONE)) {
        disk.fill(what)
        await use().catch((error) => {
          throw new Error(`${verb}: ${error}`)
        })
      }
      await engine.close()
      disk.fill(what)
      engine = open()
      assert.equal((await picture()).statuses, before.statuses, 'for another engine')
      disk.drain()
      await engine.containers.start('ended')
      await engine.containers.start('new')
      await engine.containers.rename('new', 'newer')
      await engine.containers.update('web', { memory: '64MiB' })
      await engine.containers.replace('web', { labels: { a: 'b' } }, { grace: 50 })
      assert.is((await statuses()).web, 'running')
      assert.is((await engine.run('base:1', ['true'])).exitCode, 0)
      assert.is(readFileSync(root('volumes/kept/_data/file'), 'utf8').trim(), KEPT)
      // What ended with its engine is cleared away a moment after its end is told.
      await until('nothing is half-made', () => halfMade().length === 0)
    }))

  test(`${where}: what runs is stopped, killed and removed, and told how it ended`, () =>
    onDisk(kind, apart, async () => {
      for (const name of ['stopped', 'killed', 'removed', 'ends', 'asked']) await begin(name)
      await begin('passing', { autoRemove: true })
      await make('never')
      disk.fill(what)
      await engine.containers.stop('stopped')
      await changed('stopped', 'stopped 7')
      disk.fill(what)
      await engine.containers.kill('killed')
      assert.is(await engine.containers.wait('killed'), 137)
      await changed('killed', 'stopped 137')
      disk.fill(what)
      process.kill((await engine.containers.inspect('ends')).state?.pid ?? 0, 'SIGTERM')
      await changed('ends', 'stopped 7')
      disk.fill(what)
      await engine.containers.stop('passing')
      await until('it has removed itself', async () => !('passing' in (await statuses())))
      // Another command finds the same, and can do the same.
      await engine.close()
      disk.fill(what)
      engine = open()
      assert.equal(await statuses(), {
        asked: 'running',
        ends: 'stopped 7',
        killed: 'stopped 137',
        never: 'created',
        removed: 'running',
        stopped: 'stopped 7',
      })
      await engine.containers.stop('asked')
      await changed('asked', 'stopped 7')
      disk.fill(what)
      await engine.remove('removed', { force: true })
      await engine.remove('never')
      await engine.remove('ends')
      assert.equal(Object.keys(await statuses()), ['asked', 'killed', 'stopped'])
      assert.equal(readdirSync(root('names')).sort(), ['asked', 'killed', 'stopped'])
      disk.drain()
      await engine.containers.start('stopped')
      assert.is((await statuses()).stopped, 'running')
      await engine.containers.kill('stopped')
      await changed('stopped', 'stopped 137')
      assert.equal(halfMade(), [])
    }))
}

test('a second container is not paused on a full disk, and says so; the first one can be paused again', () =>
  onDisk('ext4', false, async () => {
    for (const name of ['one', 'two']) await begin(name)
    disk.fill('blocks')
    for (let round = 0; round < 2; round++) {
      await engine.containers.pause('one')
      isFull(await failure(engine.containers.pause('two')), 'pause')
      assert.equal(await statuses(), { one: 'paused', two: 'running' })
      await engine.containers.unpause('one')
    }
    disk.drain()
    await engine.containers.pause('two')
    await engine.containers.unpause('two')
  }))

test('what its policy starts again runs on a full disk, too', () =>
  onDisk('ext4', false, async () => {
    await begin('again', { restart: 'always' })
    disk.fill('blocks')
    const { state } = await engine.containers.inspect('again')
    process.kill(state?.pid ?? 0, 'SIGKILL')
    await until('it runs again', async () => {
      const now = (await engine.containers.inspect('again')).state
      return now?.status === 'running' && now.pid !== state?.pid
    })
    await engine.containers.kill('again')
    await changed('again', 'stopped 137')
  }))

/** Every engine of a root that nothing can be written to has neither a lock nor a name. */
test('a folder that is not there yet and cannot be made is named', async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'slipway-full-'))
  disk = smallDisk(folder, 'tmpfs')
  mkdirSync(root())
  disk.fill('inodes')
  const fresh = createEngine({ root: root() })
  try {
    isFull(await failure(fresh.list()), 'list')
  } finally {
    await fresh.close()
    await disk.unmount()
    rmSync(folder, { recursive: true })
  }
})
test.run()
