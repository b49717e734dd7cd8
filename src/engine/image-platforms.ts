// Which platforms an image was made for, and which of them are here.
import { pipe } from '#fp/function'
import * as TE from '#fp/TaskEither'
import type { EngineError } from '../model/errors.ts'
import {
  type Descriptor,
  decodeConfig,
  decodeIndex,
  decodeManifest,
  type ImageConfig,
  type ImageManifest,
  platformOf,
} from '../model/image.ts'
import type { ImagePlatform } from '../model/image-verbs.ts'
import { isConfig, isIndex, isManifest } from '../model/media-type.ts'
import { formatPlatform } from '../model/platform.ts'
import { layersOf, MAX_DEPTH } from './images-documents.ts'
import { findByText } from './images-names.ts'
import { layerSizes } from './images-sizes.ts'
import type { ImagePorts, ImageProgram } from './ports/images.ts'

/**
 * In the order of the index; of an image without one, that of its manifest. What is no image of a platform, such as an attestation, is
 * not listed. Fails: ImageNotFound, InvalidReference, StateDamaged, DigestMismatch, InvalidSpec.
 */
export const imagePlatforms =
  (text: string): ImageProgram<readonly ImagePlatform[]> =>
  (ports) =>
    pipe(
      findByText(ports.store, text),
      TE.flatMap(([entry]) => (entry === undefined ? TE.right([]) : manifestsBelow(ports, entry, MAX_DEPTH))),
      TE.flatMap(TE.traverseSeqArray((manifest) => describe(ports, manifest))),
      TE.map((platforms) => platforms.flat()),
    )

const manifestsBelow = (
  ports: ImagePorts,
  at: Descriptor,
  depth: number,
): TE.TaskEither<EngineError, readonly Descriptor[]> => {
  if (isManifest(at.mediaType)) return TE.right([at])
  if (!isIndex(at.mediaType) || depth === 0) return TE.right([])
  return pipe(
    ports.store.read(at),
    TE.flatMapEither((bytes) => decodeIndex(bytes, `index ${at.digest}`)),
    TE.flatMap(({ manifests }) =>
      TE.traverseSeqArray((child: Descriptor) => manifestsBelow(ports, child, depth - 1))(manifests),
    ),
    TE.map((lists) => lists.flat()),
  )
}

interface Documents {
  readonly manifest: ImageManifest
  readonly config: ImageConfig
}

/** Of a manifest that is not here only what the index says of it is known. */
const describe = (
  ports: ImagePorts,
  descriptor: Descriptor,
): TE.TaskEither<EngineError, readonly ImagePlatform[]> => {
  const said = descriptor.platform === undefined ? undefined : formatPlatform(descriptor.platform)
  if (said === 'unknown/unknown') return TE.right([])
  const absent: readonly ImagePlatform[] =
    said === undefined ? [] : [{ platform: said, digest: descriptor.digest, isHere: false }]
  return pipe(
    has(ports, descriptor),
    TE.flatMap((isHere) => (isHere ? documentsOf(ports, descriptor) : NO_DOCUMENTS)),
    TE.flatMap((documents) =>
      documents === undefined
        ? TE.right<EngineError, readonly ImagePlatform[]>(absent)
        : present(ports, descriptor, documents, absent),
    ),
  )
}
const NO_DOCUMENTS = TE.right<EngineError, Documents | undefined>(undefined)

const has = ({ store }: ImagePorts, { digest }: Descriptor): TE.TaskEither<EngineError, boolean> =>
  store.has(digest)

/** Undefined for what is no image, and where the config is not here. */
const documentsOf = (
  ports: ImagePorts,
  descriptor: Descriptor,
): TE.TaskEither<EngineError, Documents | undefined> =>
  pipe(
    ports.store.read(descriptor),
    TE.flatMapEither((bytes) => decodeManifest(bytes, `manifest ${descriptor.digest}`)),
    TE.bindTo('manifest'),
    TE.bind('isHere', ({ manifest: { config } }) =>
      isConfig(config.mediaType) ? has(ports, config) : TE.right(false),
    ),
    TE.flatMap(({ manifest, isHere }) =>
      isHere
        ? pipe(
            ports.store.read(manifest.config),
            TE.flatMapEither((bytes) => decodeConfig(bytes, `image config ${manifest.config.digest}`)),
            TE.map((config): Documents | undefined => ({ manifest, config })),
          )
        : NO_DOCUMENTS,
    ),
  )

const present = (
  ports: ImagePorts,
  { digest, size }: Descriptor,
  { manifest, config }: Documents,
  absent: readonly ImagePlatform[],
): TE.TaskEither<EngineError, readonly ImagePlatform[]> => {
  return pipe(
    TE.Do,
    TE.bind('found', () => TE.traverseSeqArray((blob: Descriptor) => has(ports, blob))(manifest.layers)),
    TE.bind('sizes', () => layerSizes(ports, layersOf(manifest, config))),
    TE.bind('containers', () => ports.inUse(manifest.config.digest)),
    TE.map(({ found, sizes, containers }): readonly ImagePlatform[] =>
      found.every((isHere) => isHere)
        ? [
            {
              platform: formatPlatform(platformOf(config)),
              digest,
              isHere: true,
              id: manifest.config.digest,
              sizeBytes: sum(sizes),
              contentBytes: size + manifest.config.size + sum(manifest.layers.map((blob) => blob.size)),
              containers: containers.length,
            },
          ]
        : absent,
    ),
  )
}

const sum = (sizes: readonly number[]): number => sizes.reduce((total, size) => total + size, 0)
