// Images made of bytes at hand: documents and blobs by digest, to be served, written as a layout, or packed into a tar.
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { gzipSync } from 'node:zlib'
import { algorithmOf, type Digest, digestOf, hexOf } from '../../src/model/digest.ts'
import {
  type Descriptor,
  encodeIndex,
  encodeManifest,
  OCI_LAYOUT_FILE,
  REF_NAME,
} from '../../src/model/image.ts'
import { OCI_CONFIG, OCI_INDEX, OCI_LAYER, OCI_MANIFEST } from '../../src/model/media-type.ts'
import { type TarFile, tarOf } from './tar-builder.ts'

export interface BuiltImage {
  readonly target: Descriptor
  readonly config: Descriptor
  readonly layers: readonly Descriptor[]
  readonly diffIds: readonly Digest[]
  /** Every document and layer, by digest. */
  readonly blobs: ReadonlyMap<Digest, Buffer>
}
export interface ImageRecipe {
  /** One per layer, lowest first. Default: one layer with one file. */
  readonly layers?: readonly (readonly TarFile[])[]
  readonly architecture?: string
  readonly os?: string
  readonly compression?: 'gzip' | 'zstd' | 'none'
  readonly config?: object
  readonly history?: readonly object[]
  /** Replaces the diff_ids of the config. */
  readonly diffIds?: readonly string[]
}

/** linux/amd64 by default, whatever the machine: tests name the platform they want. */
export const buildImage = (recipe: ImageRecipe = {}): BuiltImage => {
  const { layers = [[{ name: 'hello', data: 'world' }]], compression = 'gzip' } = recipe
  const blobs = new Map<Digest, Buffer>()
  const add = (mediaType: string, bytes: Buffer): Descriptor => {
    const digest = digestOf(bytes)
    blobs.set(digest, bytes)
    return { mediaType, digest, size: bytes.length }
  }
  const tars = layers.map((files) => tarOf(files))
  const diffIds = tars.map((tar) => digestOf(tar))
  const suffix = compression === 'none' ? '' : `+${compression}`
  const layerBlobs = tars.map((tar) => add(`${OCI_LAYER}${suffix}`, COMPRESS[compression](tar)))
  const document = {
    created: '2024-01-02T03:04:05Z',
    architecture: recipe.architecture ?? 'amd64',
    os: recipe.os ?? 'linux',
    config: recipe.config ?? { Cmd: ['/hello'], Env: ['PATH=/bin'] },
    rootfs: { type: 'layers', diff_ids: recipe.diffIds ?? diffIds },
    ...(recipe.history === undefined ? {} : { history: recipe.history }),
  }
  const config = add(OCI_CONFIG, Buffer.from(JSON.stringify(document)))
  const target = add(OCI_MANIFEST, Buffer.from(encodeManifest(config, layerBlobs)))
  return { target, config, layers: layerBlobs, diffIds, blobs }
}

const MAX_ZSTD_BLOCK = 128 << 10

/** One frame of raw blocks: Zstandard that needs no compressor, which Node has only from 22.15 on (RFC 8878, 3.1.1). */
const zstdStored = (bytes: Buffer): Buffer => {
  const head = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0xa0, 0, 0, 0, 0])
  head.writeUInt32LE(bytes.length, 5)
  const blocks: Buffer[] = []
  for (let at = 0; at < bytes.length; at += MAX_ZSTD_BLOCK) {
    const block = bytes.subarray(at, at + MAX_ZSTD_BLOCK)
    const isLast = at + MAX_ZSTD_BLOCK >= bytes.length
    const header = Buffer.alloc(3)
    header.writeUIntLE(block.length * 8 + (isLast ? 1 : 0), 0, 3)
    blocks.push(header, block)
  }
  return Buffer.concat([head, ...blocks])
}

const COMPRESS: Readonly<Record<'gzip' | 'zstd' | 'none', (tar: Buffer) => Buffer>> = {
  gzip: (tar) => gzipSync(tar),
  zstd: zstdStored,
  none: (tar) => tar,
}

/** Several images under one index; the platform of each is given beside it. */
export const buildIndex = (
  images: readonly (readonly [image: BuiltImage, architecture: string | undefined])[],
): BuiltImage => {
  const entries = images.map(([{ target }, architecture]) =>
    architecture === undefined ? target : { ...target, platform: { os: 'linux', architecture } },
  )
  const bytes = Buffer.from(encodeIndex(entries))
  const blobs = new Map(images.flatMap(([image]) => [...image.blobs]))
  const [first] = images
  if (first === undefined) throw new Error('an index needs an image')
  const target = { mediaType: OCI_INDEX, digest: digestOf(bytes), size: bytes.length }
  return { ...first[0], target, blobs: blobs.set(target.digest, bytes) }
}

/** The files of an OCI layout that holds these images under these names (undefined = nameless). */
export const layoutFiles = (
  images: readonly (readonly [image: BuiltImage, name: string | undefined])[],
): readonly TarFile[] => {
  const entries = images.map(([{ target }, name]) =>
    name === undefined ? target : { ...target, annotations: { [REF_NAME]: name } },
  )
  const blobs = new Map(images.flatMap(([image]) => [...image.blobs]))
  return [
    { name: 'oci-layout', data: OCI_LAYOUT_FILE },
    ...[...blobs].map(([digest, data]) => ({ name: `blobs/${algorithmOf(digest)}/${hexOf(digest)}`, data })),
    { name: 'index.json', data: encodeIndex(entries) },
  ]
}

/** What `docker save` wrote before it wrote OCI layouts. */
export const dockerArchiveFiles = (image: BuiltImage, tags: readonly string[]): readonly TarFile[] => {
  const bytes = (digest: Digest) => image.blobs.get(digest) ?? Buffer.alloc(0)
  const config = `${hexOf(image.config.digest)}.json`
  const layers = image.layers.map(({ digest }) => ({ name: `${hexOf(digest)}.tar`, data: bytes(digest) }))
  const manifest = [{ Config: config, RepoTags: tags, Layers: layers.map(({ name }) => name) }]
  return [
    ...layers,
    { name: config, data: bytes(image.config.digest) },
    { name: 'manifest.json', data: JSON.stringify(manifest) },
    { name: 'repositories', data: '{}' },
  ]
}

export const writeFiles = (folder: string, files: readonly TarFile[]): void => {
  for (const { name, data = '' } of files) {
    mkdirSync(path.dirname(path.join(folder, name)), { recursive: true })
    writeFileSync(path.join(folder, name), data)
  }
}
