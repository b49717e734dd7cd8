// save: images out of the store, into one file that other engines read, too.
import * as E from '#fp/Either'
import { pipe } from '#fp/function'
import * as TE from '#fp/TaskEither'
import { algorithmOf, type Digest, hexOf } from '../model/digest.ts'
import type { EngineError } from '../model/errors.ts'
import { type Descriptor, encodeIndex, nameOf, OCI_LAYOUT_FILE } from '../model/image.ts'
import type { SaveOptions, SaveTarget } from '../model/image-verbs.ts'
import { isIndex, isManifest } from '../model/media-type.ts'
import type { Platform } from '../model/platform.ts'
import { familiarName, fullName, type ImageReference, parseReference } from '../model/reference.ts'
import { once } from './byte-streams.ts'
import type { ImageDocuments } from './images-documents.ts'
import { findByReference, findByText, withName } from './images-names.ts'
import { openImage } from './images-open.ts'
import { childrenIn } from './images-sweep.ts'
import type { SavedFile } from './ports/image-archive.ts'
import type { ImagePorts, ImageProgram } from './ports/images.ts'

/** What goes into the file of one image. */
interface Saved {
  /** What its names point at: all platforms that are here, or the one that was asked for. */
  readonly target: Descriptor
  /** Full names it was asked for by; by id it has none. */
  readonly names: readonly string[]
  /** Of one platform: what `docker load` takes. */
  readonly documents: ImageDocuments
}

/**
 * Blobs go out as they are stored, each verified on its way. While it runs nothing of them disappears. Fails: ImageNotFound,
 * InvalidReference, PlatformMismatch, InvalidOption for a target that cannot be, DigestMismatch, StateDamaged, SyscallFailed, Cancelled.
 */
export const save =
  (references: readonly string[], target: SaveTarget, options: SaveOptions = {}): ImageProgram<void> =>
  (ports) => {
    const { format = 'docker-archive', platform, signal } = options
    return ports.store.keeping(
      pipe(
        references,
        TE.traverseSeqArray((reference) => meantBy(ports, reference, platform)),
        TE.map((found) => merged(found.flat())),
        TE.bindTo('images'),
        TE.bind('blobs', ({ images }) => blobsOf(ports, images)),
        TE.map(({ images, blobs }) =>
          filesOf(ports, images, blobs, format !== 'oci-archive' && format !== 'oci-dir'),
        ),
        TE.flatMap((files) =>
          ports.archives.write(files, target, { format, ...(signal === undefined ? {} : { signal }) }),
        ),
      ),
    )
  }

const meantBy = (
  ports: ImagePorts,
  text: string,
  platform: Platform | undefined,
): TE.TaskEither<EngineError, readonly Saved[]> =>
  pipe(
    ports.store.entries,
    TE.flatMap((entries) => {
      const all = tagsOf(text, entries)
      return all.length > 0 ? TE.right(all) : findByText(ports.store, text)
    }),
    TE.flatMap(
      TE.traverseSeqArray((entry) => {
        const name = nameOf(entry)
        const asked = isAskedByName(text, entry) ? name : undefined
        return pipe(
          openImage(ports, asked ?? text, platform),
          TE.map(
            (documents): Saved => ({
              target: platform === undefined ? entry : documents.manifest,
              names: asked === undefined ? [] : [asked],
              documents,
            }),
          ),
        )
      }),
    ),
  )

/** A name without a tag means every tag of that repository, as in `docker save`. */
const tagsOf = (text: string, entries: readonly Descriptor[]): readonly Descriptor[] => {
  const reference = parseReference(text)
  if (E.isLeft(reference) || !isBare(text, reference.right)) return []
  const { registry, repository } = reference.right
  return entries.filter((entry) => {
    const own = parseReference(nameOf(entry) ?? '')
    return (
      E.isRight(own) &&
      own.right.registry === registry &&
      own.right.repository === repository &&
      own.right.digest === undefined
    )
  })
}

const isBare = (text: string, { tag, digest }: ImageReference): boolean =>
  digest === undefined && tag === 'latest' && !text.endsWith(':latest')

const isAskedByName = (text: string, entry: Descriptor): boolean => {
  const name = nameOf(entry)
  if (name === undefined) return false
  const reference = parseReference(text)
  return (
    name === text ||
    (E.isRight(reference) &&
      (findByReference(reference.right, [entry]) !== undefined || tagsOf(text, [entry]).length > 0))
  )
}

/** An image that was asked for by several names is there once. */
const merged = (found: readonly Saved[]): readonly Saved[] => {
  const images = new Map<string, Saved>()
  for (const image of found) {
    const { digest } = image.target
    const names = [...new Set([...(images.get(digest)?.names ?? []), ...image.names])]
    images.set(digest, { ...image, names })
  }
  return [...images.values()]
}

const blobsOf = (
  ports: ImagePorts,
  images: readonly Saved[],
): TE.TaskEither<EngineError, ReadonlyMap<Digest, Descriptor>> => {
  const found = new Map<Digest, Descriptor>()
  return pipe(
    images,
    TE.traverseSeqArray(({ target }) => collect(ports, target, found)),
    TE.map(() => found),
  )
}

/** Of an index only the platforms that were pulled are here, which image-layout.md allows; of an image everything must be. */
const collect = (
  ports: ImagePorts,
  at: Descriptor,
  found: Map<Digest, Descriptor>,
): TE.TaskEither<EngineError, void> => {
  if (found.has(at.digest)) return TE.right(undefined)
  found.set(at.digest, at)
  if (!isIndex(at.mediaType) && !isManifest(at.mediaType)) return TE.right(undefined)
  const below = (child: Descriptor): TE.TaskEither<EngineError, void> =>
    pipe(
      ports.store.has(child.digest),
      TE.flatMap((isHere) => {
        if (isHere) return collect(ports, child, found)
        return isIndex(at.mediaType) ? TE.right(undefined) : TE.left(missing(child))
      }),
    )
  return pipe(
    ports.store.read(at),
    TE.map((bytes) => childrenIn(at, bytes)),
    TE.flatMap(TE.traverseSeqArray(below)),
    TE.map(() => undefined),
  )
}

const missing = ({ digest }: Descriptor): EngineError => ({
  _tag: 'StateDamaged',
  path: digest,
  why: 'the blob is missing; pull the image again',
})

/** In an order of their own, so that the same images are the same bytes. */
const filesOf = (
  { store }: ImagePorts,
  images: readonly Saved[],
  blobs: ReadonlyMap<Digest, Descriptor>,
  forDocker: boolean,
): readonly SavedFile[] => [
  textFile('oci-layout', OCI_LAYOUT_FILE),
  ...[...blobs.values()]
    .sort((a, b) => (a.digest < b.digest ? -1 : 1))
    .map(({ digest, size }) => ({
      name: blobName(digest),
      size,
      content: () => store.stream({ digest, size }),
    })),
  textFile('index.json', encodeIndex(images.reduce(addNames, []))),
  ...(forDocker ? [textFile('manifest.json', JSON.stringify(images.map(dockerEntry)))] : []),
]

const textFile = (name: string, text: string): SavedFile => {
  return { name, size: Buffer.byteLength(text), content: () => once(text) }
}

const blobName = (digest: Digest): string => `blobs/${algorithmOf(digest)}/${hexOf(digest)}`

const addNames = (entries: readonly Descriptor[], { target, names }: Saved): readonly Descriptor[] =>
  names.length === 0
    ? withName(entries, undefined, target)
    : names.reduce((list, name) => withName(list, name, target), entries)

/** One image of docker's manifest.json; a name with a digest is none that could be given. */
const dockerEntry = ({ names, documents }: Saved) => {
  const tags = names.flatMap((name) => {
    const reference = parseReference(name)
    const isTag =
      E.isRight(reference) && reference.right.digest === undefined && fullName(reference.right) === name
    return isTag ? [familiarName(reference.right)] : []
  })
  return {
    Config: blobName(documents.imageId),
    RepoTags: tags.length === 0 ? null : tags,
    Layers: documents.layers.map(({ blob }) => blobName(blob.digest)),
  }
}
