// What is made of an image, beside somebody who removes it.
import * as E from '#fp/Either'
import type { EngineError } from '../model/errors.ts'
import type { ImageSource } from '../model/options.ts'
import type { PreparedImage } from '../model/prepared-image.ts'
import type { Ports } from './ports.ts'

/**
 * ImageNotFound where it has been removed meanwhile. A sweep looks for containers once it has taken an image's name away, and whoever
 * makes one asks this once the container's record is written: one of both sees the other, and nothing runs on a tree that is being
 * removed.
 */
export const imageGone = async (
  { host }: Ports,
  source: ImageSource,
  { rootfs }: PreparedImage,
): Promise<E.Left<EngineError> | undefined> => {
  if (rootfs.kind !== 'layers') return undefined
  const again = await host.prepareImage(source)()
  return E.isLeft(again) && again.left._tag === 'ImageNotFound' ? again : undefined
}

/** Of a start that failed because its image's tree was going: ImageNotFound, as if it had come a moment later. */
export const unlessGone = async <A>(
  { host }: Ports,
  source: ImageSource,
  result: E.Either<EngineError, A>,
): Promise<E.Either<EngineError, A>> => {
  if (E.isRight(result) || result.left._tag !== 'SyscallFailed') return result
  const again = await host.prepareImage(source)()
  return E.isLeft(again) && again.left._tag === 'ImageNotFound' ? again : result
}
