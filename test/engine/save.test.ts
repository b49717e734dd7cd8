// save: what goes into the file, under which names, in which bytes; and what a failure leaves.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { PassThrough, Writable } from 'node:stream'
import { readTar } from '../../src/adapters/docker-archive-tar.ts'
import { hexOf } from '../../src/model/digest.ts'
import { decodeIndex, nameOf } from '../../src/model/image.ts'
import { type BuiltImage, buildImage, buildIndex, layoutFiles, writeFiles } from '../support/image-builder.ts'
import { left, right, type TestStore, testStore } from '../support/image-store.ts'
import { assert, suite } from '../support/suite.ts'

const Save = suite('engine/save')
const base = [{ name: 'base', data: 'base' }]
const one = buildImage({ layers: [base, [{ name: 'one' }]] })
const two = buildImage({ layers: [base, [{ name: 'two' }]], compression: 'none' })

let store: TestStore
let folder = ''
Save.beforeEach(() => {
  store = testStore()
  folder = mkdtempSync(path.join(tmpdir(), 'slipway-save-'))
})
Save.afterEach(() => {
  store.remove()
  rmSync(folder, { recursive: true, force: true })
})

const loadAs = async (image: BuiltImage, name?: string, into = store): Promise<void> => {
  const from = path.join(folder, 'from')
  writeFiles(from, layoutFiles([[image, name]]))
  await right(into.images.load({ path: from }))
  rmSync(from, { recursive: true })
}
const at = (name: string) => path.join(folder, name)
const bytesOf = async function* (file: string): AsyncGenerator<Uint8Array> {
  yield readFileSync(file)
}
const membersOf = async (file: string): Promise<ReadonlyMap<string, Buffer>> => {
  const members = new Map<string, Buffer>()
  for await (const entry of readTar(file, bytesOf(file))) {
    const chunks: Uint8Array[] = []
    for await (const chunk of entry.body) chunks.push(chunk)
    members.set(entry.name, Buffer.concat(chunks))
  }
  return members
}
const blobName = (image: { readonly digest: string }) => `blobs/sha256/${image.digest.slice(7)}`
const namesIn = (index: Buffer | undefined) => {
  const decoded = decodeIndex(index ?? '', 'index')
  return decoded._tag === 'Right' ? decoded.right.manifests.map(nameOf) : []
}
interface Entry {
  readonly Config: string
  readonly RepoTags: readonly string[] | null
  readonly Layers: readonly string[]
}
const dockerOf = (members: ReadonlyMap<string, Buffer>) =>
  JSON.parse(String(members.get('manifest.json'))) as readonly Entry[]

Save('a file is docker’s and an OCI layout, with every blob as it is stored', async () => {
  await loadAs(one, 'app:1')
  await right(store.images.save(['app:1'], { path: at('a.tar') }))
  const members = await membersOf(at('a.tar'))
  assert.equal([...members.keys()].sort(), [
    ...[...one.blobs.keys()].map((digest) => `blobs/sha256/${hexOf(digest)}`).sort(),
    'index.json',
    'manifest.json',
    'oci-layout',
  ])
  for (const [digest, bytes] of one.blobs)
    assert.ok(members.get(`blobs/sha256/${hexOf(digest)}`)?.equals(bytes))
  assert.equal(namesIn(members.get('index.json')), ['docker.io/library/app:1'])
  assert.equal(dockerOf(members), [
    { Config: blobName(one.config), RepoTags: ['app:1'], Layers: one.layers.map(blobName) },
  ])
})
Save('several images share their blobs, and several names their image', async () => {
  for (const [image, name] of [
    [one, 'app:1'],
    [two, 'app:2'],
    [one, 'x.test/y:3'],
  ] as const)
    await loadAs(image, name)
  await right(store.images.save(['app:1', 'x.test/y:3', 'app:2'], { path: at('a.tar') }))
  const docker = dockerOf(await membersOf(at('a.tar')))
  assert.equal(
    docker.map(({ RepoTags }) => RepoTags),
    [['app:1', 'x.test/y:3'], ['app:2']],
  )
})
Save('a name without a tag means every tag of the repository; latest is one tag', async () => {
  for (const [image, name] of [
    [one, 'app:1'],
    [two, 'app:2'],
    [one, 'app:latest'],
    [two, 'other:1'],
  ] as const)
    await loadAs(image, name)
  await right(store.images.save(['app'], { path: at('a.tar') }))
  const tags = dockerOf(await membersOf(at('a.tar'))).flatMap(({ RepoTags }) => RepoTags ?? [])
  assert.equal([...tags].sort(), ['app:1', 'app:2', 'app:latest'])
  await right(store.images.save(['app:latest'], { path: at('b.tar') }))
  assert.equal(dockerOf(await membersOf(at('b.tar')))[0]?.RepoTags, ['app:latest'])
})
Save('an image that is asked for by its id has no name in the file', async () => {
  await loadAs(one, 'app:1')
  await right(store.images.save([hexOf(one.config.digest).slice(0, 12)], { path: at('a.tar') }))
  const members = await membersOf(at('a.tar'))
  assert.equal([dockerOf(members)[0]?.RepoTags, namesIn(members.get('index.json'))], [null, [undefined]])
})
Save('the same images are the same bytes, from a file and from a stream', async () => {
  await loadAs(one, 'app:1')
  await right(store.images.save(['app:1'], { path: at('a.tar') }))
  const again = testStore()
  await loadAs(two, 'before:1', again)
  await loadAs(one, 'app:1', again)
  const stream = new PassThrough()
  const chunks: Buffer[] = []
  stream.on('data', (chunk) => chunks.push(chunk))
  await right(again.images.save(['app:1'], { stream }))
  again.remove()
  assert.ok(Buffer.concat(chunks).equals(readFileSync(at('a.tar'))))
  assert.ok(stream.writableFinished)
})
Save('a layout in a directory can be loaded again, and has the digests it had', async () => {
  await loadAs(one, 'app:1')
  await right(store.images.save(['app:1'], { path: at('layout') }, { format: 'oci-dir' }))
  assert.equal(readdirSync(at('layout')).sort(), ['blobs', 'index.json', 'oci-layout'])
  const again = testStore()
  await right(again.images.load({ path: at('layout') }))
  assert.is((await right(again.images.inspect('app:1'))).Descriptor.digest, one.target.digest)
  again.remove()
})
for (const format of ['docker-archive', 'oci-archive'] as const)
  Save(`what ${format} holds is what load brings back`, async () => {
    await loadAs(one, 'app:1')
    await loadAs(two, 'me/two:2')
    await right(store.images.save(['app:1', 'me/two:2'], { path: at('a.tar') }, { format }))
    const again = testStore()
    const loaded = await right(again.images.load({ path: at('a.tar') }))
    assert.equal(loaded.map(({ reference }) => reference).sort(), ['app:1', 'me/two:2'])
    assert.is((await right(again.images.inspect('app:1'))).Descriptor.digest, one.target.digest)
    again.remove()
  })
Save('of an index the platforms that are here go along, or the one that is asked for', async () => {
  const arm = buildImage({ architecture: 'arm64', layers: [[{ name: 'arm' }]] })
  const both = buildIndex([
    [one, 'amd64'],
    [arm, 'arm64'],
  ])
  const from = at('from')
  writeFiles(from, layoutFiles([[both, 'app:1']]))
  rmSync(path.join(from, blobName(arm.layers[0] as { digest: string })))
  await right(store.images.load({ path: from }))
  rmSync(path.join(store.root, 'oci', blobName(arm.target)), { force: true })
  await right(store.images.save(['app:1'], { path: at('a.tar') }))
  const members = await membersOf(at('a.tar'))
  assert.ok(members.has(blobName(both.target)) && members.has(blobName(one.target)))
  assert.not.ok(members.has(blobName(arm.target)))
  const platform = { os: 'linux', architecture: 'amd64' }
  await right(store.images.save(['app:1'], { path: at('b.tar') }, { platform }))
  const only = await membersOf(at('b.tar'))
  assert.ok(only.has(blobName(one.target)) && !only.has(blobName(both.target)))
})

Save('what cannot be saved is told by name, and no file is made', async () => {
  await loadAs(one, 'app:1')
  assert.is(
    (await left('ImageNotFound', store.images.save(['app:1', 'nope'], { path: at('a.tar') }))).reference,
    'nope',
  )
  const platform = { os: 'linux', architecture: 's390x' }
  await left('PlatformMismatch', store.images.save(['app:1'], { path: at('a.tar') }, { platform }))
  await left('SyscallFailed', store.images.save(['app:1'], { path: at('no/such/a.tar') }))
  assert.equal(readdirSync(folder), [])
})
Save('a damaged or missing blob fails the save, and the file that was there stays', async () => {
  await loadAs(one, 'app:1')
  writeFileSync(at('a.tar'), 'old')
  const blob = path.join(store.root, 'oci', blobName(one.layers[1] as { digest: string }))
  const bytes = readFileSync(blob)
  bytes[20] = (bytes[20] ?? 0) ^ 1
  writeFileSync(blob, bytes)
  await left('DigestMismatch', store.images.save(['app:1'], { path: at('a.tar') }))
  rmSync(blob)
  const { path: where } = await left('StateDamaged', store.images.save(['app:1'], { path: at('a.tar') }))
  assert.is(where, one.layers[1]?.digest)
  assert.equal([readFileSync(at('a.tar'), 'utf8'), readdirSync(folder)], ['old', ['a.tar']])
})
Save(
  'a directory in place of a file, one that is not empty, and a stream for a layout are refused',
  async () => {
    await loadAs(one, 'app:1')
    mkdirSync(at('full/x'), { recursive: true })
    const format = 'oci-dir'
    assert.is(
      (await left('InvalidOption', store.images.save(['app:1'], { path: at('full') }))).why,
      'it is a directory',
    )
    const full = await left('InvalidOption', store.images.save(['app:1'], { path: at('full') }, { format }))
    assert.is(full.why, 'the directory is not empty')
    await left('InvalidOption', store.images.save(['app:1'], { stream: new PassThrough() }, { format }))
    writeFileSync(at('file'), '')
    const file = await left('InvalidOption', store.images.save(['app:1'], { path: at('file') }, { format }))
    assert.is(file.why, 'it is no directory')
  },
)
Save('an abort and a stream that fails leave nothing', async () => {
  await loadAs(one, 'app:1')
  const signal = AbortSignal.abort()
  await left('Cancelled', store.images.save(['app:1'], { path: at('a.tar') }, { signal }))
  await left('Cancelled', store.images.save(['app:1'], { path: at('dir') }, { signal, format: 'oci-dir' }))
  const stream = new Writable({ write: (_chunk, _encoding, done) => done(new Error('no room')) })
  assert.is((await left('StateDamaged', store.images.save(['app:1'], { stream }))).why, 'no room')
  assert.equal(readdirSync(folder), [])
})
Save.run()
