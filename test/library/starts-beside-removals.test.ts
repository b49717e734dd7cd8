// An image is removed just after a start has looked for it, in each of the ways there are to start: there is no such image then, and
// nothing is left of who would have run on a tree that goes.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createEngine, type Engine } from '../../src/index.ts'
import { engineNeeds, openTestEngine } from '../support/engine.ts'
import { holdContent } from '../support/hold-content.ts'
import { until } from '../support/library.ts'
import { assert, suite } from '../support/suite.ts'

const Starts = suite('library/starts-beside-removals')
const why = engineNeeds()

const READ = ['cat', '/etc/passwd']

/** After which the image goes: of a start with nothing to wait for, before it. */
type Look = 'prepareImage' | 'userFiles' | 'none'
/** Calls `remove` before a start of `gone:1`. */
interface Way {
  readonly looks: readonly Look[]
  /** It has the image by its id from then on: one whose tree stays for the moment stays for good. */
  readonly onlyWithTree?: true
  readonly start: (engine: Engine, remove: () => Promise<void>, rootfs: string) => Promise<unknown>
}
const MOUNTED = { mounts: [{ type: 'image', source: 'gone:1', target: '/image' }] } as const
const LOOKS = ['prepareImage', 'userFiles'] as const
const WAYS: Readonly<Record<string, Way>> = {
  'a start': {
    looks: LOOKS,
    start: async (engine, remove) => {
      await remove()
      return await engine.run('gone:1', READ)
    },
  },
  'a pool': {
    looks: LOOKS,
    start: async (engine, remove) => {
      await remove()
      await using pool = await engine.pool({ image: 'gone:1' }, { min: 1, max: 1 })
      return await pool.run(READ)
    },
  },
  'a pool that makes its first sandbox now': {
    looks: LOOKS,
    start: async (engine, remove) => {
      await remove()
      await using pool = await engine.pool({ image: 'gone:1' }, { min: 0, max: 1 })
      return await pool.run(READ)
    },
  },
  'a start from a pool without an image': {
    looks: LOOKS,
    start: async (engine, remove) => {
      await using pool = await engine.pool({}, { min: 1, max: 1 })
      await remove()
      return await pool.run(READ, { image: 'gone:1' })
    },
  },
  'a start from a pool that has had its image before': {
    looks: ['none'],
    start: async (engine, remove) => {
      await using pool = await engine.pool({}, { min: 1, max: 1 })
      await pool.run(READ, { image: 'gone:1' })
      // Nobody has the image any more.
      await until('the container is gone', async () => (await engine.list()).length === 0)
      await remove()
      return await pool.run(READ, { image: 'gone:1' })
    },
  },
  'a container that outlives its command': {
    looks: LOOKS,
    start: async (engine, remove) => {
      await remove()
      return await engine.containers.create('gone:1', READ)
    },
  },
  'a start that mounts it': {
    looks: LOOKS,
    onlyWithTree: true,
    start: async (engine, remove, rootfs) => {
      await remove()
      return await engine.run({ rootfs }, READ, MOUNTED)
    },
  },
  'a pool that mounts it': {
    looks: ['userFiles'],
    onlyWithTree: true,
    start: async (engine, remove, rootfs) => {
      await remove()
      await using pool = await engine.pool({ image: { rootfs }, ...MOUNTED }, { min: 1, max: 1 })
      return await pool.run(READ)
    },
  },
  'a container that outlives its command and mounts it': {
    looks: LOOKS,
    onlyWithTree: true,
    start: async (engine, remove, rootfs) => {
      await remove()
      return await engine.containers.create({ rootfs }, READ, MOUNTED)
    },
  },
}

const CASES = Object.entries(WAYS).flatMap(([what, { looks, onlyWithTree = false, start }]) =>
  looks.flatMap((look) =>
    [true, false]
      .filter((withTree) => withTree || !onlyWithTree)
      .map((withTree) => ({ what, look, withTree, start })),
  ),
)

type Program = (...words: unknown[]) => () => Promise<unknown>
for (const { what, look, withTree, start } of CASES) {
  const name = `${what}, and its image goes ${look === 'none' ? 'before' : `after ${look}`}, ${withTree ? 'with' : 'not yet with'} its tree`
  const body = async (): Promise<void> => {
    const box = openTestEngine()
    const folder = mkdtempSync(path.join(tmpdir(), 'slipway-removals-'))
    const other = createEngine({ root: box.root })
    try {
      const tar = path.join(folder, 'image.tar')
      execFileSync('tar', ['c', '-C', box.rootfs, '-f', tar, '.'])
      await other.import({ path: tar }, { name: 'gone:1', changes: ['ENV PATH=/bin'] })
      const host = (await box.engine.open()).ports.host as unknown as Record<string, Program>
      const real = host[look]
      const removed: string[] = []
      const prune = async (): Promise<void> => {
        const release = withTree ? undefined : await holdContent(box.root)
        removed.push(...(await other.pruneImages({ all: true })).untagged)
        await release?.()
      }
      const remove = async (): Promise<void> => {
        if (real === undefined) return prune()
        host[look] =
          (...words) =>
          async () => {
            host[look] = real
            const looked = await real(...words)()
            await prune()
            return looked
          }
      }
      const error = await start(box.engine, remove, box.rootfs).then(
        (value) => new Error(`it started: ${JSON.stringify(value)}`),
        (thrown) => thrown,
      )
      assert.is(error._tag, 'ImageNotFound', String(error))
      assert.equal(removed, ['gone:1'])
      assert.equal(await other.list(), [])
      await box.engine.close()
      assert.equal(
        [readdirSync(path.join(box.root, 'containers')), readdirSync(path.join(box.root, 'run/records'))],
        [[], []],
      )
    } finally {
      await other.close()
      await box.close()
      rmSync(folder, { recursive: true, force: true })
    }
  }
  if (why === undefined) Starts(name, body)
  else Starts.skip(name, why)
}

Starts.run()
