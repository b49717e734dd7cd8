// tag, inspect and history: names move, and documents are told in Docker's words.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type BuiltImage, buildImage, buildIndex, layoutFiles, writeFiles } from '../support/image-builder.ts'
import { left, right, type TestStore, testStore } from '../support/image-store.ts'
import { assert, suite } from '../support/suite.ts'

const Words = suite('engine/image-words')
const config = { Cmd: ['/a'], Labels: { n: '1' }, Healthcheck: { Test: ['NONE'] } }
const one = buildImage({ layers: [[{ name: 'base', data: 'base' }], [{ name: 'one' }]], config })
const two = buildImage({ layers: [[{ name: 'two' }]] })

let store: TestStore
Words.beforeEach(() => {
  store = testStore()
})
Words.afterEach(() => store.remove())

const loadAs = async (image: BuiltImage, name?: string): Promise<void> => {
  const folder = mkdtempSync(path.join(tmpdir(), 'slipway-load-'))
  writeFiles(folder, layoutFiles([[image, name]]))
  await right(store.images.load({ path: folder }))
  rmSync(folder, { recursive: true })
}
const idOf = async (name: string) => (await right(store.images.resolve(name))).id

Words('a tag is one more name for the same image', async () => {
  await loadAs(one, 'app:1')
  await right(store.images.tag('app:1', '127.0.0.1:5000/me/app'))
  assert.is(await idOf('127.0.0.1:5000/me/app:latest'), one.config.digest)
  assert.is(await idOf('app:1'), one.config.digest)
})
Words('a tag by the beginning of an id names a nameless image', async () => {
  await loadAs(one)
  await right(store.images.tag(one.config.digest.slice(7, 19), 'app'))
  assert.equal(
    (await right(store.images.list())).map(({ repository, tag }) => `${repository}:${tag}`),
    ['app:latest'],
  )
})
Words('a name that another image had is taken from it, and that image stays', async () => {
  await loadAs(one, 'app:1')
  await loadAs(two, 'app:2')
  await right(store.images.tag('app:2', 'app:1'))
  assert.is(await idOf('app:1'), two.config.digest)
  assert.is(await idOf(one.config.digest), one.config.digest)
})
Words('a tag of nothing, to nothing, and to a digest are refused', async () => {
  await loadAs(one, 'app:1')
  assert.is((await left('ImageNotFound', store.images.tag('nope', 'app:2'))).reference, 'nope')
  await left('InvalidReference', store.images.tag('app:1', 'UPPER'))
  const { why } = await left('InvalidReference', store.images.tag('app:1', `app@${one.target.digest}`))
  assert.is(why, 'a name with a digest cannot be given to an image')
  assert.is((await right(store.images.list())).length, 1)
})

Words(
  'inspect tells names, digests, sizes and the config with every field a template may ask for',
  async () => {
    await loadAs(one, 'me/app:1')
    await right(store.images.tag('me/app:1', 'other:2'))
    const found = await right(store.images.inspect('me/app:1'))
    assert.is(found.Id, one.config.digest)
    assert.equal(found.RepoTags, ['me/app:1', 'other:2'])
    assert.equal(found.RepoDigests, [`me/app@${one.target.digest}`, `other@${one.target.digest}`])
    assert.equal(found.RootFS, { Type: 'layers', Layers: one.diffIds })
    assert.is(
      found.Size,
      [...store.snapshotter.layers.values()].reduce((sum, size) => sum + size, 0),
    )
    assert.equal([found.Os, found.Architecture, found.Variant], ['linux', 'amd64', ''])
    assert.is(found.Created, '2024-01-02T03:04:05Z')
    assert.equal(found.Config.Cmd, ['/a'])
    assert.equal(found.Config.Healthcheck, { Test: ['NONE'] })
    assert.equal([found.Config.User, found.Config.Entrypoint], ['', null])
    assert.is(found.Descriptor.digest, one.target.digest)
  },
)
Words('inspect of a nameless image by its id has no names', async () => {
  await loadAs(one)
  const found = await right(store.images.inspect(one.config.digest))
  assert.equal([found.RepoTags, found.RepoDigests], [[], []])
})
Words('inspect chooses the platform it is told, and else the one that is here', async () => {
  const arm = buildImage({ architecture: 'arm64', layers: [[{ name: 'arm' }]] })
  await loadAs(
    buildIndex([
      [one, 'amd64'],
      [arm, 'arm64'],
    ]),
    'app:1',
  )
  assert.is((await right(store.images.inspect('app:1'))).Id, one.config.digest)
  const platform = { os: 'linux', architecture: 's390x' }
  assert.equal(
    (await left('PlatformMismatch', store.images.inspect('app:1', { platform }))).wanted,
    'linux/s390x',
  )
  const folder = mkdtempSync(path.join(tmpdir(), 'slipway-load-'))
  writeFiles(folder, layoutFiles([[arm, 'arm:1']]))
  await right(store.images.load({ path: folder }, { platform: { os: 'linux', architecture: 'arm64' } }))
  rmSync(folder, { recursive: true })
  assert.is((await right(store.images.inspect('arm:1'))).Architecture, 'arm64')
  assert.is((await right(store.images.inspect(arm.config.digest))).Id, arm.config.digest)
})
Words('platforms are those of the index, with sizes where all of one is here', async () => {
  const arm = buildImage({ architecture: 'arm64', layers: [[{ name: 'arm' }]] })
  const index = buildIndex([
    [one, 'amd64'],
    [arm, 'arm64'],
  ])
  await loadAs(index, 'app:1')
  const [own, other, ...more] = await right(store.images.platforms('app:1'))
  assert.equal(more, [])
  assert.equal(other, { platform: 'linux/arm64', digest: arm.target.digest, isHere: false })
  const blobs = [one.target, one.config, ...one.layers]
  assert.equal(own, {
    platform: 'linux/amd64',
    digest: one.target.digest,
    isHere: true,
    id: one.config.digest,
    sizeBytes: (await right(store.images.inspect('app:1'))).Size,
    contentBytes: blobs.reduce((sum, { size }) => sum + size, 0),
    containers: 0,
  })
  const folder = mkdtempSync(path.join(tmpdir(), 'slipway-load-'))
  writeFiles(folder, layoutFiles([[index, 'app:1']]))
  await right(store.images.load({ path: folder }, { platform: { os: 'linux', architecture: 'arm64' } }))
  rmSync(folder, { recursive: true })
  assert.equal(
    (await right(store.images.platforms('app:1'))).map(({ platform, isHere }) => `${platform} ${isHere}`),
    ['linux/amd64 true', 'linux/arm64 true'],
  )
  // What the index is called means both.
  for (const text of [index.target.digest, index.target.digest.slice(7, 19)])
    assert.is((await right(store.images.platforms(text))).length, 2)
  assert.equal((await right(store.images.remove(index.target.digest))).untagged, ['app:1'])
})
Words('an image without an index has the platform of its config', async () => {
  await loadAs(two, 'two:1')
  assert.equal(
    (await right(store.images.platforms(two.config.digest))).map(({ platform, id, isHere }) => [
      platform,
      id,
      isHere,
    ]),
    [['linux/amd64', two.config.digest, true]],
  )
})
Words('platforms of what is not here fails with its name', async () => {
  assert.is((await left('ImageNotFound', store.images.platforms('nope'))).reference, 'nope')
})
Words('inspect of what is not here fails with its name', async () => {
  assert.is((await left('ImageNotFound', store.images.inspect('nope'))).reference, 'nope')
})

const history = [
  { created: '2024-01-01T00:00:00Z', created_by: 'ADD base' },
  { created: '2024-01-01T00:00:01Z', created_by: 'ENV a=b', empty_layer: true },
  { created: '2024-01-01T00:00:02Z', created_by: 'RUN one', comment: 'buildkit' },
]
Words('history gives the steps newest first, each with the size of its layer', async () => {
  const told = buildImage({
    layers: [[{ name: 'base', data: 'x'.repeat(5000) }], [{ name: 'one' }]],
    history,
  })
  await loadAs(told, 'told:1')
  const steps = await right(store.images.history('told:1'))
  assert.equal(
    steps.map(({ createdBy }) => createdBy),
    ['RUN one', 'ENV a=b', 'ADD base'],
  )
  const sizes = told.diffIds.map((diffId) => store.snapshotter.layers.get(diffId))
  assert.equal(
    steps.map(({ sizeBytes }) => sizeBytes),
    [sizes[1], 0, sizes[0]],
  )
  assert.equal(
    steps.map(({ id }) => id),
    [told.config.digest, undefined, undefined],
  )
  assert.equal([steps[0]?.comment, steps[0]?.createdMs], ['buildkit', Date.parse('2024-01-01T00:00:02Z')])
})
Words('layers without a history are shown without words', async () => {
  await loadAs(one, 'one:1')
  const steps = await right(store.images.history('one:1'))
  assert.equal(
    steps.map(({ createdBy }) => createdBy),
    ['', ''],
  )
  assert.is(steps[0]?.id, one.config.digest)
})
Words.run()
