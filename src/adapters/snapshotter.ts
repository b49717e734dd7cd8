// Unpacked layers and flattened stacks on disk. A snapshot is made in a locked staging directory and renamed into place,
// so it is there whole or not at all, whatever dies when.
import { readFileSync } from 'node:fs'
import { lstat, mkdir, readdir, rename, writeFile } from 'node:fs/promises'
import * as TE from '#fp/TaskEither'
import type {
  PreparedStack,
  SnapshotKind,
  SnapshotList,
  Snapshotter,
  UnpackedLayer,
} from '../engine/ports/snapshotter.ts'
import type { EngineError } from '../model/errors.ts'
import { unless } from '../model/unless.ts'
import type { LayerAddon, LayerFailure, LayerLimits } from '../native/layer-addon.ts'
import { engineError, hasCode, nativeError, thrown } from './layer-errors.ts'
import { keepError, type StreamOptions, streamLayer } from './layer-stream.ts'
import { makeFolders } from './make-folders.ts'
import { chainIdOf, hexOf, type SnapshotPaths, snapshotPaths } from './snapshotter-paths.ts'
import { currentBoot, type UnflushedTrees, unflushedTrees } from './unflushed-trees.ts'

export interface SnapshotterOptions {
  /** Absolute; made when missing, for root's eyes only: what is in it may be setuid. */
  readonly root: string
  readonly native: LayerAddon
  readonly limits?: LayerLimits
  /** Of this boot: /proc/sys/kernel/random/boot_id. */
  readonly bootId?: string
}

/** A directory of our own below `staging`, locked by `lockFd`. */
interface Staging {
  readonly path: string
  readonly lockFd: number
}

/** What is written beside a layer's tree. */
interface LayerRecord {
  readonly version: 1
  readonly diffId: string
  readonly sizeBytes: number
  readonly entries: number
  /** Nothing in the tree needs other layers or hides what they have: it can be an image's root as it is. */
  readonly plain: boolean
}
interface StackRecord {
  readonly version: 1
  readonly chainId: string
  readonly diffIds: readonly string[]
}

/** Resolves when the layer is unpacked, as far as the caller knows; throws why it will not be. */
type AwaitLayer = (diffId: string) => Promise<void>

export const createSnapshotter = (options: SnapshotterOptions): Snapshotter => {
  const store = new Store(options)
  const effect = <A>(digest: string, body: () => Promise<A>): TE.TaskEither<EngineError, A> =>
    TE.tryCatch(body, engineError(digest))
  return {
    unpackLayer: (diffId, source, more = {}) => effect(diffId, () => store.unpackLayer(diffId, source, more)),
    prepareStack: (diffIds, unpacked = () => TE.right(undefined)) =>
      effect(diffIds.at(-1) ?? 'none', () =>
        store.prepareStack(diffIds, async (diffId) => {
          const come = await unpacked(diffId)()
          if (come._tag === 'Left') throw thrown(come.left)
        }),
      ),
    find: (diffId) =>
      effect(diffId, async () => {
        const record = await store.record('layer', diffId).catch(() => undefined)
        return record === undefined ? undefined : unpacked(record, true)
      }),
    renewLayer: (diffId, source, { replace }) =>
      effect(diffId, () => store.renewLayer(diffId, source, replace)),
    renewStack: (diffIds, { replace }) =>
      effect(diffIds.at(-1) ?? 'none', () => store.renewStack(diffIds, replace)),
    has: (kind, id) => effect(id, async () => (await store.record(kind, id)) !== undefined),
    remove: (kind, id) => effect(id, () => store.remove(kind, id)),
    list: effect('list', () => store.list()),
  }
}

class Store {
  readonly #paths: SnapshotPaths
  readonly #native: LayerAddon
  readonly #limits: LayerLimits
  readonly #unflushed: UnflushedTrees
  /** Snapshots being made by this engine: a second caller waits, then finds the first one's. */
  readonly #making = new Map<string, Promise<unknown>>()

  constructor({ root, native, limits = {}, bootId = currentBoot() }: SnapshotterOptions) {
    this.#paths = snapshotPaths(root)
    this.#native = native
    this.#limits = limits
    this.#unflushed = unflushedTrees(this.#paths.unflushed, bootId)
  }

  async unpackLayer(
    diffId: string,
    source: AsyncIterable<Uint8Array>,
    options: StreamOptions,
  ): Promise<UnpackedLayer> {
    keepError(source)
    return this.#once('layer', diffId, async () => {
      const known = await this.record('layer', diffId)
      if (known !== undefined) return unpacked(known, true)
      return this.#stage(async (staging) => {
        const record = await this.#unpackInto(staging, diffId, source, options)
        return unpacked(record, !(await this.#place('layer', diffId, staging)))
      })
    })
  }

  async prepareStack(diffIds: readonly string[], unpacked: AwaitLayer): Promise<PreparedStack> {
    const chainId = chainIdOf(diffIds)
    if (await this.#isPlain(diffIds, unpacked))
      return { chainId, path: this.#paths.tree('layer', chainId), reused: true }
    const path = this.#paths.tree('stack', chainId)
    return this.#once('stack', chainId, async () => {
      if ((await this.record('stack', chainId)) !== undefined) return { chainId, path, reused: true }
      return this.#stage(async (staging) => {
        await this.#flattenInto(staging, chainId, diffIds, unpacked)
        return { chainId, path, reused: !(await this.#place('stack', chainId, staging)) }
      })
    })
  }

  async renewLayer(
    diffId: string,
    source: AsyncIterable<Uint8Array>,
    replace: boolean,
  ): Promise<readonly string[]> {
    keepError(source)
    return this.#once('layer', diffId, () =>
      this.#stage(async (staging) => {
        const fresh = await this.#unpackInto(staging, diffId, source, {})
        const known = await this.record('layer', diffId).catch(() => undefined)
        return this.#renew('layer', diffId, staging, JSON.stringify(known) === JSON.stringify(fresh), replace)
      }),
    )
  }

  async renewStack(diffIds: readonly string[], replace: boolean): Promise<readonly string[]> {
    const chainId = chainIdOf(diffIds)
    if (!(await isThere(this.#paths.directory('stack', chainId)))) return []
    return this.#once('stack', chainId, () =>
      this.#stage(async (staging) => {
        await this.#flattenInto(staging, chainId, diffIds, async () => {})
        const known = await this.record('stack', chainId).catch(() => undefined)
        const isSound =
          JSON.stringify((known as StackRecord | undefined)?.diffIds) === JSON.stringify(diffIds)
        return this.#renew('stack', chainId, staging, isSound, replace)
      }),
    )
  }

  /** What differs from the fresh one in `staging`, which takes the place of the old one where that is wanted. */
  async #renew(
    kind: SnapshotKind,
    id: string,
    staging: Staging,
    isSound: boolean,
    replace: boolean,
  ): Promise<readonly string[]> {
    const tree = this.#paths.tree(kind, id)
    const differs =
      isSound && (await isThere(tree)) ? await this.#compare(tree, `${staging.path}/fs`) : ['C/']
    if (differs.length === 0 || !replace) return differs
    await this.remove(kind, id)
    await this.#place(kind, id, staging)
    return differs
  }

  async #compare(before: string, after: string): Promise<readonly string[]> {
    const result = await this.#native.compareTrees(before, after)
    if (!result.ok) throw thrown(nativeError(result, 'compare'))
    return result.changes
  }

  /** Moved away in one step, then deleted: a half-removed snapshot is never found. */
  async remove(kind: SnapshotKind, id: string): Promise<void> {
    const directory = this.#paths.directory(kind, id)
    await this.#stage((staging) => rename(directory, `${staging.path}/removed`).catch(unlessCode('ENOENT')))
    await this.#unflushed.forget(kind, id)
  }

  /** A tree whose bytes a reboot may have kept from the disk: it is made again. The first of several processes does it. */
  async #drop(kind: SnapshotKind, id: string): Promise<void> {
    if (await this.#unflushed.claim(kind, id)) await this.remove(kind, id)
  }

  async list(): Promise<SnapshotList> {
    const layers = await this.#digests('layer')
    const chains = await this.#digests('stack')
    const stacks = chains.map(async (chainId) => ({
      chainId,
      diffIds: (await this.record('stack', chainId))?.diffIds ?? [],
    }))
    return { layers, stacks: await Promise.all(stacks) }
  }

  record(kind: 'layer', digest: string): Promise<LayerRecord | undefined>
  record(kind: 'stack', digest: string): Promise<StackRecord | undefined>
  record(kind: SnapshotKind, digest: string): Promise<object | undefined>
  async record(kind: SnapshotKind, digest: string): Promise<object | undefined> {
    if (await this.#unflushed.isSpoiled(kind, digest)) await this.#drop(kind, digest)
    const path = this.#paths.record(kind, digest)
    // At once: a start asks, and node:fs/promises takes it milliseconds to load.
    const text = unless(['ENOENT'], () => readFileSync(path, 'utf8'))
    return text === undefined ? undefined : parseRecord(path, text)
  }

  async #unpackInto(
    staging: Staging,
    diffId: string,
    source: AsyncIterable<Uint8Array>,
    options: StreamOptions,
  ): Promise<LayerRecord> {
    const tree = `${staging.path}/fs`
    await mkdir(tree, { mode: 0o755 })
    const read = await streamLayer(this.#native, tree, source, diffId, { limits: this.#limits, ...options })
    if (read.digest !== diffId) {
      throw thrown({ _tag: 'DigestMismatch', what: 'layer diffID', expected: diffId, actual: read.digest })
    }
    const { entries, whiteouts, pendingLinks } = read.stats
    const plain = whiteouts === 0 && pendingLinks === 0
    const record: LayerRecord = { version: 1, diffId, sizeBytes: read.sizeBytes, entries, plain }
    await writeFile(`${staging.path}/layer.json`, JSON.stringify(record))
    return record
  }

  /** One layer without whiteouts and pending links is its own tree. */
  async #isPlain([only, ...more]: readonly string[], unpacked: AwaitLayer): Promise<boolean> {
    if (only === undefined || more.length > 0) return false
    await unpacked(only)
    return (await this.record('layer', only))?.plain === true
  }

  /** Layer after layer, as they come. */
  async #flattenInto(
    staging: Staging,
    chainId: string,
    diffIds: readonly string[],
    unpacked: AwaitLayer,
  ): Promise<void> {
    const tree = `${staging.path}/fs`
    await mkdir(tree, { mode: 0o755 })
    for (const [at, diffId] of diffIds.entries()) {
      await unpacked(diffId)
      await this.#require(diffId)
      const layer = this.#paths.tree('layer', diffId)
      const result = await this.#native.flattenLayers([layer], tree, `${staging.path}/scratch`, at > 0)
      if (!result.ok) throw thrown(nativeError(result, diffId))
    }
    const record: StackRecord = { version: 1, chainId, diffIds }
    await writeFile(`${staging.path}/stack.json`, JSON.stringify(record))
  }

  async #require(diffId: string): Promise<void> {
    if ((await this.record('layer', diffId)) !== undefined) return
    const path = this.#paths.directory('layer', diffId)
    throw thrown({ _tag: 'StateDamaged', path, why: 'the layer is not unpacked' })
  }

  /**
   * False when somebody else was faster; theirs is as good, since both are made of the same bytes. Nobody waits for the disk: until its bytes
   * are there the tree is on the list of those that a power cut may spoil.
   */
  async #place(kind: SnapshotKind, digest: string, staging: Staging): Promise<boolean> {
    await this.#unflushed.note(kind, digest)
    try {
      await rename(staging.path, this.#paths.directory(kind, digest))
      return true
    } catch (cause) {
      if (hasCode(cause, 'EEXIST', 'ENOTEMPTY')) return false
      throw cause
    }
  }

  /** Runs `body` with a directory of its own, gone afterwards unless it was renamed. Sweeps what dead processes left. */
  async #stage<A>(body: (staging: Staging) => Promise<A>): Promise<A> {
    for (const folder of [this.#paths.folder('layer'), this.#paths.folder('stack'), this.#paths.staging]) {
      makeFolders(folder, 0o700)
    }
    succeed(await this.#native.sweepStaging(this.#paths.staging))
    const staging = succeed(await this.#native.openStaging(this.#paths.staging))
    try {
      await this.#unflushed.settle(async () => {
        succeed(await this.#native.syncStaging(staging.lockFd, staging.path))
      })
      return await body(staging)
    } finally {
      // What cannot be removed now is the next sweep's; the result counts.
      await this.#native.removeTree(staging.path)
      this.#native.closeFds(Int32Array.of(staging.lockFd))
    }
  }

  async #once<A>(kind: SnapshotKind, digest: string, body: () => Promise<A>): Promise<A> {
    const key = `${kind} ${hexOf(digest)}`
    const before = this.#making.get(key)
    const mine = (before ?? Promise.resolve()).then(body, body)
    this.#making.set(key, mine)
    try {
      return await mine
    } finally {
      if (this.#making.get(key) === mine) this.#making.delete(key)
    }
  }

  async #digests(kind: SnapshotKind): Promise<readonly string[]> {
    const names = await readdir(this.#paths.folder(kind)).catch(unlessCode('ENOENT'))
    return (names ?? []).sort().map((name) => `sha256:${name}`)
  }
}

const unpacked = ({ diffId, sizeBytes, entries }: LayerRecord, reused: boolean): UnpackedLayer => ({
  diffId,
  sizeBytes,
  entries,
  reused,
})

const parseRecord = (path: string, text: string): object => {
  try {
    return JSON.parse(text)
  } catch {
    throw thrown({ _tag: 'StateDamaged', path, why: 'it is not JSON; slipway system check makes it again' })
  }
}

const isThere = async (file: string): Promise<boolean> =>
  (await lstat(file).catch(unlessCode('ENOENT'))) !== undefined

/** For `.catch`: this code means "nothing there", every other error goes on. */
const unlessCode =
  (code: string) =>
  (cause: unknown): undefined => {
    if (!hasCode(cause, code)) throw cause
  }

const succeed = <A extends { readonly ok: true }>(result: A | LayerFailure): A => {
  if (!result.ok) throw thrown(nativeError(result, 'staging'))
  return result
}
