// The last steps of every pull and load: unpack the layers, make them one tree, and note that the image is ready.
import { pipe } from '#fp/function'
import * as TE from '#fp/TaskEither'
import type { EngineError } from '../model/errors.ts'
import { platformOf, runtimeConfigOf } from '../model/image.ts'
import type { PreparedRecord } from '../model/image-record.ts'
import type { OnProgress } from '../model/image-verbs.ts'
import { formatPlatform } from '../model/platform.ts'
import type { ImageDocuments, Layer } from './images-documents.ts'
import { awaitArrivals, beside, parallel } from './images-parallel.ts'
import type { Consumer } from './ports/content-store.ts'
import type { ImagePorts } from './ports/images.ts'
import type { UnpackedLayer } from './ports/snapshotter.ts'

/** Layers in work at the same time: what Docker does, too. */
const LAYERS_AT_ONCE = 3

/** Gets a layer's blob and feeds the consumer with it. */
export type AcquireLayer = (
  layer: Layer,
  consumer: Consumer<UnpackedLayer>,
  signal: AbortSignal,
) => TE.TaskEither<EngineError, UnpackedLayer>

/** Unpacks all layers and records the image as prepared. Layers that occur twice are got once. */
export const install = (
  ports: ImagePorts,
  image: ImageDocuments,
  acquire: AcquireLayer,
  signal?: AbortSignal,
): TE.TaskEither<EngineError, PreparedRecord> => {
  const distinct = [...new Map(image.layers.map((layer) => [layer.diffId, layer])).values()]
  const arrivals = awaitArrivals<EngineError>()
  const unpack = (layer: Layer, stop: AbortSignal) =>
    pipe(
      acquire(layer, unpacking(ports, layer, stop), stop),
      TE.tapIO(() => () => arrivals.came(layer.diffId)),
    )
  const layers = pipe(
    parallel(LAYERS_AT_ONCE, distinct, signal, unpack),
    TE.tapError((error) => TE.fromIO(() => arrivals.failed(error))),
  )
  const stack = ports.snapshotter.prepareStack(
    image.layers.map(({ diffId }) => diffId),
    arrivals.of,
  )
  return pipe(
    beside(layers, stack),
    TE.map((unpacked) => unpackedRecord(image, sizesOf(unpacked))),
    TE.tap((record) => ports.store.saveRecord(record)),
  )
}

/** Tells the listener which layers there are. */
export const announce = ({ layers }: ImageDocuments, onProgress: OnProgress | undefined): void => {
  const known = layers.map(({ blob }) => ({ digest: blob.digest, sizeBytes: blob.size }))
  onProgress?.({ kind: 'layers', layers: [...new Map(known.map((layer) => [layer.digest, layer])).values()] })
}

const unpacking = (
  { snapshotter }: ImagePorts,
  { diffId }: Layer,
  signal: AbortSignal,
): Consumer<UnpackedLayer> => ({
  consume: (tar) => snapshotter.unpackLayer(diffId, tar, { signal }),
})

const sizesOf = (unpacked: readonly UnpackedLayer[]): ReadonlyMap<string, number> =>
  new Map(unpacked.map(({ diffId, sizeBytes }) => [diffId, sizeBytes]))

/** The record of an image whose layers have these sizes, by diffID, in bytes. */
export const unpackedRecord = (image: ImageDocuments, sizes: ReadonlyMap<string, number>): PreparedRecord => {
  const diffIds = image.layers.map(({ diffId }) => diffId)
  return {
    version: 1,
    target: image.target.digest,
    manifest: image.manifest.digest,
    imageId: image.imageId,
    platform: formatPlatform(platformOf(image.config)),
    config: runtimeConfigOf(image.config),
    diffIds,
    sizeBytes: diffIds.reduce((sum, diffId) => sum + (sizes.get(diffId) ?? 0), 0),
    ...(image.config.created === undefined ? {} : { created: image.config.created }),
  }
}
