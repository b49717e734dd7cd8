// Media types: which documents and layers are understood.
import * as M from '../../src/model/media-type.ts'
import { assert, suite } from '../support/suite.ts'

const MediaType = suite('model/media-type')
MediaType('OCI and Docker names of the same document are alike', () => {
  for (const type of [M.OCI_INDEX, M.DOCKER_INDEX]) assert.ok(M.isIndex(type) && !M.isManifest(type))
  for (const type of [M.OCI_MANIFEST, M.DOCKER_MANIFEST]) assert.ok(M.isManifest(type) && !M.isIndex(type))
  for (const type of [M.OCI_CONFIG, M.DOCKER_CONFIG]) assert.ok(M.isConfig(type))
})
MediaType('schema 1 is recognised, to be refused by name', () => {
  assert.ok(M.isSchema1('application/vnd.docker.distribution.manifest.v1+prettyjws'))
  assert.not(M.isSchema1(M.DOCKER_MANIFEST))
})
MediaType('a header loses its parameters', () => {
  assert.is(M.bareMediaType('Application/JSON; charset=utf-8'), 'application/json')
})
for (const [type, compression] of [
  [M.OCI_LAYER, 'none'],
  [`${M.OCI_LAYER}+gzip`, 'gzip'],
  [`${M.OCI_LAYER}+zstd`, 'zstd'],
  ['application/vnd.docker.image.rootfs.diff.tar.gzip', 'gzip'],
  ['application/vnd.oci.empty.v1+json', undefined],
  ['toString', undefined],
] as const) {
  MediaType(`a layer of type ${type} is ${compression ?? 'no file system layer'}`, () => {
    assert.is(M.layerCompression(type), compression)
  })
}
MediaType('the first bytes tell the compression', () => {
  assert.is(M.sniffCompression(Buffer.from([0x1f, 0x8b, 8])), 'gzip')
  assert.is(M.sniffCompression(Buffer.from([0x28, 0xb5, 0x2f, 0xfd])), 'zstd')
  assert.is(M.sniffCompression(Buffer.from([0x28, 0xb5, 0x2f, 0xfe])), 'none')
  for (const first of [0x50, 0x5f])
    assert.is(M.sniffCompression(Buffer.from([first, 0x2a, 0x4d, 0x18])), 'zstd')
  assert.is(M.sniffCompression(Buffer.from([0x60, 0x2a, 0x4d, 0x18])), 'none')
  assert.is(M.sniffCompression(Buffer.from('etc/')), 'none')
  assert.is(M.sniffCompression(Buffer.alloc(0)), 'none')
})
MediaType.run()
