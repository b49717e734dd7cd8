// resolve: from what a user wrote to an image that can be started now. On the path of every start, so it reads next to nothing.
import * as E from '#fp/Either'
import { pipe } from '#fp/function'
import * as TE from '#fp/TaskEither'
import type { EngineError } from '../model/errors.ts'
import { type Descriptor, nameOf } from '../model/image.ts'
import type { PreparedRecord } from '../model/image-record.ts'
import { choosePlatform, formatPlatform, type Platform, parsePlatform } from '../model/platform.ts'
import type { PreparedImage } from '../model/prepared-image.ts'
import { readDocuments } from './images-documents.ts'
import { install } from './images-install.ts'
import { findByText } from './images-names.ts'
import type { ImagePorts, ResolveImage } from './ports/images.ts'

/** Answers kept per resolver: names in use are few, but a service may make up references without end. */
const MAX_CACHED = 1000

/**
 * Makes a resolver with a memory: while index.json is the same file, with the same time and size, an answer costs one
 * stat(2). It never goes to the network. Fails: ImageNotFound, InvalidReference, PlatformMismatch, StateDamaged.
 */
export const imageResolver = (ports: ImagePorts): ResolveImage => {
  let version: string | undefined
  const cache = new Map<string, E.Either<EngineError, PreparedImage>>()
  return (reference, options = {}) =>
    async () => {
      const now = ports.store.version()
      if (now !== version || cache.size > MAX_CACHED) cache.clear()
      version = now
      const wanted = options.platform ?? ports.platform
      const key = `${formatPlatform(wanted)} ${reference}`
      const known = cache.get(key)
      if (known !== undefined) return known
      const answer = await resolve(ports, reference, wanted)()
      // Only what was read under one version may be kept under it.
      if (E.isRight(answer) && ports.store.version() === now) cache.set(key, answer)
      return answer
    }
}

const resolve = (
  ports: ImagePorts,
  reference: string,
  wanted: Platform,
): TE.TaskEither<EngineError, PreparedImage> =>
  pipe(
    findByText(ports.store, reference),
    TE.flatMap(([entry]) => (entry === undefined ? notFound(reference) : TE.right(entry))),
    TE.bindTo('entry'),
    TE.bind('record', ({ entry }) => recordFor(ports, reference, entry, wanted)),
    TE.bind('path', ({ entry, record }) => treeOf(ports, reference, entry, record, wanted)),
    TE.map(({ record, path }) => ({
      reference,
      id: record.imageId,
      config: record.config,
      rootfs: { kind: 'layers', lowers: [path] },
    })),
  )

const notFound = (reference: string): TE.TaskEither<EngineError, never> =>
  TE.left({ _tag: 'ImageNotFound', reference })

const recordFor = (
  ports: ImagePorts,
  reference: string,
  entry: Descriptor,
  wanted: Platform,
): TE.TaskEither<EngineError, PreparedRecord> =>
  pipe(
    ports.store.record(entry.digest, formatPlatform(wanted)),
    TE.flatMap((exact) => (exact === undefined ? similarRecord(ports, entry, wanted) : TE.right(exact))),
    TE.flatMap((record) =>
      record === undefined ? prepareStored(ports, reference, entry, wanted) : TE.right(record),
    ),
  )

/** A machine also runs what was built for its older variants. */
const similarRecord = (
  { store }: ImagePorts,
  entry: Descriptor,
  wanted: Platform,
): TE.TaskEither<EngineError, PreparedRecord | undefined> =>
  pipe(
    store.records,
    TE.map((records) => records.filter(({ target }) => target === entry.digest)),
    TE.map((own) => choosePlatform(wanted, own, ({ platform }) => parsePlatform(platform))),
  )

/** Unpacks an image from the blobs the store has: put there by another tool, or its trees were lost. */
const prepareStored = (
  ports: ImagePorts,
  reference: string,
  entry: Descriptor,
  wanted: Platform,
): TE.TaskEither<EngineError, PreparedRecord> =>
  ports.store.keeping(
    pipe(
      readDocuments(nameOf(entry) ?? reference, entry, wanted, ports.store.read),
      TE.flatMap((image) =>
        install(ports, image, ({ blob }, consumer) => ports.store.readThrough(blob, consumer)),
      ),
    ),
  )

const treeOf = (
  ports: ImagePorts,
  reference: string,
  entry: Descriptor,
  record: PreparedRecord,
  wanted: Platform,
): TE.TaskEither<EngineError, string> => {
  const stack = pipe(
    ports.snapshotter.prepareStack(record.diffIds),
    TE.map(({ path }) => path),
  )
  return pipe(
    stack,
    TE.orElse((error) =>
      error._tag === 'StateDamaged'
        ? pipe(
            prepareStored(ports, reference, entry, wanted),
            TE.flatMap(() => stack),
          )
        : TE.left(error),
    ),
  )
}
