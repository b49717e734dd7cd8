// pull: from a registry into the store, unpacked and ready to run, each layer in one pass.
import * as E from '#fp/Either'
import { pipe } from '#fp/function'
import * as TE from '#fp/TaskEither'
import type { EngineError } from '../model/errors.ts'
import { type Descriptor, nameOf } from '../model/image.ts'
import type { PreparedRecord } from '../model/image-record.ts'
import type { OnProgress, PulledImage, PullOptions } from '../model/image-verbs.ts'
import { isIndex, isManifest } from '../model/media-type.ts'
import { formatPlatform, type Platform } from '../model/platform.ts'
import { familiarName, type ImageReference, parseReference, withDigest } from '../model/reference.ts'
import { once } from './byte-streams.ts'
import { type FetchDocument, type ImageDocuments, readDocuments } from './images-documents.ts'
import { type AcquireLayer, announce, install } from './images-install.ts'
import { storedName, withName } from './images-names.ts'
import { sweepAfterFailure } from './images-sweep.ts'
import type { ImagePorts, ImageProgram } from './ports/images.ts'
import type { FetchedManifest } from './ports/registry.ts'
import type { Snapshotter } from './ports/snapshotter.ts'

/**
 * Pulls an image for one platform. Fails: InvalidReference, ImageNotFound, RegistryFailed, PlatformMismatch, InvalidSpec,
 * DigestMismatch, LayerRefused, SyscallFailed, Cancelled. Then the name means what it meant before.
 */
export const pull =
  (text: string, options: PullOptions = {}): ImageProgram<PulledImage> =>
  (ports) =>
    pipe(
      TE.fromEither(parseReference(text)),
      TE.flatMap((reference) => ports.store.keeping(pullReference(ports, reference, options))),
      sweepAfterFailure(ports),
    )

const pullReference = (
  ports: ImagePorts,
  reference: ImageReference,
  options: PullOptions,
): TE.TaskEither<EngineError, PulledImage> => {
  const name = familiarName(reference)
  const wanted = options.platform ?? ports.platform
  return pipe(
    ports.registry.manifest(reference, options.signal),
    TE.flatMap((fetched) => storeManifest(ports, name, fetched)),
    TE.bindTo('target'),
    TE.bind('current', ({ target }) => currentRecord(ports, reference, target, wanted)),
    TE.flatMap(({ target, current }) =>
      current === undefined
        ? TE.map(summarize(name, 'downloaded'))(pullTarget(ports, reference, target, wanted, options))
        : TE.right(summarize(name, 'current')(current)),
    ),
  )
}

const summarize =
  (reference: string, status: PulledImage['status']) =>
  ({ target, imageId }: PreparedRecord): PulledImage => ({ reference, digest: target, id: imageId, status })

const storeManifest = (
  { store }: ImagePorts,
  name: string,
  { bytes, digest, mediaType }: FetchedManifest,
): TE.TaskEither<EngineError, Descriptor> =>
  pipe(
    store.read({ digest, size: bytes.length }),
    TE.map(({ length }) => ({ digest, size: length })),
    TE.orElse(() => store.write({ what: `manifest of ${name}`, digest, size: bytes.length }, once(bytes))),
    TE.map(({ size }) => ({ mediaType, digest, size })),
  )

/** The record of an image that needs no work: the name means it already and its tree is there. */
const currentRecord = (
  { store, snapshotter }: ImagePorts,
  reference: ImageReference,
  target: Descriptor,
  wanted: Platform,
): TE.TaskEither<EngineError, PreparedRecord | undefined> =>
  pipe(
    TE.Do,
    TE.bind('entries', () => store.entries),
    TE.bind('record', () => store.record(target.digest, formatPlatform(wanted))),
    TE.bind('hasTree', ({ record }) => hasTree(snapshotter, record)),
    TE.map(({ entries, record, hasTree }) => {
      const isNamed = entries.some(
        (entry) => nameOf(entry) === storedName(reference) && entry.digest === target.digest,
      )
      return isNamed && hasTree ? record : undefined
    }),
  )

/** Making a tree that exists costs nothing; that it cannot be made means that layers are missing. */
const hasTree = (
  { prepareStack }: Snapshotter,
  record: PreparedRecord | undefined,
): TE.TaskEither<EngineError, boolean> =>
  record === undefined
    ? TE.right(false)
    : pipe(
        prepareStack(record.diffIds),
        TE.map(() => true),
        TE.orElse(() => TE.right(false)),
      )

const pullTarget = (
  ports: ImagePorts,
  reference: ImageReference,
  target: Descriptor,
  wanted: Platform,
  options: PullOptions,
): TE.TaskEither<EngineError, PreparedRecord> =>
  pipe(
    readDocuments(familiarName(reference), target, wanted, fetchDocument(ports, reference, options.signal)),
    TE.tapIO((image) => () => announce(image, options.onProgress)),
    TE.bindTo('image'),
    TE.bind('record', ({ image }) =>
      install(ports, image, acquireLayer(ports, reference, options), options.signal),
    ),
    TE.tap(({ image }) => noteOrigin(ports, reference, image)),
    TE.tap(() => ports.store.update((entries) => E.right(withName(entries, storedName(reference), target)))),
    TE.map(({ record }) => record),
  )

/** A later push to the same registry need not send what this repository has. */
const noteOrigin = (
  { store }: ImagePorts,
  { registry, repository }: ImageReference,
  { layers, imageId }: ImageDocuments,
): TE.TaskEither<EngineError, void> =>
  store.noteOrigin(`${registry}/${repository}`, [imageId, ...layers.map(({ blob }) => blob.digest)])

/** A document is read from the store, and fetched into it first when it is not there. */
const fetchDocument =
  ({ store, registry }: ImagePorts, reference: ImageReference, signal?: AbortSignal): FetchDocument =>
  (document) => {
    const { digest, size, mediaType } = document
    const expected = { what: `document ${digest}`, digest, size }
    const fetched =
      isIndex(mediaType) || isManifest(mediaType)
        ? TE.flatMap(({ bytes }: FetchedManifest) => store.write(expected, once(bytes)))(
            registry.manifest(withDigest(reference, digest), signal),
          )
        : store.write(expected, registry.blob(reference, document, signal))
    return pipe(
      store.has(digest),
      TE.flatMap((isHere) => (isHere ? store.read(document) : damaged(digest))),
      TE.orElse(() => TE.flatMap(() => store.read(document))(fetched)),
    )
  }

const damaged = (path: string): TE.TaskEither<EngineError, never> =>
  TE.left({ _tag: 'StateDamaged', path, why: 'the blob is missing' })

/** From the store when the blob is there and good, else from the registry, verified and unpacked while it arrives. */
const acquireLayer =
  ({ store, registry }: ImagePorts, reference: ImageReference, { onProgress }: PullOptions): AcquireLayer =>
  ({ blob }, consumer, signal) => {
    const report = layerReporter(blob, onProgress)
    const stored = pipe(
      store.readThrough(blob, consumer),
      TE.tapIO(() => () => report('exists', blob.size)),
    )
    const downloaded = pipe(
      store.writeThrough(
        { what: `layer ${blob.digest}`, digest: blob.digest, size: blob.size },
        counting(registry.blob(reference, blob, signal), report),
        consumer,
      ),
      TE.tapIO(() => () => report('done', blob.size)),
    )
    return pipe(
      store.has(blob.digest),
      TE.flatMap((isHere) => (isHere ? TE.orElse(() => downloaded)(stored) : downloaded)),
    )
  }

type Report = (status: 'downloading' | 'exists' | 'done', receivedBytes: number) => void
const layerReporter =
  ({ digest, size }: Descriptor, onProgress: OnProgress | undefined): Report =>
  (status, receivedBytes) =>
    onProgress?.({ kind: 'layer', digest, status, receivedBytes, sizeBytes: size })

async function* counting(source: AsyncIterable<Uint8Array>, report: Report): AsyncGenerator<Uint8Array> {
  let received = 0
  report('downloading', 0)
  for await (const chunk of source) {
    received += chunk.byteLength
    report('downloading', received)
    yield chunk
  }
}
