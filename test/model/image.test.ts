// Image documents: what is accepted, and which JSON path an error names.
import * as E from '#fp/Either'
import { digestOf } from '../../src/model/digest.ts'
import {
  decodeConfig,
  decodeIndex,
  decodeLayout,
  decodeManifest,
  diffIdsOf,
  nameOf,
  OCI_LAYOUT_FILE,
  platformOf,
  runtimeConfigOf,
} from '../../src/model/image.ts'
import { decodeArchiveManifest } from '../../src/model/image-archive.ts'
import * as M from '../../src/model/media-type.ts'
import { assert, suite } from '../support/suite.ts'

const Image = suite('model/image')
const DIGEST = digestOf('x')
const descriptor = { mediaType: `${M.OCI_LAYER}+gzip`, digest: DIGEST, size: 1 }
const manifest = {
  schemaVersion: 2,
  mediaType: M.OCI_MANIFEST,
  config: { ...descriptor, mediaType: M.OCI_CONFIG },
  layers: [descriptor],
}
const index = {
  schemaVersion: 2,
  mediaType: M.OCI_INDEX,
  manifests: [
    {
      ...descriptor,
      mediaType: M.OCI_MANIFEST,
      platform: { os: 'linux', architecture: 'amd64', 'os.version': '10' },
    },
  ],
}
const config = { architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: [DIGEST] } }
const right = <A>(either: E.Either<{ where: string; why: string }, A>): A => {
  if (E.isLeft(either)) throw new Error(`${either.left.where}: ${either.left.why}`)
  return either.right
}

Image('a manifest is read with its descriptors', () => {
  const decoded = right(decodeManifest(JSON.stringify(manifest), 'm'))
  assert.is(decoded.layers[0]?.digest, DIGEST)
  assert.is(decoded.config.size, 1)
})
Image('an index keeps the platform of its entries', () => {
  const decoded = right(decodeIndex(JSON.stringify(index), 'i'))
  assert.equal(decoded.manifests[0]?.platform, { os: 'linux', architecture: 'amd64' })
})
Image('unknown fields are ignored and null lists are absent, as Go writes them', () => {
  const decoded = right(
    decodeConfig(
      JSON.stringify({
        ...config,
        shiny: 1,
        config: {
          Cmd: null,
          Entrypoint: 'sh',
          Volumes: { '/v': {} },
          ExposedPorts: { '80/tcp': {} },
          Env: ['A=b'],
        },
      }),
      'c',
    ),
  )
  assert.equal(runtimeConfigOf(decoded), {
    Entrypoint: ['sh'],
    Env: ['A=b'],
    Volumes: ['/v'],
    ExposedPorts: ['80/tcp'],
  })
  assert.equal(diffIdsOf(decoded), [DIGEST])
})
Image('an image without layers or config is fine', () => {
  const decoded = right(
    decodeConfig(
      JSON.stringify({
        architecture: 'arm',
        variant: 'v6',
        os: 'linux',
        rootfs: { type: 'layers', diff_ids: null },
      }),
      'c',
    ),
  )
  assert.equal(diffIdsOf(decoded), [])
  assert.equal(runtimeConfigOf(decoded), {})
  assert.equal(platformOf(decoded), { os: 'linux', architecture: 'arm', variant: 'v6' })
})
Image('a label named __proto__ stays a label', () => {
  const text = JSON.stringify(config).replace('"rootfs"', '"config":{"Labels":{"__proto__":"x"}},"rootfs"')
  const labels = runtimeConfigOf(right(decodeConfig(text, 'c'))).Labels ?? {}
  assert.equal(Object.keys(labels), ['__proto__'])
})
Image('the layout file we write is one we read', () => {
  assert.ok(E.isRight(decodeLayout(OCI_LAYOUT_FILE, 'oci-layout')))
})
Image('an entry goes by its full name where it has one', () => {
  const entry = { ...descriptor, digest: DIGEST }
  assert.is(nameOf(entry), undefined)
  assert.is(nameOf({ ...entry, annotations: { 'org.opencontainers.image.ref.name': 'v1' } }), 'v1')
  assert.is(
    nameOf({
      ...entry,
      annotations: { 'org.opencontainers.image.ref.name': 'v1', 'io.containerd.image.name': 'h/x:v1' },
    }),
    'h/x:v1',
  )
})
Image('the manifest of a docker archive lists files', () => {
  const decoded = right(
    decodeArchiveManifest('[{"Config":"c.json","RepoTags":null,"Layers":["a/layer.tar"]}]', 'manifest.json'),
  )
  assert.equal(decoded, [{ Config: 'c.json', Layers: ['a/layer.tar'] }])
})

const wrong: readonly (readonly [
  name: string,
  decode: () => E.Either<{ where: string; why: string }, unknown>,
  where: string,
  why: RegExp,
])[] = [
  ['text that is not JSON', () => decodeManifest('{', 'm'), '$', /not JSON/],
  ['a list instead of a document', () => decodeManifest('[]', 'm'), '$', /an object, found a list/],
  ['null instead of a document', () => decodeIndex('null', 'm'), '$', /found null/],
  [
    'schema 1',
    () => decodeManifest(JSON.stringify({ ...manifest, schemaVersion: 1 }), 'm'),
    '$.schemaVersion',
    /expected 2, found 1/,
  ],
  [
    'a missing config',
    () => decodeManifest(JSON.stringify({ ...manifest, config: undefined }), 'm'),
    '$.config',
    /missing/,
  ],
  [
    'a bad layer digest',
    () =>
      decodeManifest(
        JSON.stringify({ ...manifest, layers: [descriptor, { ...descriptor, digest: 'sha256:../../x' }] }),
        'm',
      ),
    '$.layers[1].digest',
    /hex/,
  ],
  [
    'a negative size',
    () => decodeManifest(JSON.stringify({ ...manifest, layers: [{ ...descriptor, size: -1 }] }), 'm'),
    '$.layers[0].size',
    /bytes/,
  ],
  [
    'a size beyond what a number holds',
    () => decodeManifest(JSON.stringify({ ...manifest, layers: [{ ...descriptor, size: 2 ** 53 }] }), 'm'),
    '$.layers[0].size',
    /bytes/,
  ],
  [
    'a size written as text',
    () => decodeManifest(JSON.stringify({ ...manifest, layers: [{ ...descriptor, size: '1' }] }), 'm'),
    '$.layers[0].size',
    /found "1"/,
  ],
  [
    'a manifest that is also an index',
    () => decodeManifest(JSON.stringify({ ...manifest, manifests: [] }), 'm'),
    '$.manifests',
    /does not belong/,
  ],
  [
    'an index that is also a manifest',
    () => decodeIndex(JSON.stringify({ ...index, layers: [] }), 'm'),
    '$.layers',
    /does not belong/,
  ],
  [
    'a manifest that calls itself an index',
    () => decodeManifest(JSON.stringify({ ...manifest, mediaType: M.OCI_INDEX }), 'm'),
    '$.mediaType',
    /another kind/,
  ],
  [
    'a config without rootfs',
    () => decodeConfig(JSON.stringify({ ...config, rootfs: undefined }), 'c'),
    '$.rootfs',
    /missing/,
  ],
  [
    'a rootfs of another type',
    () => decodeConfig(JSON.stringify({ ...config, rootfs: { type: 'x' } }), 'c'),
    '$.rootfs.type',
    /layers/,
  ],
  [
    'a label that is a number',
    () => decodeConfig(JSON.stringify({ ...config, config: { Labels: { 'a-b': 1 } } }), 'c'),
    '$.config.Labels["a-b"]',
    /a string, found 1/,
  ],
  [
    'a layout from the future',
    () => decodeLayout('{"imageLayoutVersion":"2.0.0"}', 'l'),
    '$.imageLayoutVersion',
    /1\.0\.0/,
  ],
]
for (const [name, decode, where, why] of wrong) {
  Image(`${name} is refused at ${where}`, () => {
    const decoded = decode()
    if (E.isRight(decoded)) throw new Error('accepted')
    assert.is(decoded.left.where, where)
    assert.match(decoded.left.why, why)
  })
}
Image.run()
