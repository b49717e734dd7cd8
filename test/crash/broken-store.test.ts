// A disk that is full or read-only, and files of the store that are none any more: a clear error, nothing lost, and the next verb works.
import { execFileSync } from 'node:child_process'
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createEngine, type Engine, type EngineError } from '../../src/index.ts'
import { makeRootfs } from '../support/engine.ts'
import { failure as thrownBy } from '../support/library.ts'
import { type RunningRegistry, startRegistry } from '../support/registry.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('crash/broken-store')
test.requires(
  'root',
  'program:busybox',
  'program:mkfs.ext4',
  'file:/dev/loop-control',
  'program:docker-registry',
  'program:skopeo',
)

let folder = ''
let engine: Engine
let registry: RunningRegistry | undefined
const at = (...parts: readonly string[]): string => path.join(folder, ...parts)
const root = (...parts: readonly string[]): string => at('disk', 'root', ...parts)
const DISK = '64M'

test.before(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'slipway-broken-'))
  for (const name of ['disk', 'rootfs']) mkdirSync(at(name))
  makeRootfs(at('rootfs'))
  execFileSync('tar', ['c', '-C', at('rootfs'), '-f', at('base.tar'), '.'])
  registry = await startRegistry()
})
test.after(async () => {
  await registry?.stop()
  rmSync(folder, { recursive: true, force: true })
})
test.beforeEach(async () => {
  execFileSync('truncate', ['-s', DISK, at('disk.img')])
  execFileSync('mkfs.ext4', ['-q', '-F', '-m', '0', at('disk.img')])
  execFileSync('mount', ['-o', 'loop', at('disk.img'), at('disk')])
  engine = createEngine({ root: root(), runtime: at('run') })
  await engine.import({ path: at('base.tar') }, { name: 'base:1', changes: ['ENV PATH=/bin'] })
  await runs('base:1')
})
test.afterEach(async () => {
  await engine.close()
  execFileSync('umount', [at('disk')])
  rmSync(at('disk.img'))
  rmSync(at('run'), { recursive: true, force: true })
})

/** The tagged error. */
const failure = async (attempt: Promise<unknown>): Promise<EngineError> => (await thrownBy(attempt)).error
const runs = async (name: string): Promise<void> =>
  assert.is((await engine.run(name, ['true'])).exitCode, 0, name)
const names = async (): Promise<readonly string[]> =>
  (await engine.images()).map(({ repository, tag }) => `${repository}:${tag}`).sort()
const isSound = async (): Promise<void> => assert.equal((await engine.check()).problems, [])
/** A fresh one: nothing is remembered. */
const reopen = async (): Promise<void> => {
  await engine.close()
  engine = createEngine({ root: root(), runtime: at('run') })
}
const leftovers = (): readonly string[] =>
  ['ingest', 'staging'].flatMap((name) => readdirSync(root(name)).map((file) => `${name}/${file}`))

/** Leaves so many bytes of the disk free. */
const fill = (free: number): void => {
  const available = Number(
    execFileSync('stat', ['-f', '-c', '%a %S', at('disk')], { encoding: 'utf8' })
      .split(' ')
      .reduce((product, number) => product * Number(number), 1),
  )
  const fd = openSync(at('disk', 'filler'), 'w')
  try {
    const chunk = Buffer.alloc(1 << 16)
    for (let left = available - free; left > 0; left -= chunk.length) writeSync(fd, chunk)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
  } finally {
    closeSync(fd)
  }
}
const drain = (): void => rmSync(at('disk', 'filler'))

/** What an image of 8 MB needs that is made in each way, and where a failure must not leave anything. */
const makers: Readonly<Record<string, () => Promise<unknown>>> = {
  pull: () => engine.pull(`${registry?.host}/big:1`),
  load: () => engine.load({ path: at('big.tar') }),
  import: () => engine.import({ path: at('import.tar') }, { name: 'imported:1' }),
  commit: () => engine.commit('maker', { name: 'committed:1' }),
}
const makeBig = async (): Promise<void> => {
  const script = 'dd if=/dev/urandom of=/big bs=1M count=8'
  const maker = await engine.start('base:1', ['sh', '-c', script], { name: 'maker', keep: true })
  await maker.removed
  await engine.commit('maker', { name: `${registry?.host}/big:1` })
  await engine.push(`${registry?.host}/big:1`)
  await engine.save(`${registry?.host}/big:1`, { path: at('big.tar') })
  await engine.export('maker', { path: at('import.tar') })
  await engine.removeImage(`${registry?.host}/big:1`)
}
/** ENOSPC, of a file that is named. */
const isFull = (error: EngineError): void => {
  const { errno, path: file } = error._tag === 'SyscallFailed' ? error : { errno: 0, path: '' }
  assert.ok(errno === 28 && (file ?? '') !== '', JSON.stringify(error))
}

for (const [verb, make] of Object.entries(makers)) {
  test(`a full disk ends ${verb} with ENOSPC wherever it fills, and what was there stays`, async () => {
    await makeBig()
    for (const free of [16 << 10, 1 << 20, 7 << 20, 10 << 20]) {
      fill(free)
      isFull(await failure(make()))
      assert.equal(await names(), ['base:1'])
      await runs('base:1')
      drain()
      await isSound()
    }
    await reopen()
    await make()
    await isSound()
    assert.equal(leftovers(), [])
    assert.is((await names()).length, 2)
  })
}
test('a full disk does not keep images from being removed and pruned', async () => {
  await engine.import({ path: at('base.tar') }, { name: 'other:1', changes: ['LABEL a=b'] })
  fill(0)
  await engine.removeImage('other:1').catch(async (error) => {
    // index.json is replaced, which takes a block. Nothing is lost by it.
    isFull(error.error)
    drain()
    await engine.removeImage('other:1')
  })
  assert.equal(await names(), ['base:1'])
  await runs('base:1')
})
test('a full disk ends save with ENOSPC, and the file that was there stays', async () => {
  writeFileSync(at('disk', 'saved.tar'), 'old')
  fill(64 << 10)
  isFull(await failure(engine.save('base:1', { path: at('disk', 'saved.tar') })))
  assert.is(readFileSync(at('disk', 'saved.tar'), 'utf8'), 'old')
  assert.equal(readdirSync(at('disk')).sort(), ['filler', 'lost+found', 'root', 'saved.tar'])
})

test('on a read-only disk images are listed and read, and what would change them says EROFS', async () => {
  await makeBig()
  // One that has noted an event keeps the journal open for the next one: a disk with such a file stays writable.
  await engine.close()
  engine = createEngine({ root: root(), runtime: at('run') })
  await names()
  execFileSync('mount', ['-o', 'remount,ro', at('disk')])
  try {
    assert.equal(await names(), ['base:1'])
    assert.is((await engine.inspectImage('base:1')).Os, 'linux')
    for (const [verb, make] of Object.entries({
      ...makers,
      remove: () => engine.removeImage('base:1', { force: true }),
      tag: () => engine.tag('base:1', 'other:1'),
    })) {
      const error = await failure(make())
      const { errno, path: file } = error._tag === 'SyscallFailed' ? error : { errno: 0, path: '' }
      assert.ok(errno === 30 && (file ?? '') !== '', `${verb}: ${JSON.stringify(error)}`)
    }
  } finally {
    execFileSync('mount', ['-o', 'remount,rw', at('disk')])
  }
  await isSound()
  assert.equal(await names(), ['base:1'])
  await engine.pull(`${registry?.host}/big:1`)
})

const half = (file: string): void => truncateSync(file, Math.floor(statSync(file).size / 2))
const DAMAGES: Readonly<Record<string, (file: string) => void>> = {
  'cut in half': half,
  empty: (file) => truncateSync(file, 0),
  noise: (file) => writeFileSync(file, Buffer.alloc(statSync(file).size, 0xa5)),
  'another document': (file) => writeFileSync(file, '{"schemaVersion":2}'),
}
const undo = (file: string, bytes: Buffer): void => {
  rmSync(file, { recursive: true, force: true })
  writeFileSync(file, bytes)
}
const idOf = async (name: string) => {
  const { RootFS, Id, Descriptor } = await engine.inspectImage(name)
  return {
    manifest: root('oci/blobs/sha256', Descriptor.digest.slice(7)),
    config: root('oci/blobs/sha256', Id.slice(7)),
    layer: root('oci/blobs/sha256', RootFS.Layers[0]?.slice(7) ?? ''),
    unpacked: root('layers', RootFS.Layers[0]?.slice(7) ?? ''),
  }
}

const isFolder = (file: string): void => {
  rmSync(file)
  mkdirSync(file)
}
for (const [what, damage] of [...Object.entries(DAMAGES), ['a folder', isFolder] as const]) {
  test(`index.json that is ${what}: every verb names it, and nothing is swept`, async () => {
    const index = root('oci/index.json')
    const before = readFileSync(index)
    const blobs = readdirSync(root('oci/blobs/sha256'))
    damage(index)
    await reopen()
    for (const verb of [
      () => engine.images(),
      () => engine.run('base:1', ['true']),
      () => engine.check(),
      () => engine.pruneImages({ all: true }),
      () => engine.removeImage('base:1'),
      () => engine.import({ path: at('base.tar') }, { name: 'other:1' }),
      () => engine.load({ path: at('base.tar') }),
    ]) {
      const error = await failure(verb())
      assert.match(JSON.stringify(error), /index\.json|neither an OCI layout/, JSON.stringify(error))
    }
    assert.equal(
      blobs.filter((name) => !existsSync(root('oci/blobs/sha256', name))),
      [],
    )
    undo(index, before)
    await reopen()
    assert.equal(await names(), ['base:1'])
    await runs('base:1')
    await engine.pruneImages()
    await isSound()
  })
}
for (const [what, damage] of Object.entries(DAMAGES)) {
  test(`a record that is ${what} is made again by the next start`, async () => {
    const [record = ''] = readdirSync(root('prepared'))
    damage(root('prepared', record))
    await reopen()
    assert.equal(await names(), ['base:1'])
    await runs('base:1')
    await engine.check()
    await isSound()
  })

  for (const part of ['manifest', 'config', 'layer'] as const) {
    test(`a blob that is ${what}, of a ${part}: check names it, and the image can be brought again`, async () => {
      await engine.save('base:1', { path: at('base-image.tar') })
      const file = (await idOf('base:1'))[part]
      await engine.tag('base:1', 'two:1')
      await engine.import({ path: at('base.tar') }, { name: 'next:1', changes: ['LABEL a=b'] })
      damage(file)
      await reopen()
      // Its tree is there: a container of it starts, and another image's removal does not take it away.
      await runs('base:1')
      await engine.removeImage('next:1')
      await runs('base:1')
      const { problems } = await engine.check()
      assert.ok(
        problems.some((problem) => problem.what.includes(path.basename(file)) && !problem.healed),
        JSON.stringify(problems),
      )
      await engine.load({ path: at('base-image.tar') })
      await isSound()
      await runs('two:1')
    })
  }

  test(`a layer's record that is ${what}: check makes the layer again`, async () => {
    const { unpacked } = await idOf('base:1')
    damage(path.join(unpacked, 'layer.json'))
    await reopen()
    const { problems } = await engine.check()
    assert.ok(problems.length > 0 && problems.every(({ healed }) => healed), JSON.stringify(problems))
    await isSound()
    await runs('base:1')
  })
}
test('a layer that is gone is unpacked again by the next start', async () => {
  const { unpacked } = await idOf('base:1')
  renameSync(unpacked, at('disk', 'gone'))
  await reopen()
  await runs('base:1')
  await isSound()
})
test.run()
