// load: images from files into the store, unpacked and ready to run.
import * as E from '#fp/Either'
import { pipe } from '#fp/function'
import * as TE from '#fp/TaskEither'
import type { Digest } from '../model/digest.ts'
import type { EngineError } from '../model/errors.ts'
import { type Descriptor, decodeIndex, encodeManifest, nameOf } from '../model/image.ts'
import { type ArchivedImage, decodeArchiveManifest } from '../model/image-archive.ts'
import type { PreparedRecord } from '../model/image-record.ts'
import type { LoadedImage, LoadOptions, LoadSource, OnProgress } from '../model/image-verbs.ts'
import { OCI_CONFIG, OCI_MANIFEST, ociLayerType } from '../model/media-type.ts'
import { fullName, parseReference } from '../model/reference.ts'
import { once } from './byte-streams.ts'
import { type FetchDocument, readDocuments } from './images-documents.ts'
import { type AcquireLayer, announce, install } from './images-install.ts'
import { withName } from './images-names.ts'
import { printable } from './images-open.ts'
import { sweep } from './images-sweep.ts'
import type { OpenedArchive } from './ports/image-archive.ts'
import type { ImagePorts, ImageProgram } from './ports/images.ts'

/** One image the archive offers: what it points at, and the full names it is to get. */
interface Offer {
  readonly target: Descriptor
  readonly names: readonly string[]
}

/**
 * Loads every image of the file that runs on this platform. Fails, and then leaves nothing behind: InvalidSpec, DigestMismatch,
 * LayerRefused, PlatformMismatch when no image suits, Unsupported, SyscallFailed.
 */
export const load =
  (source: LoadSource, options: LoadOptions = {}): ImageProgram<readonly LoadedImage[]> =>
  (ports) =>
    pipe(
      ports.archives.open(ports.store, source),
      TE.flatMap((archive) => loadArchive(ports, archive, options)),
      (program) => ports.store.keeping(program),
      // An archive brings files no image refers to, and a failure leaves some: both go.
      (program) => () =>
        program().then((result) =>
          sweep(ports)().then((swept) => (E.isLeft(swept) && E.isRight(result) ? swept : result)),
        ),
    )

const loadArchive = (
  ports: ImagePorts,
  archive: OpenedArchive,
  options: LoadOptions,
): TE.TaskEither<EngineError, readonly LoadedImage[]> =>
  pipe(
    offersOf(ports, archive),
    TE.flatMapEither((offers) => renamed(offers, options.name)),
    TE.flatMap(TE.traverseSeqArray((offer: Offer) => asEither(installOffer(ports, archive, offer, options)))),
    TE.flatMapEither((results) => suitable(archive, results)),
    TE.tap((installed) => ports.store.update((entries) => E.right(installed.reduce(addNames, entries)))),
    TE.map((installed) => installed.flatMap(summarize)),
  )

interface Installed {
  readonly offer: Offer
  readonly record: PreparedRecord
}
type Result = E.Either<EngineError, Installed>

const asEither = (program: TE.TaskEither<EngineError, Installed>): TE.TaskEither<EngineError, Result> =>
  TE.fromTask(program)

/** Images for other platforms, and what is no image at all, are passed over as long as one suits. */
const suitable = (
  archive: OpenedArchive,
  results: readonly Result[],
): E.Either<EngineError, readonly Installed[]> => {
  const installed = results.flatMap((result) => (E.isRight(result) ? [result.right] : []))
  const errors = results.flatMap((result) => (E.isLeft(result) ? [result.left] : []))
  const serious = errors.find(({ _tag }) => _tag !== 'PlatformMismatch' && _tag !== 'Unsupported')
  const fatal = serious ?? (installed.length === 0 ? errors[0] : undefined)
  if (fatal !== undefined) return E.left(fatal)
  return installed.length > 0 ? E.right(installed) : E.left(invalid(archive, '$', 'it holds no image'))
}

const invalid = (archive: OpenedArchive, where: string, why: string): EngineError => ({
  _tag: 'InvalidSpec',
  document: archive.name,
  where,
  why,
})

const addNames = (entries: readonly Descriptor[], { offer }: Installed): readonly Descriptor[] => {
  if (offer.names.length === 0) return withName(entries, undefined, offer.target)
  return offer.names.reduce((list, name) => withName(list, name, offer.target), entries)
}

const summarize = ({ offer, record }: Installed): readonly LoadedImage[] => {
  if (offer.names.length === 0) return [{ id: record.imageId }]
  return offer.names.map((name) => ({ id: record.imageId, reference: printable(name) }))
}

/** Where a file is both, the OCI layout is the original: its manifests keep their digests. */
const offersOf = (
  ports: ImagePorts,
  archive: OpenedArchive,
): TE.TaskEither<EngineError, readonly Offer[]> => {
  if (archive.index !== undefined)
    return TE.fromEither(
      E.map(({ manifests }: { readonly manifests: readonly Descriptor[] }) => manifests.map(ociOffer))(
        decodeIndex(archive.index, `index.json of ${archive.name}`),
      ),
    )
  return pipe(
    TE.fromEither(decodeArchiveManifest(archive.manifest ?? '', `manifest.json of ${archive.name}`)),
    TE.flatMap(TE.traverseSeqArray((image) => dockerOffer(ports, archive, image))),
  )
}

/** A name without a slash or colon is only a tag (umoci, skopeo): nothing says of which repository. */
const ociOffer = (entry: Descriptor): Offer => {
  const name = nameOf(entry)
  const { annotations: _, ...target } = entry
  const reference = name !== undefined && /[:/]/.test(name) ? parseReference(name) : undefined
  return { target, names: reference !== undefined && E.isRight(reference) ? [fullName(reference.right)] : [] }
}

/** `docker save` archives have no manifest in today's sense, so one is written from what their files are. */
const dockerOffer = (
  { store }: ImagePorts,
  archive: OpenedArchive,
  image: ArchivedImage,
): TE.TaskEither<EngineError, Offer> => {
  const config = archive.member(image.Config)
  if (config === undefined) return TE.left(invalid(archive, image.Config, 'the image config is missing'))
  const layers: Descriptor[] = []
  for (const name of image.Layers ?? []) {
    const layer = archive.member(name)
    if (layer === undefined) return TE.left(invalid(archive, name, 'the layer is missing'))
    layers.push({ mediaType: ociLayerType(layer.compression), digest: layer.digest, size: layer.size })
  }
  const manifest = encodeManifest({ mediaType: OCI_CONFIG, digest: config.digest, size: config.size }, layers)
  return pipe(
    E.sequenceArray((image.RepoTags ?? []).map((tag) => E.map(fullName)(parseReference(tag)))),
    TE.fromEither,
    TE.bindTo('names'),
    TE.bind('stored', () => store.write({ what: `manifest for ${image.Config}` }, once(manifest))),
    TE.map(({ names, stored }) => ({ names, target: { mediaType: OCI_MANIFEST, ...stored } })),
  )
}

const renamed = (
  offers: readonly Offer[],
  name: string | undefined,
): E.Either<EngineError, readonly Offer[]> => {
  if (name === undefined) return E.right(offers)
  return E.map((reference: Parameters<typeof fullName>[0]) =>
    offers.map((offer) => ({ ...offer, names: [fullName(reference)] })),
  )(parseReference(name))
}

const installOffer = (
  ports: ImagePorts,
  archive: OpenedArchive,
  offer: Offer,
  { platform = ports.platform, onProgress, signal }: LoadOptions,
): TE.TaskEither<EngineError, Installed> =>
  pipe(
    readDocuments(offer.names[0] ?? archive.name, offer.target, platform, fetchDocument(ports, archive)),
    TE.tapIO((image) => () => announce(image, onProgress)),
    TE.flatMap((image) => install(ports, image, acquireLayer(ports, archive, onProgress), signal)),
    TE.map((record) => ({ offer, record })),
  )

/** From the store when it is there, else from the archive through the store. */
const fetchDocument =
  ({ store }: ImagePorts, archive: OpenedArchive): FetchDocument =>
  (document) => {
    const { digest, size } = document
    const source = archive.source(document)
    const kept = store.read(document)
    // What is here and damaged, a crash of the machine perhaps, is got once more.
    const brought =
      source === undefined
        ? kept
        : TE.flatMap(() => kept)(store.write({ what: `document ${digest}`, digest, size }, source))
    return pipe(
      store.has(digest),
      TE.flatMap((isHere) => (isHere ? TE.orElse(() => brought)(kept) : brought)),
      TE.mapLeft((error) => absent(archive, digest, error)),
    )
  }

const acquireLayer =
  ({ store }: ImagePorts, archive: OpenedArchive, onProgress: OnProgress | undefined): AcquireLayer =>
  ({ blob }, consumer) => {
    const { digest, size } = blob
    const tell = (receivedBytes: number): void =>
      onProgress?.({ kind: 'layer', digest, status: 'downloading', receivedBytes, sizeBytes: size })
    const bytes = archive.source(blob)
    const source = bytes === undefined ? undefined : counted(bytes, tell)
    const stored = store.readThrough({ digest, size }, consumer, tell)
    const brought =
      source === undefined
        ? stored
        : store.writeThrough({ what: `layer ${digest}`, digest, size }, source, consumer)
    return pipe(
      store.has(digest),
      TE.flatMap((isHere) => (isHere ? TE.orElse(() => brought)(stored) : brought)),
      TE.mapLeft((error) => absent(archive, digest, error)),
      TE.tapIO(
        () => () =>
          onProgress?.({ kind: 'layer', digest, status: 'done', receivedBytes: size, sizeBytes: size }),
      ),
    )
  }

async function* counted(
  bytes: AsyncIterable<Uint8Array>,
  tell: (passed: number) => void,
): AsyncGenerator<Uint8Array> {
  let passed = 0
  for await (const chunk of bytes) {
    passed += chunk.byteLength
    tell(passed)
    yield chunk
  }
}

/** A blob nobody has is the archive's fault, not the store's. */
const absent = (archive: OpenedArchive, digest: Digest, error: EngineError): EngineError => {
  const isMissing =
    (error._tag === 'StateDamaged' && error.why.includes('missing')) ||
    (error._tag === 'SyscallFailed' && error.errno === ENOENT)
  return isMissing ? invalid(archive, `blob ${digest}`, 'it is missing from the archive') : error
}
const ENOENT = 2
