// How large layers are when they are unpacked.
import { pipe } from '#fp/function'
import * as TE from '#fp/TaskEither'
import type { EngineError } from '../model/errors.ts'
import type { Layer } from './images-documents.ts'
import type { ImagePorts } from './ports/images.ts'

/** Of each layer's uncompressed tar, in bytes; as sent, for one that is not unpacked (another tool put it into the layout). */
export const layerSizes = (
  { snapshotter }: ImagePorts,
  layers: readonly Layer[],
): TE.TaskEither<EngineError, readonly number[]> =>
  pipe(
    layers,
    TE.traverseSeqArray(({ diffId, blob }) =>
      pipe(
        snapshotter.find(diffId),
        TE.map((unpacked) => unpacked?.sizeBytes ?? blob.size),
      ),
    ),
  )
