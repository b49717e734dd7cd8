// What is made of an image, beside somebody who removes it.
import * as E from '#fp/Either'
import type { EngineError } from '../model/errors.ts'
import type { ImageSource } from '../model/options.ts'
import type { PreparedImage } from '../model/prepared-image.ts'
import type { Ports } from './ports.ts'

/** Of a record, a document or a request: an image is mounted by its name or its id. */
type Mounts = readonly { readonly type: string; readonly source?: string }[]

/**
 * ImageNotFound where it has been removed meanwhile, or one that is mounted. A sweep looks for containers once it has taken an image's
 * name away, and whoever makes one asks this once the container's record is written: one of both sees the other, and nothing runs on a
 * tree that is being removed.
 */
export const imageGone = async (
  ports: Ports,
  source: ImageSource,
  { rootfs }: PreparedImage,
  mounts: Mounts = [],
): Promise<E.Left<EngineError> | undefined> =>
  firstGone(ports, [...(rootfs.kind === 'layers' ? [source] : []), ...imagesIn(mounts)])

/** Of a start that failed because a tree of an image was going: ImageNotFound, as if it had come a moment later. */
export const unlessGone = async <A>(
  ports: Ports,
  source: ImageSource,
  result: E.Either<EngineError, A>,
  mounts: Mounts = [],
): Promise<E.Either<EngineError, A>> => {
  if (E.isRight(result) || result.left._tag !== 'SyscallFailed') return result
  return (await firstGone(ports, [source, ...imagesIn(mounts)])) ?? result
}

export const imagesIn = (mounts: Mounts): readonly string[] =>
  mounts.flatMap(({ type, source }) => (type === 'image' && source !== undefined ? [source] : []))

const firstGone = async (
  { host }: Ports,
  sources: readonly ImageSource[],
): Promise<E.Left<EngineError> | undefined> => {
  for (const source of sources) {
    const again = await host.prepareImage(source)()
    if (E.isLeft(again) && again.left._tag === 'ImageNotFound') return again
  }
  return undefined
}
