// tag: one more name for an image.
import * as E from '#fp/Either'
import { pipe } from '#fp/function'
import * as TE from '#fp/TaskEither'
import type { EngineError } from '../model/errors.ts'
import type { Descriptor } from '../model/image.ts'
import { type ImageReference, parseReference } from '../model/reference.ts'
import { findByText, storedName, withName } from './images-names.ts'
import type { ImageProgram } from './ports/images.ts'

/** A name another image had is taken from it, as in Docker. Fails: InvalidReference, ImageNotFound. */
export const tagImage =
  (source: string, name: string): ImageProgram<void> =>
  (ports) =>
    pipe(
      TE.fromEither(newName(name)),
      TE.bindTo('reference'),
      TE.bind('found', () => findByText(ports.store, source)),
      TE.tap(({ reference, found }) =>
        ports.store.update((entries) => tagged(entries, source, found, reference)),
      ),
      TE.map(() => undefined),
    )

/** A name that can be given: a digest is none, since it says itself what it means. */
export const newName = (text: string): E.Either<EngineError, ImageReference> =>
  E.flatMap((reference: ImageReference) =>
    reference.digest === undefined
      ? E.right<EngineError, ImageReference>(reference)
      : E.left<EngineError, ImageReference>({
          _tag: 'InvalidReference',
          reference: text,
          why: 'a name with a digest cannot be given to an image',
        }),
  )(parseReference(text))

/** Found outside the lock: by now the image may be gone. */
const tagged = (
  entries: readonly Descriptor[],
  source: string,
  [found]: readonly Descriptor[],
  reference: ImageReference,
): E.Either<EngineError, readonly Descriptor[]> => {
  const target = entries.find(({ digest }) => digest === found?.digest)
  return target === undefined
    ? E.left({ _tag: 'ImageNotFound', reference: source })
    : E.right(withName(entries, storedName(reference), target))
}
