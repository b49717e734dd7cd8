// Listing, resolving and removing: names, ids, what is shared, what is in use, and what a crash leaves.
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmdirSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import * as TE from '#fp/TaskEither'
import { openContentStore } from '../../src/adapters/content-store.ts'
import { digestOf, hexOf } from '../../src/model/digest.ts'
import { hint, message } from '../../src/model/errors.ts'
import { loadAddon } from '../../src/native/load.ts'
import { type BuiltImage, buildImage, buildIndex, layoutFiles, writeFiles } from '../support/image-builder.ts'
import { left, right, type TestStore, testStore } from '../support/image-store.ts'
import { assert, suite } from '../support/suite.ts'

const Images = suite('engine/images')
const base = [{ name: 'base', data: 'base' }]
const one = buildImage({ layers: [base, [{ name: 'one' }]], config: { Labels: { n: '1' } } })
const two = buildImage({ layers: [base, [{ name: 'two' }]], config: { Labels: { n: '2' } } })

let store: TestStore
let users: Readonly<Record<string, readonly string[]>> = {}
Images.beforeEach(() => {
  users = {}
  store = testStore({ inUse: (id) => TE.right(users[id] ?? []) })
})
Images.afterEach(() => store.remove())

const loadAs = async (image: BuiltImage, name?: string): Promise<void> => {
  const folder = mkdtempSync(path.join(tmpdir(), 'slipway-load-'))
  writeFiles(folder, layoutFiles([[image, name]]))
  await right(store.images.load({ path: folder }))
  rmSync(folder, { recursive: true })
}
const names = async () =>
  (await right(store.images.list())).map(({ repository, tag }) => `${repository}:${tag}`).sort()
const blobCount = () => store.files().filter((file) => file.startsWith('oci/blobs')).length

Images('a list tells name, size, platform, age and labels', async () => {
  await loadAs(one, 'me/one:1')
  const [found] = await right(store.images.list())
  assert.equal(found, {
    id: one.config.digest,
    repository: 'me/one',
    tag: '1',
    digest: one.target.digest,
    platform: 'linux/amd64',
    createdMs: Date.parse('2024-01-02T03:04:05Z'),
    sizeBytes: [...store.snapshotter.layers.values()].reduce((sum, size) => sum + size, 0),
    labels: { n: '1' },
  })
})
Images('an empty root lists nothing and is left alone', async () => {
  assert.equal(await right(store.images.list()), [])
  assert.equal(store.files(), [])
})
Images('a name that moves leaves the old image nameless', async () => {
  await loadAs(one, 'app:1')
  await loadAs(two, 'app:1')
  assert.equal(await names(), ['app:1', 'undefined:undefined'])
  assert.is((await right(store.images.resolve('app:1'))).id, two.config.digest)
  await loadAs(one, 'app:old')
  assert.equal(await names(), ['app:1', 'app:old'])
})

for (const text of [
  'app',
  'app:latest',
  'docker.io/library/app',
  `app@${one.target.digest}`,
  hexOf(one.config.digest),
  one.config.digest,
  hexOf(one.config.digest).slice(0, 6),
  hexOf(one.target.digest).slice(0, 12),
]) {
  Images(`${text.slice(0, 30)} of ${text.length} characters finds the image`, async () => {
    await loadAs(one, 'app:latest')
    await loadAs(two, 'other:latest')
    assert.is((await right(store.images.resolve(text))).id, one.config.digest)
  })
}
for (const text of ['app:2', 'nope', 'c0ffee', digestOf('nothing'), `app@${digestOf('nothing')}`]) {
  Images(`${text.slice(0, 30)} is no such image`, async () => {
    await loadAs(one, 'app:latest')
    const error = await left('ImageNotFound', store.images.resolve(text))
    assert.is(message(error), `no such image: ${text}`)
    assert.is(hint(error), 'pull or load it first')
  })
}
Images('the beginning of two ids is ambiguous', async () => {
  await loadAs(one, 'one')
  await loadAs(two, 'two')
  assert.match(
    (await left('InvalidReference', store.images.resolve('sha256:'))).why,
    /not a tag|algorithm|2 images|hex/,
  )
})
Images('a name wins over an id that looks the same', async () => {
  const short = hexOf(one.config.digest).slice(0, 12)
  await loadAs(one, 'one:1')
  await loadAs(two, `docker.io/library/${short}:latest`)
  assert.is((await right(store.images.resolve(short))).id, two.config.digest)
})
Images('another platform than what is here is an error', async () => {
  await loadAs(one, 'one:1')
  const error = await left(
    'PlatformMismatch',
    store.images.resolve('one:1', { platform: { os: 'linux', architecture: 'arm64' } }),
  )
  assert.equal(error.found, ['linux/amd64'])
})

Images('a resolved image is remembered until index.json changes', async () => {
  await loadAs(one, 'app:1')
  const engine = store.other()
  const first = await right(engine.resolve('app:1'))
  assert.is(await right(engine.resolve('app:1')), first)
  await loadAs(two, 'app:1')
  assert.is((await right(engine.resolve('app:1'))).id, two.config.digest)
  await right(store.images.remove('app:1'))
  await left('ImageNotFound', engine.resolve('app:1'))
})
Images('a failure is not remembered', async () => {
  await left('ImageNotFound', store.images.resolve('app:1'))
  await loadAs(one, 'app:1')
  await right(store.images.resolve('app:1'))
})
Images('lost trees are made again from the blobs', async () => {
  await loadAs(one, 'app:1')
  store.snapshotter.layers.clear()
  store.snapshotter.stacks.clear()
  assert.is((await right(store.other().resolve('app:1'))).id, one.config.digest)
  assert.is(store.snapshotter.layers.size, 2)
})
Images('a lost or unreadable record is made again from the blobs', async () => {
  await loadAs(one, 'app:1')
  const file = store.files().find((name) => name.startsWith('prepared/')) ?? ''
  writeFileSync(path.join(store.root, file), '{"version":1,')
  assert.is((await right(store.other().resolve('app:1'))).id, one.config.digest)
  rmSync(path.join(store.root, file))
  assert.is((await right(store.other().resolve('app:1'))).id, one.config.digest)
})
Images('lost trees and a damaged blob are an error that names the blob', async () => {
  await loadAs(one, 'app:1')
  store.snapshotter.layers.clear()
  store.snapshotter.stacks.clear()
  const layer = one.layers[0]?.digest ?? digestOf('')
  const file = path.join(store.root, 'oci/blobs/sha256', hexOf(layer))
  const bytes = readFileSync(file)
  bytes[12] = (bytes[12] ?? 0) ^ 0xff
  writeFileSync(file, bytes)
  assert.is((await left('DigestMismatch', store.other().resolve('app:1'))).expected, layer)
  rmSync(file)
  const gone = await left('StateDamaged', store.other().resolve('app:1'))
  assert.is(gone.path, file)
})
Images('images another tool put into the layout are listed and can be used', async () => {
  writeFiles(
    path.join(store.root, 'oci'),
    layoutFiles([
      [one, 'docker.io/library/theirs:1'],
      [two, 'odd'],
    ]),
  )
  assert.equal(await names(), ['odd:undefined', 'theirs:1'])
  assert.is((await right(store.images.resolve('theirs:1'))).id, one.config.digest)
  assert.is((await right(store.images.resolve('odd'))).id, two.config.digest)
})
Images('an index.json that is no index is an error that names the file and the place', async () => {
  await loadAs(one, 'app:1')
  const file = path.join(store.root, 'oci/index.json')
  writeFileSync(file, '{"schemaVersion":2,"manifests":[{}]}')
  const error = await left('InvalidSpec', store.images.list())
  assert.is(message(error), `${file}: $.manifests[0].mediaType: it is missing`)
})

Images('removing one of two names only takes the name', async () => {
  await loadAs(one, 'a:1')
  await loadAs(one, 'b:1')
  const before = blobCount()
  assert.equal(await right(store.images.remove('a:1')), { untagged: ['a:1'], deleted: [] })
  assert.is(blobCount(), before)
  assert.equal(await names(), ['b:1'])
})
Images('removing the last name removes what no other image needs', async () => {
  await loadAs(one, 'one:1')
  await loadAs(two, 'two:1')
  const { untagged, deleted } = await right(store.images.remove('one:1'))
  assert.equal(untagged, ['one:1'])
  assert.is(deleted[0], one.config.digest)
  assert.not(deleted.includes(one.layers[0]?.digest ?? ''))
  assert.is(blobCount(), two.blobs.size)
  assert.equal([...store.snapshotter.layers.keys()].sort(), [...two.diffIds].sort())
  await right(store.other().resolve('two:1'))
})
Images('removing the last image leaves an empty layout', async () => {
  await loadAs(one, 'one:1')
  await right(store.images.remove('one:1'))
  assert.equal(store.files(), ['oci/index.json', 'oci/oci-layout'])
  assert.is(store.snapshotter.stacks.size, 0)
})
Images('by id an image with several names needs force', async () => {
  await loadAs(one, 'a:1')
  await loadAs(one, 'b:1')
  const id = hexOf(one.config.digest).slice(0, 12)
  const error = await left('ImageInUse', store.images.remove(id))
  assert.equal(error.by, ['a:1', 'b:1'])
  const { untagged } = await right(store.images.remove(id, { force: true }))
  assert.equal(untagged, ['a:1', 'b:1'])
  assert.is(blobCount(), 0)
})
Images('an image in use keeps its last name, unless forced, and its files in any case', async () => {
  await loadAs(one, 'one:1')
  users = { [one.config.digest]: ['deadbeef'] }
  assert.is(
    message(await left('ImageInUse', store.images.remove('one:1'))),
    'one:1: in use by container deadbeef',
  )
  assert.equal(await right(store.images.remove('one:1', { force: true })), {
    untagged: ['one:1'],
    deleted: [],
  })
  assert.is(blobCount(), one.blobs.size)
  await left('ImageInUse', store.images.remove(one.config.digest, { force: true }))
  users = {}
  await right(store.images.remove(one.config.digest))
  assert.is(blobCount(), 0)
})
Images('while somebody adds content nothing is deleted; the next removal does it', async () => {
  await loadAs(one, 'one:1')
  await loadAs(two, 'two:1')
  const content = openContentStore(store.root, (fd, operation) => loadAddon().flock(fd, operation))
  const removed = await right(content.keeping(store.images.remove('one:1')))
  assert.equal(removed, { untagged: ['one:1'], deleted: [] })
  await right(store.images.remove('two:1'))
  assert.is(blobCount(), 0)
})
Images('all platforms of an index go with it', async () => {
  const arm = buildImage({ architecture: 'arm64', layers: [[{ name: 'arm' }]] })
  await loadAs(
    buildIndex([
      [one, 'amd64'],
      [arm, 'arm64'],
    ]),
    'multi:1',
  )
  await right(store.images.remove('multi:1'))
  assert.equal(store.files(), ['oci/index.json', 'oci/oci-layout'])
})
Images('removing what is not there is no such image', async () => {
  await left('ImageNotFound', store.images.remove('nope'))
  await left('InvalidReference', store.images.remove('No Pe'))
})
Images('what a killed process left is cleaned with the next removal', async () => {
  await loadAs(one, 'one:1')
  writeFileSync(path.join(store.root, 'ingest/abc'), 'half a blob')
  writeFileSync(path.join(store.root, 'oci/index.json.new'), '{"schema')
  writeFileSync(path.join(store.root, 'prepared/sha256-x.linux-amd64.json.1.new'), '{')
  await loadAs(two, 'two:1')
  await right(store.images.remove('two:1'))
  assert.equal(
    store.files().filter((file) => file.startsWith('ingest') || file.endsWith('.new')),
    [],
  )
  await right(store.other().resolve('one:1'))
})
Images('a document that cannot be read just now is not taken for one that points at nothing', async () => {
  await loadAs(one, 'one:1')
  await loadAs(two, 'two:1')
  const manifest = path.join(store.root, 'oci/blobs/sha256', hexOf(one.target.digest))
  const bytes = readFileSync(manifest)
  rmSync(manifest)
  mkdirSync(manifest)
  const error = await left('SyscallFailed', store.images.remove('two:1'))
  assert.equal([error.errno, error.path], [21, manifest])
  rmdirSync(manifest)
  writeFileSync(manifest, bytes)
  assert.equal(await names(), ['one:1'])
  assert.ok(blobCount() > one.blobs.size, 'what was to go is still there, too')
  await right(store.images.prune())
  assert.is(blobCount(), one.blobs.size)
  assert.equal((await right(store.other().check())).problems, [])
})
Images('a damaged manifest keeps the trees its record tells of', async () => {
  await loadAs(one, 'one:1')
  await loadAs(two, 'two:1')
  appendFileSync(path.join(store.root, 'oci/blobs/sha256', hexOf(one.target.digest)), ' ')
  await right(store.images.remove('two:1'))
  await right(store.other().resolve('one:1'))
  assert.equal([...store.snapshotter.layers.keys()].sort(), [...one.diffIds].sort())
})
Images('many changes of index.json at once all arrive', async () => {
  const engines = Array.from({ length: 4 }, () => store.other())
  const folder = mkdtempSync(path.join(tmpdir(), 'slipway-load-'))
  writeFiles(folder, layoutFiles([[one, undefined]]))
  await Promise.all(
    Array.from({ length: 24 }, (_, at) =>
      right((engines[at % 4] ?? store.images).load({ path: folder }, { name: `n${at}` })),
    ),
  )
  rmSync(folder, { recursive: true })
  assert.is((await names()).length, 24)
})
Images('the layout is one other readers accept: version file, schema, sizes and digests', async () => {
  await loadAs(one, 'one:1')
  const index = JSON.parse(readFileSync(path.join(store.root, 'oci/index.json'), 'utf8'))
  assert.is(index.schemaVersion, 2)
  for (const { digest, size } of index.manifests) {
    const file = path.join(store.root, 'oci/blobs/sha256', hexOf(digest))
    assert.is(statSync(file).size, size)
    assert.is(digestOf(readFileSync(file)), digest)
  }
})
Images('a touched index.json makes answers be looked up again, not differ', async () => {
  await loadAs(one, 'app:1')
  const engine = store.other()
  const first = await right(engine.resolve('app:1'))
  const file = path.join(store.root, 'oci/index.json')
  utimesSync(file, 1, 1)
  appendFileSync(file, ' ')
  const second = await right(engine.resolve('app:1'))
  assert.is.not(second, first)
  assert.equal(second, first)
})
Images.run()
