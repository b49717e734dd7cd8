// What a push has to bring: the documents of an image from the leaves up, and their blobs; and what of it is not here.
import * as E from '#fp/Either'
import { pipe } from '#fp/function'
import * as TE from '#fp/TaskEither'
import type { EngineError } from '../model/errors.ts'
import { type Descriptor, decodeIndex, decodeManifest, type ImageIndex } from '../model/image.ts'
import { isIndex, isManifest, isNondistributable } from '../model/media-type.ts'
import { formatPlatform, type Platform } from '../model/platform.ts'
import { MAX_DEPTH, readDocuments } from './images-documents.ts'
import type { ContentStore } from './ports/content-store.ts'

/** A manifest or index that is here, with what it points at. */
export interface PushedDocument {
  readonly descriptor: Descriptor
  readonly bytes: Buffer
  /** Layers and image config, in the manifest's order; none of an index. */
  readonly blobs: readonly Descriptor[]
}
export interface PushPlan {
  /** Children before their parents; the last is what the tag will mean. */
  readonly documents: readonly PushedDocument[]
  /** Of documents that are not here; the registry may have them. */
  readonly absent: readonly Descriptor[]
}

/** Fails: PlatformMismatch for a platform the image does not have, ImageIncomplete, InvalidSpec, DigestMismatch. */
export const planPush = (
  store: ContentStore,
  name: string,
  target: Descriptor,
  wanted: Platform | undefined,
): TE.TaskEither<EngineError, PushPlan> =>
  pipe(
    wanted === undefined ? TE.right(target) : choose(store, name, target, wanted),
    TE.flatMap((chosen) => collect(store, chosen, MAX_DEPTH)),
  )

/** Goes down to the manifest of one platform. */
const choose = (
  store: ContentStore,
  name: string,
  target: Descriptor,
  wanted: Platform,
): TE.TaskEither<EngineError, Descriptor> =>
  pipe(
    readDocuments(name, target, wanted, (document) =>
      TE.flatMap((isHere) => (isHere ? store.read(document) : TE.left(incomplete(name, [document], []))))(
        store.has(document.digest),
      ),
    ),
    TE.map(({ manifest }) => manifest),
  )

/** What neither the store nor the registry has, by name. */
export const incomplete = (
  reference: string,
  documents: readonly Descriptor[],
  blobs: readonly Descriptor[],
): EngineError => {
  const named = ({ digest, mediaType, platform }: Descriptor): string => {
    const what = `${isIndex(mediaType) ? 'index' : isManifest(mediaType) ? 'manifest' : 'document'} ${digest}`
    return platform === undefined ? what : `${formatPlatform(platform)} (${what})`
  }
  return {
    _tag: 'ImageIncomplete',
    reference,
    missing: [
      ...documents.map(named),
      ...blobs.map(({ digest }) => `the compressed blob of layer ${digest}`),
    ],
    hint:
      documents.length > 0
        ? '--platform pushes one platform alone; a pull with --platform gets another one'
        : 'pull or load the image again',
  }
}

const NOTHING: PushPlan = { documents: [], absent: [] }

const collect = (store: ContentStore, at: Descriptor, depth: number): TE.TaskEither<EngineError, PushPlan> =>
  pipe(
    store.has(at.digest),
    TE.flatMap((isHere): TE.TaskEither<EngineError, PushPlan> => {
      if (!isHere) return TE.right({ documents: [], absent: [at] })
      if (isIndex(at.mediaType) && depth > 0) return collectIndex(store, at, depth)
      return isManifest(at.mediaType) ? collectManifest(store, at) : TE.left(unknown(at))
    }),
  )

const collectIndex = (
  store: ContentStore,
  at: Descriptor,
  depth: number,
): TE.TaskEither<EngineError, PushPlan> =>
  pipe(
    store.read(at),
    TE.bindTo('bytes'),
    TE.bind('index', ({ bytes }) =>
      TE.fromEither<EngineError, ImageIndex>(decodeIndex(bytes, `index ${at.digest}`)),
    ),
    TE.bind('parts', ({ index }) =>
      TE.traverseSeqArray((child: Descriptor) => collect(store, child, depth - 1))(index.manifests),
    ),
    TE.map(({ bytes, parts }) => {
      const all = parts.reduce(together, NOTHING)
      return { ...all, documents: [...all.documents, { descriptor: at, bytes, blobs: [] }] }
    }),
  )

const together = (a: PushPlan, b: PushPlan): PushPlan => ({
  documents: [...a.documents, ...b.documents],
  absent: [...a.absent, ...b.absent],
})

const collectManifest = (store: ContentStore, at: Descriptor): TE.TaskEither<EngineError, PushPlan> =>
  pipe(
    store.read(at),
    TE.flatMapEither((bytes) =>
      pipe(
        decodeManifest(bytes, `manifest ${at.digest}`),
        E.map(({ layers, config }) => ({
          documents: [{ descriptor: at, bytes, blobs: [...layers.filter(isSent), config] }],
          absent: [],
        })),
      ),
    ),
  )

/** Layers that may not be given away lie where their manifest says. image-spec layer.md, Non-Distributable Layers. */
const isSent = ({ mediaType }: Descriptor): boolean => !isNondistributable(mediaType)

const unknown = ({ digest, mediaType }: Descriptor): EngineError => ({
  _tag: 'Unsupported',
  feature: `push of ${digest}: ${mediaType}`,
  why: 'it is neither an image manifest nor an index of some',
})
