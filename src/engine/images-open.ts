// One stored image with its documents: what the verbs begin with that look at images, and run none.
import * as E from '#fp/Either'
import { pipe } from '#fp/function'
import * as TE from '#fp/TaskEither'
import type { EngineError } from '../model/errors.ts'
import { type Descriptor, nameOf } from '../model/image.ts'
import type { PreparedRecord } from '../model/image-record.ts'
import { type Platform, parsePlatform } from '../model/platform.ts'
import { familiarName, parseReference } from '../model/reference.ts'
import { type ImageDocuments, readDocuments } from './images-documents.ts'
import { findByText } from './images-names.ts'
import type { ImagePorts } from './ports/images.ts'

export interface OpenedImage extends ImageDocuments {
  /** The index entry that was meant. */
  readonly entry: Descriptor
  /** Every entry that points at the same target. */
  readonly names: readonly Descriptor[]
  /** The image config as it is stored, with the fields we do not know. */
  readonly rawConfig: Readonly<Record<string, unknown>>
}

/**
 * By name, id or digest. Without a platform it is this machine's, or that of the id, or the only one that is here. Fails: ImageNotFound,
 * InvalidReference, PlatformMismatch, InvalidSpec, DigestMismatch, StateDamaged.
 */
export const openImage = (
  ports: ImagePorts,
  text: string,
  platform?: Platform,
): TE.TaskEither<EngineError, OpenedImage> =>
  pipe(
    TE.Do,
    TE.bind('entry', () => firstOf(ports, text)),
    TE.bind('entries', () => ports.store.entries),
    TE.bind('records', () => ports.store.records),
    TE.bind('image', ({ entry, records }) => documentsOf(ports, text, entry, records, platform)),
    TE.bind('rawConfig', ({ image }) => rawConfigOf(ports, image)),
    TE.map(({ entry, entries, image, rawConfig }) => ({
      ...image,
      entry,
      names: entries.filter(({ digest }) => digest === entry.digest),
      rawConfig,
    })),
  )

/** As Docker prints a stored name; another tool's stays as it is. */
export const printable = (name: string): string => {
  const reference = parseReference(name)
  return E.isRight(reference) ? familiarName(reference.right) : name
}

const firstOf = (ports: ImagePorts, text: string): TE.TaskEither<EngineError, Descriptor> =>
  pipe(
    findByText(ports.store, text),
    TE.flatMap(([entry]) =>
      entry === undefined
        ? TE.left<EngineError, Descriptor>({ _tag: 'ImageNotFound', reference: text })
        : TE.right(entry),
    ),
  )

const documentsOf = (
  ports: ImagePorts,
  text: string,
  entry: Descriptor,
  records: readonly PreparedRecord[],
  platform: Platform | undefined,
): TE.TaskEither<EngineError, ImageDocuments> => {
  const read = (wanted: Platform) => readDocuments(nameOf(entry) ?? text, entry, wanted, ports.store.read)
  if (platform !== undefined) return read(platform)
  const own = records.filter(({ target }) => target === entry.digest)
  const start = text.startsWith('sha256:') ? text : `sha256:${text}`
  const meant = own.find(({ imageId }) => imageId.startsWith(start))
  if (meant !== undefined) return read(platformIn(meant) ?? ports.platform)
  const [only] = own
  return pipe(
    read(ports.platform),
    TE.orElse((error) => {
      const other = error._tag === 'PlatformMismatch' ? only && platformIn(only) : undefined
      return other === undefined ? TE.left(error) : read(other)
    }),
  )
}

const platformIn = ({ platform }: PreparedRecord): Platform | undefined => parsePlatform(platform)

const rawConfigOf = (
  { store }: ImagePorts,
  { imageId }: ImageDocuments,
): TE.TaskEither<EngineError, Readonly<Record<string, unknown>>> =>
  pipe(
    store.read({ digest: imageId }),
    // It was decoded before, so it is JSON, and an object.
    TE.map((bytes) => JSON.parse(bytes.toString('utf8')) as Readonly<Record<string, unknown>>),
  )
