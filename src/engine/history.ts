// history: the steps an image was made in, as its config tells them.
import { pipe } from '#fp/function'
import * as TE from '#fp/TaskEither'
import { timeOfMaking, untoldLayers } from '../model/image.ts'
import type { ImageHistoryEntry, InspectOptions } from '../model/image-verbs.ts'
import { type OpenedImage, openImage } from './images-open.ts'
import { layerSizes } from './images-sizes.ts'
import type { ImageProgram } from './ports/images.ts'

/** Newest first. Layers the history does not tell of come last, as `docker history` shows them: without words. Fails as `inspect`. */
export const imageHistory =
  (text: string, { platform }: InspectOptions = {}): ImageProgram<readonly ImageHistoryEntry[]> =>
  (ports) =>
    pipe(
      openImage(ports, text, platform),
      TE.bindTo('image'),
      TE.bind('sizes', ({ image }) => layerSizes(ports, image.layers)),
      TE.map(({ image, sizes }) => entriesOf(image, sizes)),
    )

const entriesOf = (image: OpenedImage, sizes: readonly number[]): readonly ImageHistoryEntry[] => {
  const steps = image.config.history ?? []
  const untold = untoldLayers(image.config, sizes.length)
  let layer = untold
  const lowest = sizes.slice(0, untold).map((sizeBytes) => ({ createdBy: '', comment: '', sizeBytes }))
  const entries = steps.map((step): ImageHistoryEntry => {
    const sizeBytes = step.empty_layer === true ? 0 : (sizes[layer++] ?? 0)
    const createdBy = step.created_by ?? ''
    const comment = step.comment ?? ''
    return { ...timeOfMaking(step.created), createdBy, comment, sizeBytes }
  })
  const [newest, ...older] = [...lowest, ...entries].reverse()
  return newest === undefined ? [] : [{ id: image.imageId, ...newest }, ...older]
}
