// push: from the store to a registry; what the registry has, or can take from a neighbour, is not sent.
import * as E from '#fp/Either'
import { pipe } from '#fp/function'
import * as TE from '#fp/TaskEither'
import type { Digest } from '../model/digest.ts'
import type { EngineError } from '../model/errors.ts'
import { type Descriptor, nameOf } from '../model/image.ts'
import type { OnPushProgress, PushedImage, PushOptions } from '../model/image-verbs.ts'
import {
  familiarName,
  familiarRepository,
  hasTag,
  type ImageReference,
  parseReference,
  withDigest,
} from '../model/reference.ts'
import { findByReference } from './images-names.ts'
import { parallel } from './images-parallel.ts'
import type { ImagePorts, ImageProgram } from './ports/images.ts'
import { incomplete, type PushedDocument, type PushPlan, planPush } from './push-plan.ts'

/** What Docker sends at a time, too. */
const UPLOADS_AT_ONCE = 5

/**
 * Pushes what a name means. Nothing is sent where something of it is not here and not there. Fails: InvalidReference,
 * ImageNotFound, ImageIncomplete, PlatformMismatch, RegistryFailed, DigestMismatch, Cancelled.
 */
export const push =
  (text: string, options: PushOptions = {}): ImageProgram<readonly PushedImage[]> =>
  (ports) =>
    pipe(
      TE.fromEither(parseReference(text)),
      TE.flatMapEither((reference) => pushable(text, reference, options)),
      TE.flatMap((reference) =>
        TE.map((entries: readonly Descriptor[]) => ({ reference, entries }))(ports.store.entries),
      ),
      TE.flatMapEither(({ reference, entries }) => whatToPush(reference, entries, options)),
      TE.flatMap(
        TE.traverseSeqArray((named: Named) => ports.store.keeping(pushNamed(ports, named, options))),
      ),
    )

interface Named {
  readonly reference: ImageReference
  readonly target: Descriptor
}

const pushable = (
  text: string,
  reference: ImageReference,
  { allTags = false }: PushOptions,
): E.Either<EngineError, ImageReference> => {
  const refused = (why: string) => E.left<EngineError>({ _tag: 'InvalidReference', reference: text, why })
  if (reference.digest !== undefined) return refused('a push needs a tag, not a digest')
  if (allTags && hasTag(text, reference)) return refused('with all tags it must name none')
  return E.right(reference)
}

const whatToPush = (
  reference: ImageReference,
  entries: readonly Descriptor[],
  { allTags = false }: PushOptions,
): E.Either<EngineError, readonly Named[]> => {
  if (allTags) {
    const found = entries.flatMap((target) => namedIn(target, reference))
    return found.length > 0 ? E.right(found) : E.left(notHere(familiarRepository(reference)))
  }
  const target = findByReference(reference, entries)
  return target === undefined ? E.left(notHere(familiarName(reference))) : E.right([{ reference, target }])
}

const namedIn = (target: Descriptor, { registry, repository }: ImageReference): readonly Named[] => {
  const reference = parseReference(nameOf(target) ?? '')
  if (E.isLeft(reference) || reference.right.digest !== undefined) return []
  const isMeant = reference.right.registry === registry && reference.right.repository === repository
  return isMeant ? [{ reference: reference.right, target }] : []
}

const notHere = (reference: string): EngineError => ({
  _tag: 'ImageNotFound',
  reference,
  hint: 'slipway images lists the names there are; slipway tag gives an image another one',
})

const pushNamed = (
  ports: ImagePorts,
  { reference, target }: Named,
  options: PushOptions,
): TE.TaskEither<EngineError, PushedImage> => {
  const name = familiarName(reference)
  return pipe(
    planPush(ports.store, name, target, options.platform),
    TE.bindTo('plan'),
    TE.bind('work', ({ plan }) => survey(ports, reference, plan, options)),
    TE.tap(({ work }) => sendBlobs(ports, reference, work, options)),
    TE.tap(({ work }) => putDocuments(ports, reference, work.documents, options)),
    TE.map(({ plan }) => summarize(reference, plan)),
  )
}

const summarize = (reference: ImageReference, { documents }: PushPlan): PushedImage => {
  const last = documents.at(-1)
  if (last === undefined) throw new Error('a push without a document')
  const { digest, size } = last.descriptor
  return { reference: familiarName(reference), tag: reference.tag ?? 'latest', digest, sizeBytes: size }
}

/** What is left to do once the registry was asked what it has. */
interface Work {
  readonly documents: readonly PushedDocument[]
  /** Each digest once. */
  readonly blobs: readonly Descriptor[]
}

/** Asks the registry for everything first: what neither side has must show before the first byte is sent. */
const survey = (
  ports: ImagePorts,
  reference: ImageReference,
  plan: PushPlan,
  options: PushOptions,
): TE.TaskEither<EngineError, Work> =>
  pipe(
    TE.Do,
    TE.bind('documents', () => documentsToPut(ports, reference, plan, options.signal)),
    TE.tapIO(
      ({ documents }) =>
        () =>
          announce(distinct(documents), options.onProgress),
    ),
    TE.bind('blobs', ({ documents }) => blobsToSend(ports, reference, distinct(documents), options)),
    TE.bind('absent', () =>
      without(plan.absent, options.signal, (document, stop) => hasDocument(ports, reference, document, stop)),
    ),
    TE.bind('lost', ({ blobs }) => without(blobs, options.signal, ({ digest }) => ports.store.has(digest))),
    TE.flatMapEither(({ documents, blobs, absent, lost }) =>
      absent.length + lost.length === 0
        ? E.right({ documents, blobs })
        : E.left(incomplete(familiarName(reference), absent, lost)),
    ),
  )

const distinct = (documents: readonly PushedDocument[]): readonly Descriptor[] => [
  ...new Map(documents.flatMap(({ blobs }) => blobs).map((blob) => [blob.digest, blob])).values(),
]

const announce = (blobs: readonly Descriptor[], onProgress: OnPushProgress | undefined): void =>
  onProgress?.({
    kind: 'layers',
    layers: blobs.map(({ digest, size }) => ({ digest, sizeBytes: size })),
  })

/** A document the registry has is complete there (distribution-spec, "Pushing Manifests"); the last one gets the tag anyway. */
const documentsToPut = (
  ports: ImagePorts,
  reference: ImageReference,
  { documents }: PushPlan,
  signal: AbortSignal | undefined,
): TE.TaskEither<EngineError, readonly PushedDocument[]> => {
  const last = documents.at(-1)
  return pipe(
    parallel(UPLOADS_AT_ONCE, documents, signal, (document, stop) =>
      hasDocument(ports, reference, document.descriptor, stop),
    ),
    // With the topmost all below it is there.
    TE.map((found) =>
      found.at(-1) === true && last !== undefined
        ? [{ ...last, blobs: [] }]
        : documents.filter((_, at) => found[at] !== true),
    ),
  )
}

const blobsToSend = (
  { registry }: ImagePorts,
  reference: ImageReference,
  blobs: readonly Descriptor[],
  { onProgress, signal }: PushOptions,
): TE.TaskEither<EngineError, readonly Descriptor[]> =>
  without(blobs, signal, (blob, stop) =>
    pipe(
      registry.hasBlob(reference, blob.digest, stop),
      TE.tapIO((isThere) => () => {
        if (isThere) report(blob, onProgress)('exists', blob.size)
      }),
    ),
  )

/** Those that are not where they are looked for. */
const without = (
  descriptors: readonly Descriptor[],
  signal: AbortSignal | undefined,
  isThere: (descriptor: Descriptor, stop: AbortSignal) => TE.TaskEither<EngineError, boolean>,
): TE.TaskEither<EngineError, readonly Descriptor[]> =>
  pipe(
    parallel(UPLOADS_AT_ONCE, descriptors, signal, isThere),
    TE.map((found) => descriptors.filter((_, at) => found[at] !== true)),
  )

const hasDocument = (
  { registry }: ImagePorts,
  reference: ImageReference,
  { digest }: Descriptor,
  signal: AbortSignal,
): TE.TaskEither<EngineError, boolean> =>
  TE.map((there: Digest | undefined) => there === digest)(
    registry.find(withDigest(reference, digest), signal),
  )

const sendBlobs = (
  ports: ImagePorts,
  reference: ImageReference,
  { blobs }: Work,
  options: PushOptions,
): TE.TaskEither<EngineError, readonly unknown[]> =>
  parallel(UPLOADS_AT_ONCE, blobs, options.signal, (blob, stop) =>
    sendBlob(ports, reference, blob, options.onProgress, stop),
  )

const sendBlob = (
  { store, registry }: ImagePorts,
  reference: ImageReference,
  blob: Descriptor,
  onProgress: OnPushProgress | undefined,
  signal: AbortSignal,
): TE.TaskEither<EngineError, void> => {
  const tell = report(blob, onProgress)
  const { digest, size } = blob
  return pipe(
    store.origins(digest),
    TE.flatMap((origins) =>
      registry.pushBlob(
        reference,
        {
          digest,
          size,
          source: store.reader({ digest, size }),
          mountFrom: neighbours(reference, origins),
          onSent: (bytes) => tell('uploading', bytes),
        },
        signal,
      ),
    ),
    TE.tapIO((pushed) => () => {
      if (pushed.how === 'sent') tell('done', size)
      else tell('mounted', size, pushed.from)
    }),
    TE.flatMap(() => store.noteOrigin(`${reference.registry}/${reference.repository}`, [digest])),
  )
}

/** Other repositories of the same registry. */
const neighbours = (
  { registry, repository }: ImageReference,
  origins: readonly string[],
): readonly string[] =>
  origins
    .filter((origin) => origin.startsWith(`${registry}/`))
    .map((origin) => origin.slice(registry.length + 1))
    .filter((name) => name !== repository)

/** Children before parents; the last one by its tag. */
const putDocuments = (
  { registry }: ImagePorts,
  reference: ImageReference,
  documents: readonly PushedDocument[],
  { signal }: PushOptions,
): TE.TaskEither<EngineError, readonly unknown[]> =>
  pipe(
    documents.map(({ descriptor, bytes }, at) => {
      const { digest, mediaType } = descriptor
      const name = at === documents.length - 1 ? reference : withDigest(reference, digest)
      return registry.pushManifest(name, { bytes, digest, mediaType }, signal)
    }),
    TE.sequenceSeqArray,
  )

type Report = (status: 'uploading' | 'exists' | 'mounted' | 'done', sentBytes: number, from?: string) => void
const report =
  ({ digest, size }: Descriptor, onProgress: OnPushProgress | undefined): Report =>
  (status, sentBytes, from) =>
    onProgress?.({
      kind: 'layer',
      digest,
      status,
      sentBytes,
      sizeBytes: size,
      ...(from === undefined ? {} : { from }),
    })
