// system check: every digest, record and unpacked tree of the store is what it says, or is made so again.
import * as E from '#fp/Either'
import { chainIds } from '../model/digest.ts'
import { type EngineError, message } from '../model/errors.ts'
import { type Descriptor, nameOf } from '../model/image.ts'
import type { PreparedRecord } from '../model/image-record.ts'
import type { CheckOptions, StoreProblem, StoreReport } from '../model/image-verbs.ts'
import { isConfig, isIndex, isManifest } from '../model/media-type.ts'
import { parsePlatform } from '../model/platform.ts'
import { type ImageDocuments, type Layer, readDocuments } from './images-documents.ts'
import { unpackedRecord } from './images-install.ts'
import { printable } from './images-open.ts'
import { layerSizes } from './images-sizes.ts'
import { childrenIn } from './images-sweep.ts'
import type { ImagePorts, ImageProgram } from './ports/images.ts'

/**
 * Reads everything the names in index.json lead to. Nothing of it disappears meanwhile. A damaged blob is removed when it may heal, so that
 * a pull brings it again. Fails only where it cannot look: StateDamaged for an unreadable index.json, SyscallFailed, Cancelled.
 */
export const checkStore =
  (options: CheckOptions = {}): ImageProgram<StoreReport> =>
  (ports) =>
    ports.store.keeping(() => new Check(ports, options).run())

class Check {
  readonly #ports: ImagePorts
  readonly #heal: boolean
  readonly #trees: boolean
  readonly #signal: AbortSignal | undefined
  readonly #problems: StoreProblem[] = []
  /** Digests that were read: whether they were right. */
  readonly #blobs = new Map<string, boolean>()
  /** By diffID: whether the unpacked one is right. */
  readonly #layers = new Map<string, boolean>()
  readonly #stacks = new Set<string>()
  #records = 0

  constructor(ports: ImagePorts, { heal = true, trees = true, signal }: CheckOptions) {
    this.#ports = ports
    this.#heal = heal
    this.#trees = trees
    this.#signal = signal
  }

  async run(): Promise<E.Either<EngineError, StoreReport>> {
    const { store } = this.#ports
    const entries = await store.entries()
    if (E.isLeft(entries)) return entries
    const broken = await this.#brokenRecords()
    if (E.isLeft(broken)) return broken
    const records = await store.records()
    if (E.isLeft(records)) return records
    const targets = new Map(entries.right.map((entry) => [entry.digest, entry]))
    for (const entry of targets.values()) {
      await this.#blob(entry, `what ${called(entry)} points at`)
      for (const record of records.right.filter(({ target }) => target === entry.digest)) {
        if (this.#signal?.aborted === true)
          return E.left({ _tag: 'Cancelled', what: 'check', why: 'aborted' })
        await this.#image(entry, record)
      }
    }
    const checked = {
      blobs: this.#blobs.size,
      records: this.#records,
      layers: this.#layers.size,
      stacks: this.#stacks.size,
    }
    return E.right({ checked, problems: this.#problems })
  }

  #report(what: string, why: string, healed: boolean, remedy: string): void {
    this.#problems.push({ what, why, healed, remedy })
  }

  /** A record that cannot be read is passed over by everybody: it is made again where it is needed. */
  async #brokenRecords(): Promise<E.Either<EngineError, void>> {
    const broken = await this.#ports.store.brokenRecords(this.#heal)()
    if (E.isLeft(broken)) return broken
    for (const { file, why } of broken.right)
      this.#report(`record ${file}`, why, this.#heal, 'removed; it is made again when it is needed')
    return E.right(undefined)
  }

  /** This blob and, of a document, those below it. Of an index, only the platforms that are here. */
  async #blob(at: Descriptor, what: string): Promise<boolean> {
    const known = this.#blobs.get(at.digest)
    if (known !== undefined) return known
    const good = await this.#verify(at, what)
    this.#blobs.set(at.digest, good)
    const isDocument = isIndex(at.mediaType) || isManifest(at.mediaType)
    if (!good || !isDocument) return good
    const bytes = await this.#ports.store.read(at)()
    let whole = true
    for (const child of E.isRight(bytes) ? childrenIn(at, bytes.right) : []) {
      if (isIndex(at.mediaType) && !(await this.#isHere(child))) continue
      const kind = isIndex(at.mediaType) ? 'manifest' : isConfig(child.mediaType) ? 'image config' : 'layer'
      whole = (await this.#blob(child, `${kind} ${child.digest}`)) && whole
    }
    return whole
  }

  async #isHere({ digest }: Descriptor): Promise<boolean> {
    const has = await this.#ports.store.has(digest)()
    return E.isRight(has) && has.right
  }

  async #verify({ digest, size }: Descriptor, what: string): Promise<boolean> {
    try {
      for await (const _ of this.#ports.store.stream({ digest, size }));
      return true
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error)
      if (this.#heal) await this.#ports.store.removeBlob(digest)()
      this.#report(`blob ${digest}: ${what}`, why, false, 'pull or load the image again')
      return false
    }
  }

  async #image(entry: Descriptor, record: PreparedRecord): Promise<void> {
    this.#records++
    const platform = parsePlatform(record.platform) ?? this.#ports.platform
    const image = await readDocuments(called(entry), entry, platform, this.#ports.store.read)()
    // What is wrong with the documents was told with their blobs.
    if (E.isLeft(image)) {
      if (this.#problems.length === 0)
        this.#report(called(entry), message(image.left), false, 'pull or load the image again')
      return
    }
    const users = await this.#ports.inUse(record.imageId)()
    const by = E.isRight(users) ? users.right : []
    for (const layer of image.right.layers) await this.#layer(layer, by)
    await this.#stack(image.right, by)
    await this.#record(entry, record, image.right)
  }

  async #layer(layer: Layer, users: readonly string[]): Promise<void> {
    const { diffId, blob } = layer
    if (this.#layers.has(diffId)) return
    this.#layers.set(diffId, true)
    const { snapshotter, store } = this.#ports
    const what = `layer ${diffId}`
    const found = await snapshotter.find(diffId)()
    const isSound = E.isRight(found) && found.right !== undefined
    if (isSound && !this.#trees) return
    if (this.#blobs.get(blob.digest) !== true) {
      if (!isSound)
        this.#report(
          what,
          'it is not unpacked, and its blob is damaged',
          false,
          'pull or load the image again',
        )
      this.#layers.set(diffId, isSound)
      return
    }
    const replace = this.#heal && (users.length === 0 || !isSound)
    const differs = await store.readThrough(
      { digest: blob.digest, size: blob.size },
      { consume: (tar) => snapshotter.renewLayer(diffId, tar, { replace }) },
    )()
    this.#layers.set(diffId, this.#tell(what, differs, replace, users))
  }

  async #stack(image: ImageDocuments, users: readonly string[]): Promise<void> {
    const diffIds = image.layers.map(({ diffId }) => diffId)
    const chainId = chainIds(diffIds).at(-1)
    if (chainId === undefined || this.#stacks.has(chainId)) return
    this.#stacks.add(chainId)
    // A tree of layers that are not what they should be can only be what it should not be.
    if (!this.#trees || diffIds.some((diffId) => this.#layers.get(diffId) !== true)) return
    const replace = this.#heal && users.length === 0
    const differs = await this.#ports.snapshotter.renewStack(diffIds, { replace })()
    this.#tell(`tree ${chainId}`, differs, replace, users)
  }

  /** True when it is as it should be now. */
  #tell(
    what: string,
    differs: E.Either<EngineError, readonly string[]>,
    replace: boolean,
    users: readonly string[],
  ): boolean {
    if (E.isLeft(differs)) {
      this.#report(what, message(differs.left), false, 'pull or load the image again')
      return false
    }
    const [first] = differs.right
    if (first === undefined) return true
    const more = differs.right.length > 1 ? `, and ${differs.right.length - 1} more` : ''
    const remedy = replace
      ? 'made again from its blob'
      : this.#heal
        ? `remove the containers that use it first: ${users.map((id) => id.slice(0, 12)).join(', ')}`
        : 'run it again without --dry-run'
    this.#report(what, `not what its blob says: ${first}${more}`, replace, remedy)
    return replace
  }

  /** Everything in a record follows from the documents. */
  async #record(entry: Descriptor, record: PreparedRecord, image: ImageDocuments): Promise<void> {
    const sizes = await layerSizes(this.#ports, image.layers)()
    if (E.isLeft(sizes)) return
    const byDiffId = new Map<string, number>(
      image.layers.map(({ diffId }, at) => [diffId, sizes.right[at] ?? 0]),
    )
    const wanted = unpackedRecord(image, byDiffId)
    if (JSON.stringify(sorted(wanted)) === JSON.stringify(sorted(record))) return
    const saved = this.#heal && E.isRight(await this.#ports.store.saveRecord(wanted)())
    this.#report(
      `record of ${called(entry)}`,
      'it is not what the documents of the image say',
      saved,
      'written again',
    )
  }
}

const called = (entry: Descriptor): string => printable(nameOf(entry) ?? entry.digest)

const sorted = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  return Object.entries(value)
    .map(([key, item]) => [key, sorted(item)])
    .sort(([a], [b]) => (String(a) < String(b) ? -1 : 1))
}
