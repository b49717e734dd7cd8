// The volume verbs: programs over the store of volumes and the containers on record.
import * as E from '#fp/Either'
import { pipe } from '#fp/function'
import type { TaskEither } from '#fp/TaskEither'
import * as TE from '#fp/TaskEither'
import type { EngineError } from '../model/errors.ts'
import type { ExportOptions, LoadSource, PruneOptions, SaveTarget } from '../model/image-verbs.ts'
import { meetsConditions } from '../model/prune-conditions.ts'
import type {
  CreateVolumeOptions,
  PrunedVolumes,
  RemoveVolumeOptions,
  VolumeInfo,
} from '../model/volume-verbs.ts'
import type { DamagedVolume, HeldVolume, Volume, VolumeStore } from './ports/volumes.ts'
import { documentOf, namesByVolume, sameOptions, usersOf } from './volumes-of-start.ts'

type Program<A> = (store: VolumeStore) => TaskEither<EngineError, A>

/** One that is there with the same driver options is given as it is, as in Docker. Fails: VolumeUnfit, SyscallFailed, StateDamaged. */
export const createVolume =
  (options: CreateVolumeOptions, drawName: () => string): Program<VolumeInfo> =>
  (store) => {
    const { name = drawName(), driverOptions = {}, labels = {} } = options
    const wanted = { source: name, driverOptions, labels, anonymous: options.name === undefined }
    const document = documentOf(store, wanted, false)
    return pipe(
      TE.fromEither(store.read(name)),
      TE.flatMap((found) => (found === undefined ? store.create(document) : TE.right(false))),
      TE.flatMap(() => found(store, name)),
      TE.filterOrElse(
        (volume) => sameOptions(volume.document.options, driverOptions),
        (): EngineError => ({
          _tag: 'VolumeUnfit',
          volume: name,
          why: 'it is there with other driver options',
          hint: 'remove it first, or take another name',
        }),
      ),
      TE.map((volume) => infoOf(store, volume)),
    )
  }

const found = (store: VolumeStore, name: string): TaskEither<EngineError, Volume> =>
  pipe(
    TE.fromEither(store.read(name)),
    TE.flatMap((volume) => (volume === undefined ? missing(name) : TE.right(volume))),
  )

const missing = (volume: string): TaskEither<EngineError, never> =>
  TE.left({ _tag: 'VolumeNotFound', volume })

const infoOf = (store: VolumeStore, { document, data }: Volume, users = namesByVolume(store)): VolumeInfo => {
  const { name, driver, options, labels, createdMs, anonymous } = document
  const usedBy = users.get(name) ?? []
  return { name, driver, driverOptions: options, labels, createdMs, anonymous, mountpoint: data, usedBy }
}

const infoOfDamaged = (
  { name, data, error, changedMs }: DamagedVolume,
  users: ReadonlyMap<string, readonly string[]>,
): VolumeInfo => ({
  name,
  driver: 'local',
  driverOptions: {},
  labels: {},
  createdMs: changedMs,
  anonymous: false,
  mountpoint: data,
  usedBy: users.get(name) ?? [],
  damage: error,
})

/** By name, also those whose document cannot be read. */
export const listVolumes: Program<readonly VolumeInfo[]> = (store) =>
  TE.fromIO(() => {
    const users = namesByVolume(store)
    const { volumes, damaged } = store.list()
    return [
      ...volumes.map((volume) => infoOf(store, volume, users)),
      ...damaged.map((volume) => infoOfDamaged(volume, users)),
    ].sort(byName)
  })

const byName = (a: { readonly name: string }, b: { readonly name: string }): number =>
  a.name < b.name ? -1 : 1

/** Fails: VolumeNotFound, StateDamaged. */
export const inspectVolume =
  (name: string): Program<VolumeInfo> =>
  (store) =>
    pipe(
      found(store, name),
      TE.map((volume) => infoOf(store, volume)),
    )

/**
 * One whose document cannot be read only by force. Fails: VolumeNotFound, VolumeInUse with the names of the containers, SyscallFailed,
 * StateDamaged.
 */
export const removeVolume =
  (name: string, { force = false }: RemoveVolumeOptions = {}): Program<void> =>
  (store) =>
    pipe(
      force && E.isLeft(store.read(name)) ? store.holdDamaged(name) : store.hold(name, true),
      TE.flatMap((held) => {
        if (held === undefined) return force ? TE.right(undefined) : missing(name)
        const by = usersOf(store, name)
        if (by.length === 0) return store.remove(held)
        held.release()
        return TE.left<EngineError, void>({ _tag: 'VolumeInUse', volume: name, by })
      }),
    )

/** Only those nobody named, and no container has; with `all` those that have a name, too. Fails: SyscallFailed. */
export const pruneVolumes =
  (options: PruneOptions = {}): Program<PrunedVolumes> =>
  (store) =>
  async () => {
    const users = namesByVolume(store)
    const wanted = store
      .list()
      .volumes.filter(
        ({ document }) =>
          !users.has(document.name) &&
          (options.all === true || document.anonymous) &&
          meetsConditions(document, options),
      )
      .sort((a, b) => byName(a.document, b.document))
    const sizes = await store.sizes(wanted)()
    if (E.isLeft(sizes)) return sizes
    const removed: string[] = []
    let reclaimedBytes = 0
    for (const [index, { document }] of wanted.entries()) {
      const gone = await removeVolume(document.name)(store)()
      // A container may have come for it meanwhile, or somebody else have removed it.
      if (E.isLeft(gone) && gone.left._tag !== 'VolumeInUse' && gone.left._tag !== 'VolumeNotFound')
        return gone
      if (E.isLeft(gone)) continue
      removed.push(document.name)
      reclaimedBytes += sizes.right[index] ?? 0
    }
    return E.right({ removed, reclaimedBytes })
  }

/** All its files as a tar; what containers write meanwhile may be in it, or not. Fails: VolumeNotFound, VolumeUnfit, LayerRefused, SyscallFailed, Cancelled. */
export const exportVolume =
  (name: string, target: SaveTarget, { signal }: ExportOptions = {}): Program<void> =>
  (store) =>
    holding(store, name, false, signal, (volume) =>
      pipe(
        TE.fromEither(ownData(volume)),
        TE.flatMap(() => store.writeTar(volume, target, signal)),
      ),
    )

/**
 * A tar as the content of a volume that is new, or empty: all of it or nothing. Fails: VolumeUnfit where it is not empty, InvalidSpec for
 * an empty archive, LayerRefused for one that is no tar or means harm, Unsupported, SyscallFailed, Cancelled.
 */
export const importVolume =
  (name: string, source: LoadSource, { signal }: ExportOptions = {}): Program<VolumeInfo> =>
  (store) =>
  async () => {
    const before = store.read(name)
    if (E.isLeft(before)) return before
    const isNew = before.right === undefined
    const created = isNew ? await createVolume({ name }, () => name)(store)() : E.right(undefined)
    if (E.isLeft(created)) return created
    const filled = await holding(store, name, true, signal, (volume) =>
      pipe(
        TE.fromEither(ownData(volume)),
        TE.flatMap(() => store.fill(volume, source, signal)),
      ),
    )()
    if (E.isRight(filled)) return inspectVolume(name)(store)()
    if (isNew) await removeVolume(name)(store)()
    return filled
  }

const holding = <A>(
  store: VolumeStore,
  name: string,
  alone: boolean,
  signal: AbortSignal | undefined,
  use: (volume: HeldVolume) => TaskEither<EngineError, A>,
): TaskEither<EngineError, A> =>
  pipe(
    store.hold(name, alone, signal),
    TE.flatMap((volume) =>
      volume === undefined ? missing(name) : () => use(volume)().finally(volume.release),
    ),
  )

const ownData = ({ document }: Volume): E.Either<EngineError, void> =>
  Object.keys(document.options).length === 0
    ? E.right(undefined)
    : E.left({
        _tag: 'VolumeUnfit',
        volume: document.name,
        why: 'its files are elsewhere: its driver options are mounted in containers alone',
        hint: 'run a container that has it, and pack or unpack them there with tar',
      })
