// What keeps a store small and sound: prune, usage, check. With the real unpacker, and du(1) beside it.
import { execFileSync } from 'node:child_process'
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createEngine, type StoreReport } from '../../src/index.ts'
import { engineNeeds, openTestEngine, type TestEngine } from '../support/engine.ts'
import { holdContent } from '../support/hold-content.ts'
import { assert, suite } from '../support/suite.ts'

const Verbs = suite('library/store-verbs')
const why = engineNeeds()
const test = (name: string, body: () => Promise<void>): void =>
  why === undefined ? Verbs(name, body) : Verbs.skip(name, why)

let box: TestEngine
let folder = ''
Verbs.beforeEach(async () => {
  if (why !== undefined) return
  box = openTestEngine()
  folder = mkdtempSync(path.join(tmpdir(), 'slipway-verbs-'))
  const tar = path.join(folder, 'base.tar')
  execFileSync('tar', ['c', '-C', box.rootfs, '-f', tar, '.'])
  await box.engine.import(
    { path: tar },
    { name: 'base:1', changes: ['ENV PATH=/bin', 'LABEL kind=base'], createdMs: 1e12 },
  )
})
Verbs.afterEach(async () => {
  if (why !== undefined) return
  await box.close()
  rmSync(folder, { recursive: true, force: true })
})

/** An image over the base, made by this script. */
const made = async (name: string, script: string, more: object = {}): Promise<string> => {
  const container = await box.engine.start('base:1', ['sh', '-ec', script], { name: 'maker', keep: true })
  await container.removed
  const { id } = await box.engine.commit('maker', { name, ...more })
  await box.engine.remove('maker')
  return id
}
const names = async () =>
  (await box.engine.images()).map(({ repository, tag }) => `${repository}:${tag}`).sort()
const du = (...words: readonly string[]): number =>
  Number(execFileSync('du', ['-s', '--block-size=1', ...words], { encoding: 'utf8' }).split(/\s/)[0])

test('prune removes what has no name, and its files; all removes what no container uses', async () => {
  await made('app:1', 'echo 1 > /x')
  await made('app:1', 'echo 2 > /x')
  assert.equal(await names(), ['app:1', 'base:1', 'undefined:undefined'])
  const first = await box.engine.pruneImages()
  assert.equal([first.untagged, first.postponed], [[], false])
  assert.ok(first.deleted.length >= 3 && first.reclaimedBytes > 0, JSON.stringify(first))
  assert.equal(await names(), ['app:1', 'base:1'])
  const user = await box.engine.start('app:1', ['true'], { name: 'user', keep: true })
  await user.removed
  const all = await box.engine.pruneImages({ all: true })
  assert.equal(all.untagged, ['base:1'])
  assert.equal(await names(), ['app:1'])
  assert.is((await box.engine.run('app:1', ['cat', '/x'])).stdout, '2\n')
  await box.engine.remove('user')
})
test('prune keeps to its conditions', async () => {
  await made('new:1', 'touch /n', { changes: ['LABEL keep=yes'] })
  const prune = async (options: object) => (await box.engine.pruneImages({ all: true, ...options })).untagged
  assert.equal(await prune({ untilMs: 9e11 }), [])
  assert.equal(await prune({ labels: [{ key: 'kind', value: 'other' }] }), [])
  assert.equal(await prune({ labels: [{ key: 'none' }] }), [])
  assert.equal(await prune({ labels: [{ key: 'keep', not: true }], untilMs: 9e11 }), [])
  assert.equal(await prune({ labels: [{ key: 'keep', not: true }] }), ['base:1'])
  assert.equal(await prune({ labels: [{ key: 'keep', value: 'yes' }], untilMs: Date.now() + 1000 }), [
    'new:1',
  ])
  assert.equal(readdirSync(path.join(box.root, 'layers')), [])
})
test('prune beside a command that adds content takes names only, and the next one the files', async () => {
  const release = await holdContent(box.root)
  const pruned = await box.engine.pruneImages({ all: true })
  assert.equal([pruned.untagged, pruned.deleted, pruned.postponed], [['base:1'], [], true])
  assert.is(readdirSync(path.join(box.root, 'layers')).length, 1)
  await release()
  assert.ok((await box.engine.pruneImages()).deleted.length > 0)
  assert.equal(readdirSync(path.join(box.root, 'layers')), [])
})
test('a start beside removals runs on a whole tree, or there is no such image', async () => {
  await box.engine.tag('base:1', 'gone:1')
  await box.engine.save('gone:1', { path: path.join(folder, 'gone.tar') })
  await box.engine.removeImage('base:1')
  const other = createEngine({ root: box.root })
  let isOver = false
  const removals = async (): Promise<void> => {
    for (let round = 0; round < 40; round++) {
      await other.load({ path: path.join(folder, 'gone.tar') })
      await sleep(Math.random() * 20)
      await other.pruneImages({ all: true })
    }
    isOver = true
  }
  const starts = async (): Promise<number> => {
    let ran = 0
    while (!isOver) {
      const result = await box.engine.run('gone:1', ['cat', '/etc/passwd']).catch((error) => error)
      if (result._tag === 'ImageNotFound') continue
      assert.is(result.exitCode, 0, String(result))
      assert.match(result.stdout, /^root:/)
      ran++
    }
    return ran
  }
  const [ran] = await Promise.all([starts(), removals()]).finally(() => other.close())
  assert.ok(ran > 0, 'one of them ran')
})
test('usage is what du counts, and every image knows what it shares', async () => {
  await made('app:1', 'head -c 300000 /dev/zero | tr "\\0" x > /big')
  const kept = await box.engine.start(
    'base:1',
    ['sh', '-c', 'head -c 200000 /dev/zero | tr "\\0" y > /own'],
    {
      name: 'kept',
      keep: true,
    },
  )
  await kept.removed
  const usage = await box.engine.usage()
  const total = usage.images.sizeBytes + usage.containers.sizeBytes + usage.otherBytes
  assert.is(total, du(box.root) - du(path.join(box.root, 'run')))
  assert.is(usage.containers.sizeBytes, du(path.join(box.root, 'containers')))
  assert.equal(
    [usage.images.count, usage.images.active, usage.containers.count, usage.containers.active],
    [2, 1, 1, 0],
  )
  const [app, base] = ['app:1', 'base:1'].map((name) =>
    usage.perImage.find(({ reference }) => reference === name),
  )
  assert.ok(app !== undefined && base !== undefined)
  assert.is(app?.sharedBytes, base?.sharedBytes)
  assert.ok((app?.uniqueBytes ?? 0) >= 600_000 && (app?.uniqueBytes ?? 0) < 800_000, JSON.stringify(app))
  assert.is(app?.sizeBytes, (app?.sharedBytes ?? 0) + (app?.uniqueBytes ?? 0))
  assert.equal([app?.containers, base?.containers], [0, 1])
  assert.is(usage.images.reclaimableBytes, app?.uniqueBytes)
  assert.ok((usage.perContainer[0]?.sizeBytes ?? 0) >= 200_000)
  assert.ok(usage.containers.reclaimableBytes >= 200_000)
  await box.engine.remove('kept')
})
test('usage of an empty root is nothing', async () => {
  await box.engine.removeImage('base:1')
  const { images, perImage } = await box.engine.usage()
  assert.equal([images.count, images.reclaimableBytes, perImage], [0, 0, []])
})

const told = ({ problems }: StoreReport): readonly string[] =>
  problems.map(
    ({ what, healed }) => `${healed ? 'healed' : 'broken'} ${what.replace(/sha256:[0-9a-f]{64}/g, '…')}`,
  )
const hexes = async (name: string) => {
  const { RootFS, Id, Descriptor } = await box.engine.inspectImage(name)
  return {
    layers: RootFS.Layers.map((id) => id.slice(7)),
    config: Id.slice(7),
    manifest: Descriptor.digest.slice(7),
  }
}
const at = (...parts: readonly string[]): string => path.join(box.root, ...parts)

test('check finds nothing wrong with a store of every kind of layer', async () => {
  await made(
    'app:1',
    'rm /etc/group; rm -r /work; mkdir /work; touch /work/a; ln /etc/passwd /p; chmod 700 /root; mkdir /d',
  )
  await made('app:2', 'echo 2 > /two')
  const report = await box.engine.check()
  assert.equal(report.problems, [])
  assert.equal(report.checked, { blobs: 9, records: 3, layers: 3, stacks: 3 })
})
for (const [what, damage] of [
  ['content', (tree: string) => appendFileSync(`${tree}/etc/passwd`, 'evil:x:0:0::/:/bin/sh\n')],
  ['a mode', (tree: string) => chmodSync(`${tree}/bin/busybox`, 0o4755)],
  ['a missing file', (tree: string) => unlinkSync(`${tree}/etc/group`)],
  ['a file too many', (tree: string) => writeFileSync(`${tree}/etc/new`, '')],
] as const)
  test(`check finds ${what} in an unpacked layer and in the tree made of it, and makes both again`, async () => {
    await made('app:1', 'echo 1 > /x')
    const { layers } = await hexes('app:1')
    const before = execFileSync(
      'sh',
      [
        '-c',
        `cd ${at('layers', layers[0] ?? '')}/fs && find . | sort | xargs stat -c '%n %f %s' | grep -v '^. '`,
      ],
      { encoding: 'utf8' },
    )
    damage(at('layers', layers[0] ?? '', 'fs'))
    assert.equal(told(await box.engine.check({ heal: false })), ['broken layer …'])
    assert.ok(told(await box.engine.check()).includes('healed layer …'))
    assert.equal(told(await box.engine.check()), [])
    const after = execFileSync(
      'sh',
      [
        '-c',
        `cd ${at('layers', layers[0] ?? '')}/fs && find . | sort | xargs stat -c '%n %f %s' | grep -v '^. '`,
      ],
      { encoding: 'utf8' },
    )
    assert.is(after, before)
    assert.is((await box.engine.run('app:1', ['wc', '-l', '/etc/passwd'])).stdout.trim(), '2 /etc/passwd')
  })
test('check drops records that are none, makes wrong ones again, and unpacks what is missing', async () => {
  await made('app:1', 'echo 1 > /x')
  const { layers } = await hexes('app:1')
  const [first = ''] = readdirSync(at('prepared'))
  writeFileSync(at('prepared', first), '{"version":1')
  assert.equal(told(await box.engine.check()), [`healed record ${first}`])
  const [second = ''] = readdirSync(at('prepared'))
  const record = JSON.parse(readFileSync(at('prepared', second), 'utf8')) as { config: object }
  writeFileSync(at('prepared', second), JSON.stringify({ ...record, config: { User: 'root' } }))
  assert.equal(told(await box.engine.check({ heal: false })).length, 1)
  assert.equal(told(await box.engine.check()).length, 1)
  assert.equal(JSON.parse(readFileSync(at('prepared', second), 'utf8')), record)
  rmSync(at('layers', layers.at(-1) ?? ''), { recursive: true })
  writeFileSync(at('layers', layers[0] ?? '', 'layer.json'), 'x')
  const { message } = await box.engine.run('base:1', ['true']).then(
    () => ({ message: 'it started' }),
    (error: Error) => error,
  )
  assert.match(message, /layer\.json: damaged: it is not JSON; slipway system check makes it again$/)
  const healed = told(await box.engine.check())
  assert.ok(healed.length > 0 && healed.every((line) => line.startsWith('healed')), healed.join('\n'))
  assert.equal(told(await box.engine.check()), [])
})
test('check names a damaged blob, which it cannot heal, and lets a load bring it again', async () => {
  await made('app:1', 'echo 1 > /x')
  await box.engine.save('app:1', { path: path.join(folder, 'app.tar') })
  const { layers } = await hexes('app:1')
  const blob = at('oci/blobs/sha256', layers.at(-1) ?? '')
  const bytes = readFileSync(blob)
  bytes[700] = (bytes[700] ?? 0) ^ 1
  writeFileSync(blob, bytes)
  const report = await box.engine.check({ heal: false })
  assert.equal([report.problems.length, report.problems[0]?.healed], [1, false])
  assert.match(report.problems[0]?.why ?? '', /expected sha256:.*, got sha256:/)
  assert.ok(existsSync(blob))
  assert.is((await box.engine.check()).problems.length, 1)
  assert.not.ok(existsSync(blob))
  await box.engine.load({ path: path.join(folder, 'app.tar') })
  assert.equal(told(await box.engine.check()), [])
})
test('check leaves alone what a container uses, and says so', async () => {
  const { layers } = await hexes('base:1')
  await using _user = await box.engine.start('base:1', ['sleep', '60'], { name: 'user' })
  writeFileSync(at('layers', layers[0] ?? '', 'fs/etc/new'), '')
  const [problem] = (await box.engine.check()).problems
  assert.is(problem?.healed, false)
  assert.match(problem?.remedy ?? '', /^remove the containers that use it first: [0-9a-f]{12}$/)
})
test('a quick check reads digests and records, and no tree', async () => {
  const { layers, manifest } = await hexes('base:1')
  writeFileSync(at('layers', layers[0] ?? '', 'fs/etc/new'), '')
  assert.equal(told(await box.engine.check({ trees: false })), [])
  appendFileSync(at('oci/blobs/sha256', manifest), ' ')
  assert.ok(told(await box.engine.check({ trees: false })).length > 0)
})
Verbs.run()
