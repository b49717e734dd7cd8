// The last steps of commit and import: a layer that is stored, and a config around it, become an image with a name.
import * as E from '#fp/Either'
import { pipe } from '#fp/function'
import * as TE from '#fp/TaskEither'
import { type Digest, hasher } from '../model/digest.ts'
import type { EngineError } from '../model/errors.ts'
import { type Descriptor, encodeManifest, type ImageConfig, platformOf } from '../model/image.ts'
import type { MadeImage } from '../model/image-verbs.ts'
import { OCI_CONFIG, OCI_MANIFEST } from '../model/media-type.ts'
import { familiarName, fullName, type ImageReference } from '../model/reference.ts'
import { once } from './byte-streams.ts'
import { readDocuments } from './images-documents.ts'
import { install } from './images-install.ts'
import { withName } from './images-names.ts'
import { sweep } from './images-sweep.ts'
import type { ArchiveMember } from './ports/image-archive.ts'
import type { ImagePorts } from './ports/images.ts'
import { newName } from './tag.ts'

/** Stores both documents, unpacks what is not unpacked yet, and gives the name last. */
export const makeImage = (
  ports: ImagePorts,
  config: object & Pick<ImageConfig, 'os' | 'architecture' | 'variant'>,
  layers: readonly Descriptor[],
  name: ImageReference | undefined,
  signal: AbortSignal | undefined,
): TE.TaskEither<EngineError, MadeImage> =>
  pipe(
    storeDocument(ports, OCI_CONFIG, JSON.stringify(config)),
    TE.bindTo('configBlob'),
    TE.bind('target', ({ configBlob }) =>
      storeDocument(ports, OCI_MANIFEST, encodeManifest(configBlob, layers)),
    ),
    TE.tap(({ target }) => prepare(ports, target, config, signal)),
    TE.tap(({ target }) =>
      ports.store.update((entries) =>
        E.right(withName(entries, name === undefined ? undefined : fullName(name), target)),
      ),
    ),
    TE.map(({ configBlob, target }) => ({
      id: configBlob.digest,
      digest: target.digest,
      ...(name === undefined ? {} : { reference: familiarName(name) }),
    })),
  )

/** The name an image is to get, if any. */
export const nameIn = ({
  name,
}: {
  readonly name?: string
}): E.Either<EngineError, ImageReference | undefined> =>
  name === undefined ? E.right(undefined) : newName(name)

/** While it runs nothing of the store disappears; a failure leaves nothing. */
export const making = <A>(
  ports: ImagePorts,
  program: TE.TaskEither<EngineError, A>,
): TE.TaskEither<EngineError, A> =>
  pipe(
    ports.store.keeping(program),
    TE.orElse((error) => () => sweep(ports)().then((): E.Either<EngineError, A> => E.left(error))),
  )

/** The digest of what a stored layer is when it is decompressed. */
export const diffIdOf = (
  { store }: ImagePorts,
  { compression, ...blob }: ArchiveMember,
): TE.TaskEither<EngineError, Digest> =>
  compression === 'none'
    ? TE.right(blob.digest)
    : store.readThrough(blob, {
        consume: (bytes) =>
          TE.tryCatch(
            async () => {
              const hash = hasher()
              for await (const chunk of bytes) hash.update(chunk)
              return hash.digest()
            },
            (cause): EngineError => ({
              _tag: 'LayerRefused',
              digest: blob.digest,
              why: `it cannot be read: ${cause instanceof Error ? cause.message : cause}`,
            }),
          ),
      })

const prepare = (
  ports: ImagePorts,
  target: Descriptor,
  config: Parameters<typeof makeImage>[1],
  signal: AbortSignal | undefined,
) =>
  pipe(
    readDocuments(target.digest, target, platformOf(config as ImageConfig), ports.store.read),
    TE.flatMap((image) =>
      install(ports, image, ({ blob }, consumer) => ports.store.readThrough(blob, consumer), signal),
    ),
  )

const storeDocument = (
  { store }: ImagePorts,
  mediaType: string,
  text: string,
): TE.TaskEither<EngineError, Descriptor> =>
  pipe(
    store.write({ what: 'an image document' }, once(text)),
    TE.map((stored) => ({ mediaType, ...stored })),
  )
