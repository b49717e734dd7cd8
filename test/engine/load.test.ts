// load: every form an image can have in a file, and every way the file can be wrong.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { gzipSync } from 'node:zlib'
import { digestOf, hexOf } from '../../src/model/digest.ts'
import { message } from '../../src/model/errors.ts'
import { encodeIndex, encodeManifest } from '../../src/model/image.ts'
import type { ImageProgress } from '../../src/model/image-verbs.ts'
import {
  buildImage,
  buildIndex,
  dockerArchiveFiles,
  layoutFiles,
  writeFiles,
} from '../support/image-builder.ts'
import { left, right, type TestStore, testStore } from '../support/image-store.ts'
import { assert, suite } from '../support/suite.ts'
import { entryOf, sealed, type TarFile, tarOf } from '../support/tar-builder.ts'

const Load = suite('engine/load')
const image = buildImage({ layers: [[{ name: 'a', data: 'one' }], [{ name: 'b', data: 'two' }]] })
const plain = buildImage({ layers: [[{ name: 'a', data: 'one' }]], compression: 'none' })
const foreign = buildImage({ architecture: 'arm64' })

let store: TestStore
let folder: string
Load.beforeEach(() => {
  store = testStore()
  folder = mkdtempSync(path.join(tmpdir(), 'slipway-load-'))
})
Load.afterEach(() => {
  store.remove()
  rmSync(folder, { recursive: true, force: true })
})

const file = (bytes: Uint8Array): { readonly path: string } => {
  const name = path.join(folder, 'image.tar')
  writeFileSync(name, bytes)
  return { path: name }
}
const directory = (files: readonly TarFile[]): { readonly path: string } => {
  writeFiles(path.join(folder, 'layout'), files)
  return { path: path.join(folder, 'layout') }
}
async function* pieces(bytes: Buffer, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}
/** What a store that was used and is empty again holds. */
const nothingLeft = (): void => {
  assert.equal(
    store.files().filter((name) => !/^oci\/(oci-layout|index\.json)$/.test(name)),
    [],
  )
  assert.is(store.snapshotter.layers.size + store.snapshotter.stacks.size, 0)
}
const isRunnable = async (name: string, expected = image): Promise<void> => {
  const prepared = await right(store.images.resolve(name))
  assert.is(prepared.id, expected.config.digest)
  assert.equal(prepared.config.Cmd, ['/hello'])
}

const layout = layoutFiles([[image, 'docker.io/me/app:1']])
Load('an OCI layout in a directory', async () => {
  assert.equal(await right(store.images.load(directory(layout))), [
    { reference: 'me/app:1', id: image.config.digest },
  ])
  await isRunnable('me/app:1')
})
Load('an OCI layout in a tar', async () => {
  await right(store.images.load(file(tarOf(layout))))
  await isRunnable('me/app:1')
})
for (const [form, source] of [
  ['a directory', () => directory(layout)],
  ['a tar', () => file(tarOf(layout))],
] as const)
  Load(`of ${form} it is told which layers there are, and how far each is`, async () => {
    const told: ImageProgress[] = []
    await right(store.images.load(source(), { onProgress: (progress) => told.push(progress) }))
    assert.is(told[0]?.kind, 'layers')
    for (const { digest, size } of image.layers) {
      const own = told.flatMap((each) => (each.kind === 'layer' && each.digest === digest ? [each] : []))
      assert.equal(
        own.map(({ status }) => status),
        ['downloading', 'done'],
      )
      assert.equal(
        own.map(({ receivedBytes, sizeBytes }) => [receivedBytes, sizeBytes]),
        [
          [size, size],
          [size, size],
        ],
      )
    }
  })
Load('an OCI layout in a gzip-compressed tar', async () => {
  await right(store.images.load(file(gzipSync(tarOf(layout)))))
  await isRunnable('me/app:1')
})
for (const size of [1, 511, 513, 100_000]) {
  Load(`a stream in pieces of ${size} bytes`, async () => {
    await right(store.images.load({ stream: pieces(tarOf(layout), size) }))
    await isRunnable('me/app:1')
  })
}
Load('a tar whose index comes before its blobs', async () => {
  await right(store.images.load(file(tarOf([...layout].reverse()))))
  await isRunnable('me/app:1')
})
Load('names with a leading ./ and directories in between', async () => {
  const dotted = [
    { name: './', type: '5' },
    ...layout.map((entry) => ({ ...entry, name: `./${entry.name}` })),
  ]
  await right(store.images.load(file(tarOf(dotted))))
  await isRunnable('me/app:1')
})
Load('several images in one layout', async () => {
  const files = layoutFiles([
    [image, 'docker.io/me/app:1'],
    [plain, 'localhost:5000/other:x'],
  ])
  const loaded = await right(store.images.load(directory(files)))
  assert.equal(
    loaded.map(({ reference }) => reference),
    ['me/app:1', 'localhost:5000/other:x'],
  )
  await isRunnable('localhost:5000/other:x', plain)
})
Load("an index inside the index: this machine's platform is taken", async () => {
  const both = buildIndex([
    [foreign, 'arm64'],
    [image, 'amd64'],
  ])
  await right(store.images.load(directory(layoutFiles([[both, 'me/multi:1']]))))
  await isRunnable('me/multi:1')
})
Load('an index whose entries name no platform: the config decides', async () => {
  await right(store.images.load(directory(layoutFiles([[buildIndex([[image, undefined]]), 'me/multi:1']]))))
  await isRunnable('me/multi:1')
})
Load('images for other machines beside one for this are passed over', async () => {
  const files = layoutFiles([
    [foreign, 'me/app:arm'],
    [image, 'me/app:1'],
  ])
  assert.is((await right(store.images.load(directory(files)))).length, 1)
})
Load('a layout with a bare tag gives a nameless image, found by its id', async () => {
  const loaded = await right(store.images.load(directory(layoutFiles([[image, 'latest']]))))
  assert.equal(loaded, [{ id: image.config.digest }])
  await isRunnable(hexOf(image.config.digest).slice(0, 12))
})
Load('a name given by the caller wins', async () => {
  const source = directory(layoutFiles([[image, 'latest']]))
  assert.equal(await right(store.images.load(source, { name: 'mine' })), [
    { reference: 'mine:latest', id: image.config.digest },
  ])
})
Load('what docker save wrote, with layers plain or compressed', async () => {
  for (const built of [plain, image]) {
    const loaded = await right(store.images.load(file(tarOf(dockerArchiveFiles(built, ['a:1', 'b:2'])))))
    assert.equal(
      loaded.map(({ reference }) => reference),
      ['a:1', 'b:2'],
    )
    await isRunnable('b:2', built)
  }
})
Load('layers of a docker archive may be links to each other', async () => {
  const [layer] = plain.layers
  const name = `${hexOf(layer?.digest ?? digestOf(''))}.tar`
  const files = dockerArchiveFiles(plain, ['a:1']).map((entry) =>
    entry.name === 'manifest.json'
      ? { ...entry, data: String(entry.data).replace(name, 'x/layer.tar') }
      : entry,
  )
  for (const link of [
    { name: 'x/layer.tar', type: '2', linkName: `../${name}` },
    { name: 'x/layer.tar', type: '1', linkName: name },
  ]) {
    await right(store.images.load(file(tarOf([...files, link]))))
    await isRunnable('a:1', plain)
  }
})
Load('a file that is both forms keeps the digests of its layout', async () => {
  const both = [...layout, { name: 'manifest.json', data: '[]' }]
  await right(store.images.load(file(tarOf(both))))
  assert.is((await right(store.images.list()))[0]?.digest, image.target.digest)
})
Load('a docker archive without tags gives a nameless image', async () => {
  assert.equal(await right(store.images.load(file(tarOf(dockerArchiveFiles(plain, []))))), [
    { id: plain.config.digest },
  ])
})
Load('long names in GNU and pax headers are read', async () => {
  const manifest = JSON.stringify([
    { Config: `${'d/'.repeat(80)}c`, RepoTags: ['a:1'], Layers: [`${'e/'.repeat(80)}l`] },
  ])
  const [layer] = plain.layers
  const record = (text: string): string => {
    const length = text.length + 1 + String(text.length + 4).length
    return `${length} ${text}`
  }
  const files = [
    { name: '././@LongLink', type: 'L', data: `${'d/'.repeat(80)}c\0` },
    { name: 'd', data: plain.blobs.get(plain.config.digest) ?? '' },
    { name: 'pax', type: 'x', data: record(`path=${'e/'.repeat(80)}l\n`) },
    { name: 'e', data: plain.blobs.get(layer?.digest ?? digestOf('')) ?? '' },
    { name: 'manifest.json', data: manifest },
  ]
  await right(store.images.load(file(tarOf(files))))
  await isRunnable('a:1', plain)
})
Load('files no image refers to do not stay', async () => {
  const stray = Buffer.from('stray')
  await right(
    store.images.load(
      file(
        tarOf([
          ...layout,
          { name: `blobs/sha256/${hexOf(digestOf(stray))}`, data: stray },
          { name: 'junk', data: 'x' },
        ]),
      ),
    ),
  )
  const blobs = store.files().filter((name) => name.startsWith('oci/blobs/'))
  assert.equal(blobs.map((name) => path.basename(name)).sort(), [...image.blobs.keys()].map(hexOf).sort())
})
Load('loading the same file twice changes nothing', async () => {
  const source = file(tarOf(layout))
  await right(store.images.load(source))
  const before = store.files()
  await right(store.images.load(source))
  assert.equal(store.files(), before)
})

const whole = tarOf(layout)
for (const [what, bytes] of [
  ['in the middle of a blob', whole.subarray(0, 700)],
  ['in the middle of a header', whole.subarray(0, 1024 + 200)],
  ['between two entries', whole.subarray(0, 1024)],
  ['in the compression', gzipSync(whole).subarray(0, 300)],
] as const) {
  Load(`a tar that ends ${what} is refused and leaves nothing`, async () => {
    const error = await left('InvalidSpec', store.images.load(file(bytes)))
    assert.match(message(error), /cut short|cannot be decompressed/)
    nothingLeft()
  })
}
Load('damage inside the compression is named', async () => {
  const bytes = gzipSync(whole)
  bytes.fill(0xff, 100, 200)
  assert.match(
    (await left('InvalidSpec', store.images.load(file(bytes)))).why,
    /cannot be decompressed|cut short|not a tar|damaged/,
  )
  nothingLeft()
})
Load('a blob with the wrong bytes is refused, in a tar and in a directory', async () => {
  const [layer] = image.layers
  const bad = layout.map((entry) => {
    if (!entry.name.endsWith(hexOf(layer?.digest ?? digestOf('')))) return entry
    const data = Buffer.from(entry.data as Buffer)
    data[20] = (data[20] ?? 0) ^ 0xff
    return { ...entry, data }
  })
  for (const source of [file(tarOf(bad)), directory(bad)]) {
    assert.is((await left('DigestMismatch', store.images.load(source))).expected, layer?.digest)
    nothingLeft()
  }
})
Load('a blob that is missing is named, in a tar and in a directory', async () => {
  const [layer] = image.layers
  const without = layout.filter(({ name }) => !name.endsWith(hexOf(layer?.digest ?? digestOf(''))))
  for (const source of [file(tarOf(without)), directory(without)]) {
    const error = await left('InvalidSpec', store.images.load(source))
    assert.is(error.where, `blob ${layer?.digest}`)
    assert.match(error.why, /missing from the archive/)
    nothingLeft()
  }
})
Load('a blob of a directory that is a link is refused', async () => {
  const source = directory(layout)
  const [layer] = image.layers
  const blob = path.join(source.path, 'blobs/sha256', hexOf(layer?.digest ?? digestOf('')))
  rmSync(blob)
  symlinkSync('/etc/passwd', blob)
  await left('SyscallFailed', store.images.load(source))
  nothingLeft()
})
Load('an archive whose layer is not the tar of its config is refused', async () => {
  const odd = buildImage({ diffIds: [digestOf('odd')], compression: 'none' })
  await left('DigestMismatch', store.images.load(file(tarOf(dockerArchiveFiles(odd, ['a:1'])))))
  nothingLeft()
})
Load('a docker archive without the layer or config it names is refused by name', async () => {
  const files = dockerArchiveFiles(plain, ['a:1'])
  for (const missing of files.slice(0, 2)) {
    const error = await left(
      'InvalidSpec',
      store.images.load(file(tarOf(files.filter((entry) => entry !== missing)))),
    )
    assert.is(error.where, missing.name)
    nothingLeft()
  }
})
Load('only images for other machines: the error says for which', async () => {
  const error = await left(
    'PlatformMismatch',
    store.images.load(file(tarOf(layoutFiles([[foreign, 'me/app:1']])))),
  )
  assert.equal(error.found, ['linux/arm64'])
  nothingLeft()
})
Load('a tag in a docker archive that is no reference is refused', async () => {
  await left('InvalidReference', store.images.load(file(tarOf(dockerArchiveFiles(plain, ['Not A Name'])))))
  nothingLeft()
})
Load('a chart or other artifact is no container image', async () => {
  const config = { mediaType: 'application/vnd.cncf.helm.config.v1+json', digest: digestOf('{}'), size: 2 }
  const manifest = Buffer.from(encodeManifest(config, []))
  const target = { mediaType: image.target.mediaType, digest: digestOf(manifest), size: manifest.length }
  const files = [
    { name: 'oci-layout', data: '{"imageLayoutVersion":"1.0.0"}' },
    { name: `blobs/sha256/${hexOf(target.digest)}`, data: manifest },
    { name: 'index.json', data: encodeIndex([target]) },
  ]
  assert.match((await left('Unsupported', store.images.load(directory(files)))).feature, /helm/)
})
for (const [what, bytes] of [
  ['no tar at all', Buffer.from('#!/bin/sh\n'.repeat(200))],
  ['an empty file', Buffer.alloc(0)],
  ['a tar without images', tarOf([{ name: 'etc/passwd', data: 'x' }])],
  ['an empty tar', tarOf([])],
] as const) {
  Load(`${what} is refused in plain words`, async () => {
    await left('InvalidSpec', store.images.load(file(bytes)))
    nothingLeft()
  })
}
Load('a directory that is no layout, and a path that is not there, are refused by name', async () => {
  assert.match(message(await left('InvalidSpec', store.images.load({ path: folder }))), /no OCI layout/)
  assert.is(
    (await left('SyscallFailed', store.images.load({ path: `${folder}/nope` }))).path,
    `${folder}/nope`,
  )
})
Load('an entry that claims more bytes than there are is cut short, not a crash', async () => {
  const liar = Buffer.concat([entryOf({ name: 'x.tar', data: 'x', size: 8 ** 11 - 1 }), Buffer.alloc(1024)])
  assert.match((await left('InvalidSpec', store.images.load(file(liar)))).why, /cut short/)
  nothingLeft()
})
Load('an extended header of a gigabyte is refused before it is read', async () => {
  const liar = entryOf({ name: 'x', type: 'L', data: 'x', size: 2 ** 30 })
  assert.match(
    (await left('InvalidSpec', store.images.load(file(liar)))).why,
    /extended header of 1073741824 bytes/,
  )
})
Load('a damaged header is refused, saying at which byte', async () => {
  const bytes = tarOf([
    { name: 'a', data: 'x' },
    { name: 'b', data: 'y' },
  ])
  bytes[1024] = (bytes[1024] ?? 0) ^ 1
  assert.match((await left('InvalidSpec', store.images.load(file(bytes)))).where, /^byte 1536$/)
})
Load('sizes in base 256 are read, impossible ones refused', async () => {
  const header = entryOf({ name: 'x', data: '' })
  header.writeBigUInt64BE(2n ** 60n, 128)
  header[124] = 0x80
  assert.match((await left('InvalidSpec', store.images.load(file(sealed(header))))).why, /impossible size/)
})
Load('names that point out of the archive are only names', async () => {
  const files = dockerArchiveFiles(plain, ['a:1']).map((entry) =>
    entry.name === 'manifest.json'
      ? { ...entry, data: String(entry.data).replace('"Config":"', '"Config":"../../') }
      : entry,
  )
  await right(store.images.load(file(tarOf([...files, { name: '../../evil', data: 'x' }]))))
  await isRunnable('a:1', plain)
  assert.equal(
    store.files().filter((name) => name.includes('evil')),
    [],
  )
})
Load(
  'blobs without a name that a crash of the machine damaged are taken from the archive again',
  async () => {
    const blobs = [...image.blobs.keys()]
    for (const digest of blobs) {
      const blob = path.join(store.root, 'oci/blobs/sha256', hexOf(digest))
      mkdirSync(path.dirname(blob), { recursive: true })
      writeFileSync(blob, '')
    }
    await right(store.images.load(directory(layoutFiles([[image, 'app:1']]))))
    for (const digest of blobs)
      assert.is(digestOf(readFileSync(path.join(store.root, 'oci/blobs/sha256', hexOf(digest)))), digest)
  },
)

Load.run()
