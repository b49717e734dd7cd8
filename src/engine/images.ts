// images: what the store holds, one line per name.
import * as E from '#fp/Either'
import { pipe } from '#fp/function'
import * as TE from '#fp/TaskEither'
import type { EngineError } from '../model/errors.ts'
import { type Descriptor, nameOf, timeOfMaking } from '../model/image.ts'
import type { PreparedRecord } from '../model/image-record.ts'
import type { ImageSummary } from '../model/image-verbs.ts'
import { familiarRepository, fullName, parseReference } from '../model/reference.ts'
import { readDocuments } from './images-documents.ts'
import { unpackedRecord } from './images-install.ts'
import type { ImagePorts, ImageProgram } from './ports/images.ts'

/** Every name of every image, newest image first. An image that is here for two platforms is listed twice. */
export const listImages: ImageProgram<readonly ImageSummary[]> = (ports) =>
  pipe(
    TE.Do,
    TE.bind('entries', () => ports.store.entries),
    TE.bind('records', () => ports.store.records),
    TE.flatMap(({ entries, records }) =>
      TE.traverseSeqArray((entry: Descriptor) => summariesOf(ports, entry, records))(entries),
    ),
    TE.map((summaries) => summaries.flat().sort(newestFirst)),
  )

/** Of one moment by their names. */
const newestFirst = (a: ImageSummary, b: ImageSummary): number =>
  (b.createdMs ?? 0) - (a.createdMs ?? 0) || compareText(nameIn(a), nameIn(b))
const nameIn = ({ repository = '', tag = '' }: ImageSummary): string => `${repository}:${tag}`
const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

/** An entry some other tool put into the layout has no record: then its documents are read, without unpacking anything. */
const summariesOf = (
  ports: ImagePorts,
  entry: Descriptor,
  records: readonly PreparedRecord[],
): TE.TaskEither<EngineError, readonly ImageSummary[]> => {
  const own = records.filter(({ target }) => target === entry.digest)
  if (own.length > 0) return TE.right(own.map((record) => summarize(entry, record)))
  return pipe(
    readDocuments(nameOf(entry) ?? entry.digest, entry, ports.platform, ports.store.read),
    TE.map((image) => [summarize(entry, unpackedRecord(image, new Map()))]),
    TE.orElse(() => TE.right<EngineError, readonly ImageSummary[]>([])),
  )
}

const summarize = (entry: Descriptor, record: PreparedRecord): ImageSummary => {
  return {
    id: record.imageId,
    ...nameParts(entry),
    digest: entry.digest,
    platform: record.platform,
    ...timeOfMaking(record.created),
    sizeBytes: record.sizeBytes,
    labels: record.config.Labels ?? {},
  }
}

/** A name that is no full reference (another tool's) is shown as it is. */
const nameParts = (entry: Descriptor): { readonly repository?: string; readonly tag?: string } => {
  const name = nameOf(entry)
  if (name === undefined) return {}
  const parsed = parseReference(name)
  if (E.isLeft(parsed) || fullName(parsed.right) !== name) return { repository: name }
  const { tag } = parsed.right
  return { repository: familiarRepository(parsed.right), ...(tag === undefined ? {} : { tag }) }
}
