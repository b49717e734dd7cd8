// From an index entry to one image: choosing the platform, reading the documents, and checking that they fit together.
import * as E from '#fp/Either'
import { pipe } from '#fp/function'
import * as TE from '#fp/TaskEither'
import type { Digest } from '../model/digest.ts'
import type { EngineError } from '../model/errors.ts'
import {
  type Descriptor,
  decodeConfig,
  decodeIndex,
  decodeManifest,
  diffIdsOf,
  type ImageConfig,
  type ImageManifest,
  platformOf,
} from '../model/image.ts'
import { isConfig, isIndex, isManifest, isSchema1, layerCompression } from '../model/media-type.ts'
import { choosePlatform, formatPlatform, type Platform, platformMatches } from '../model/platform.ts'

/** Gives the bytes of a document, from wherever it is, verified. */
export type FetchDocument = (document: Descriptor) => TE.TaskEither<EngineError, Buffer>

/** One layer: the blob to get, and what its tar must be. */
export interface Layer {
  readonly blob: Descriptor
  readonly diffId: Digest
}
/** An image whose documents are complete and agree with each other. */
export interface ImageDocuments {
  /** What the name points at: the manifest itself or an index above it. */
  readonly target: Descriptor
  readonly manifest: Descriptor
  readonly imageId: Digest
  readonly config: ImageConfig
  /** Lowest first. */
  readonly layers: readonly Layer[]
}

/** Bytes. A config holds words, not files. */
const MAX_CONFIG = 8 * 1024 * 1024
/** How deep indexes may nest; deeper is somebody's joke. */
export const MAX_DEPTH = 4

/**
 * Reads an image's documents, going down from an index to the manifest for `wanted`. Fails: PlatformMismatch, InvalidSpec,
 * Unsupported for what is no container image, and whatever `fetch` fails with.
 */
export const readDocuments = (
  name: string,
  target: Descriptor,
  wanted: Platform,
  fetch: FetchDocument,
): TE.TaskEither<EngineError, ImageDocuments> =>
  pipe(
    findManifest(name, target, wanted, fetch, MAX_DEPTH),
    TE.bindTo('found'),
    TE.bind('config', ({ found }) => readConfig(name, found.manifest, fetch)),
    TE.flatMapEither(({ found, config }) => fitTogether(name, wanted, target, found, config)),
  )

interface Found {
  readonly descriptor: Descriptor
  readonly manifest: ImageManifest
}

const findManifest = (
  name: string,
  at: Descriptor,
  wanted: Platform,
  fetch: FetchDocument,
  depth: number,
): TE.TaskEither<EngineError, Found> => {
  if (isIndex(at.mediaType) && depth > 0)
    return pipe(
      fetch(at),
      TE.flatMapEither((bytes) => decodeIndex(bytes, `index ${at.digest}`)),
      TE.flatMapEither(({ manifests }) => choose(name, manifests, wanted)),
      TE.flatMap((child) => findManifest(name, child, wanted, fetch, depth - 1)),
    )
  if (!isManifest(at.mediaType)) return TE.left(notAnImage(name, at.mediaType))
  return pipe(
    fetch(at),
    TE.flatMapEither((bytes) => decodeManifest(bytes, `manifest ${at.digest}`)),
    TE.map((manifest) => ({ descriptor: at, manifest })),
  )
}

/** Entries without a platform are taken only when no other suits: their config will tell. */
const choose = (
  name: string,
  offers: readonly Descriptor[],
  wanted: Platform,
): E.Either<EngineError, Descriptor> => {
  const images = offers.filter(({ mediaType }) => isManifest(mediaType) || isIndex(mediaType))
  const chosen =
    choosePlatform(wanted, images, ({ platform }) => platform) ??
    images.find(({ platform }) => platform === undefined)
  if (chosen !== undefined) return E.right(chosen)
  const found = images.flatMap(({ platform }) => (platform === undefined ? [] : [formatPlatform(platform)]))
  return E.left(mismatch(name, wanted, found))
}

const readConfig = (
  name: string,
  manifest: ImageManifest,
  fetch: FetchDocument,
): TE.TaskEither<EngineError, ImageConfig> => {
  const { config } = manifest
  if (!isConfig(config.mediaType)) return TE.left(notAnImage(name, config.mediaType))
  if (config.size > MAX_CONFIG) return TE.left(tooLarge(name, config.size))
  return pipe(
    fetch(config),
    TE.flatMapEither((bytes) => decodeConfig(bytes, `image config ${config.digest}`)),
  )
}

const fitTogether = (
  name: string,
  wanted: Platform,
  target: Descriptor,
  { descriptor, manifest }: Found,
  config: ImageConfig,
): E.Either<EngineError, ImageDocuments> => {
  const platform = platformOf(config)
  if (!platformMatches(wanted, platform)) return E.left(mismatch(name, wanted, [formatPlatform(platform)]))
  const diffIds = diffIdsOf(config)
  const document = `manifest ${descriptor.digest}`
  if (diffIds.length !== manifest.layers.length)
    return E.left({
      _tag: 'InvalidSpec',
      document,
      where: '$.layers',
      why: `${manifest.layers.length} layers, but the image config has ${diffIds.length} diff_ids`,
    })
  const odd = manifest.layers.findIndex(({ mediaType }) => layerCompression(mediaType) === undefined)
  if (odd >= 0)
    return E.left({
      _tag: 'InvalidSpec',
      document,
      where: `$.layers[${odd}].mediaType`,
      why: `${JSON.stringify(manifest.layers[odd]?.mediaType)} is no file system layer`,
    })
  const layers = layersOf(manifest, config)
  return E.right({ target, manifest: descriptor, imageId: manifest.config.digest, config, layers })
}

/** Of a manifest and a config that may not fit together: those that both speak of. */
export const layersOf = (manifest: ImageManifest, config: ImageConfig): readonly Layer[] => {
  const diffIds = diffIdsOf(config)
  return manifest.layers.flatMap((blob, at) => {
    const diffId = diffIds[at]
    return diffId === undefined ? [] : [{ blob, diffId }]
  })
}

const mismatch = (name: string, wanted: Platform, found: readonly string[]): EngineError => ({
  _tag: 'PlatformMismatch',
  reference: name,
  wanted: formatPlatform(wanted),
  found: [...new Set(found.filter((platform) => platform !== 'unknown/unknown'))],
})

const tooLarge = (name: string, size: number): EngineError => ({
  _tag: 'InvalidSpec',
  document: `manifest of ${name}`,
  where: '$.config.size',
  why: `an image config of ${size} bytes`,
})

const notAnImage = (name: string, mediaType: string): EngineError => ({
  _tag: 'Unsupported',
  feature: `${name}: ${mediaType}`,
  why: isSchema1(mediaType)
    ? 'image manifests of schema 1 are obsolete; push the image again with a current tool'
    : 'it is not a container image',
})
