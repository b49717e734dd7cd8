// Removes what no image needs any more: marked from index.json, so nothing counts references and nothing can miscount.
import * as E from '#fp/Either'
import { pipe } from '#fp/function'
import * as O from '#fp/Option'
import * as TE from '#fp/TaskEither'
import { chainIds, type Digest } from '../model/digest.ts'
import type { EngineError } from '../model/errors.ts'
import {
  type Descriptor,
  decodeConfig,
  decodeIndex,
  decodeManifest,
  diffIdsOf,
  nameOf,
} from '../model/image.ts'
import type { PreparedRecord } from '../model/image-record.ts'
import { isConfig, isIndex, isManifest } from '../model/media-type.ts'
import { parseReference } from '../model/reference.ts'
import type { ContentStore } from './ports/content-store.ts'
import type { ImagePorts } from './ports/images.ts'

/** What was removed: digests of blobs and chainIDs of trees. */
export type Swept = readonly string[]

/**
 * Removes unreferenced blobs, layers, trees and records. While somebody adds content it removes nothing and says none;
 * the next sweep will. What a container was made of meanwhile stays: a start looks at index.json again once its record is written, and
 * this looks at the records once index.json is, so that one of both sees the other.
 */
export const sweep = (ports: ImagePorts): TE.TaskEither<EngineError, O.Option<Swept>> =>
  ports.store.alone(
    pipe(
      ports.store.entries,
      TE.bindTo('entries'),
      TE.bind('records', () => ports.store.records),
      TE.bind('kept', ({ entries, records }) => recordsToKeep(ports, entries, records)),
      TE.bind('marked', ({ entries, kept }) => mark(ports.store, entries, kept)),
      TE.bind('trees', ({ marked }) => removeSnapshots(ports, marked)),
      TE.tap(({ entries, kept }) =>
        ports.store.removeRecordsExcept(
          new Set([...entries.map(({ digest }) => digest), ...kept.map(({ target }) => target)]),
        ),
      ),
      TE.tap(({ entries }) => ports.store.removeOriginsExcept(repositoriesOf(entries))),
      TE.bind('blobs', ({ marked }) => ports.store.removeBlobsExcept(marked.blobs)),
      TE.map(({ trees, blobs }) => [...blobs, ...trees]),
    ),
  )

/** Those of images that are named, or that a container was made of. */
const recordsToKeep = (
  { inUse }: ImagePorts,
  entries: readonly Descriptor[],
  records: readonly PreparedRecord[],
): TE.TaskEither<EngineError, readonly PreparedRecord[]> => {
  const targets = new Set(entries.map(({ digest }) => digest))
  return pipe(
    records,
    TE.traverseSeqArray((record) =>
      targets.has(record.target)
        ? TE.right([record])
        : TE.map((users: readonly string[]) => (users.length > 0 ? [record] : []))(inUse(record.imageId)),
    ),
    TE.map((kept) => kept.flat()),
  )
}

/** `registry/repository` of every name. */
const repositoriesOf = (entries: readonly Descriptor[]): ReadonlySet<string> =>
  new Set(
    entries.flatMap((entry) => {
      const reference = parseReference(nameOf(entry) ?? '')
      return E.isRight(reference) ? [`${reference.right.registry}/${reference.right.repository}`] : []
    }),
  )

/** A refused image leaves nothing behind. What a broken download or an abort left stays, for the next try to use. */
export const sweepAfterFailure =
  (ports: ImagePorts) =>
  <A>(program: TE.TaskEither<EngineError, A>): TE.TaskEither<EngineError, A> =>
    pipe(
      program,
      TE.orElse((error) =>
        isWorthKeeping(error)
          ? TE.left(error)
          : () => sweep(ports)().then((): E.Either<EngineError, A> => E.left(error)),
      ),
    )

const isWorthKeeping = ({ _tag }: EngineError): boolean =>
  ['RegistryFailed', 'Cancelled', 'ImageNotFound', 'InvalidReference'].includes(_tag)

export interface Marked {
  readonly blobs: Set<string>
  readonly layers: Set<string>
  readonly stacks: Set<string>
}

/**
 * Everything these entries lead to, and what these records say was made. Fails where a document cannot be read just now: nobody may
 * take that for one that points at nothing.
 */
export const mark = (
  store: ContentStore,
  entries: readonly Descriptor[],
  records: readonly PreparedRecord[],
): TE.TaskEither<EngineError, Marked> => {
  const marked: Marked = { blobs: new Set(), layers: new Set(), stacks: new Set() }
  return pipe(
    entries,
    TE.traverseSeqArray((entry) => markFrom(store, entry, marked)),
    TE.map(() => {
      for (const record of records) markRecord(record, marked)
      return marked
    }),
  )
}

/** A document that is missing (another platform's) or damaged has nothing below it. */
const markFrom =
  (store: ContentStore, at: Descriptor, marked: Marked): TE.TaskEither<EngineError, void> =>
  async () => {
    if (marked.blobs.has(at.digest)) return E.right(undefined)
    marked.blobs.add(at.digest)
    if (!isIndex(at.mediaType) && !isManifest(at.mediaType) && !isConfig(at.mediaType))
      return E.right(undefined)
    const read = await store.read(at)()
    if (E.isLeft(read) && read.left._tag === 'SyscallFailed') return read
    const bytes = E.isRight(read) ? read.right : ''
    for (const child of childrenIn(at, bytes)) {
      const below = await markFrom(store, child, marked)()
      if (E.isLeft(below)) return below
    }
    const config = isConfig(at.mediaType) ? O.fromEither(decodeConfig(bytes, at.digest)) : O.none
    if (O.isSome(config)) markTrees(diffIdsOf(config.value), marked)
    return E.right(undefined)
  }

const markTrees = (diffIds: readonly Digest[], { layers, stacks }: Marked): void => {
  for (const diffId of diffIds) layers.add(diffId)
  const stack = chainIds(diffIds).at(-1)
  if (stack !== undefined) stacks.add(stack)
}

/** A container may use the trees of an image whose documents are damaged. */
const markRecord = ({ manifest, imageId, diffIds }: PreparedRecord, marked: Marked): void => {
  marked.blobs.add(manifest).add(imageId)
  markTrees(diffIds, marked)
}

/** What a document points at; nothing where it cannot be read. */
export const childrenIn = (
  { mediaType, digest }: Descriptor,
  bytes: string | Uint8Array,
): readonly Descriptor[] => {
  if (isIndex(mediaType)) {
    const index = decodeIndex(bytes, digest)
    return E.isRight(index) ? index.right.manifests : []
  }
  const manifest = decodeManifest(bytes, digest)
  return E.isRight(manifest) ? [manifest.right.config, ...manifest.right.layers] : []
}

const removeSnapshots = (
  { snapshotter }: ImagePorts,
  { layers, stacks }: Marked,
): TE.TaskEither<EngineError, readonly string[]> =>
  pipe(
    snapshotter.list,
    TE.flatMap((list) => {
      const deadStacks = list.stacks.map(({ chainId }) => chainId).filter((id) => !stacks.has(id))
      const deadLayers = list.layers.filter((id) => !layers.has(id))
      return pipe(
        [
          ...deadStacks.map((id) => snapshotter.remove('stack', id)),
          ...deadLayers.map((id) => snapshotter.remove('layer', id)),
        ],
        TE.sequenceSeqArray,
        TE.map(() => deadStacks),
      )
    }),
  )
