// The volumes and images a start mounts: named, made and filled before it is planned, and held until it is on record.
import * as E from '#fp/Either'
import type { EngineError } from '../model/errors.ts'
import { nameMounts, rememberedMounts, renameVolumes, volumesOf } from '../model/named-mounts.ts'
import type {
  BindMount,
  DecodedOptions,
  ImageMount,
  NamedMount,
  NamedVolumeMount,
  PlannedBind,
  PlannedMount,
} from '../model/options-decoded.ts'
import type { PreparedImage, Rootfs } from '../model/prepared-image.ts'
import { findRecord } from '../model/record.ts'
import { sourceOfOptions, VOLUME_VERSION, type VolumeDocument, type VolumeSource } from '../model/volume.ts'
import { nameOf } from './names.ts'
import type { RememberedMounts } from './own-volumes.ts'
import type { HeldVolume, VolumeStore, VolumeUser } from './ports/volumes.ts'
import type { Ports } from './ports.ts'

/** What a start has besides its image and options. */
export interface MountsOfStart {
  readonly named: readonly NamedMount[]
  readonly planned: readonly PlannedMount[]
  /** Names of volumes that are the container's own. */
  readonly fresh: readonly string[]
}

type Task<A> = Promise<E.Either<EngineError, A>>

const MAX_ROUNDS = 16

/** Names and plans, and makes nothing. Fails: ContainerNotFound, ImageNotFound, VolumeUnfit, StateDamaged, Unsupported. */
export const mountsOfStart = async (
  ports: Ports,
  options: DecodedOptions,
  image: PreparedImage,
): Task<MountsOfStart> => {
  const store = await ports.volumes()
  const named = nameMounts({
    options,
    image,
    drawName: ports.host.randomId,
    mountsOf: (container) => mountsOf(store, container),
  })
  if (E.isLeft(named)) return named
  const all: PlannedOne[] = []
  for (const mount of named.right.mounts) {
    const one = await planOf(ports, store, mount, options)
    if (E.isLeft(one)) return one
    all.push(one.right)
  }
  return E.right({
    named: all.map((one) => one.named),
    planned: all.map(({ mount }) => mount),
    fresh: named.right.fresh,
  })
}

const mountsOf = (store: VolumeStore, container: string): E.Either<EngineError, readonly NamedMount[]> => {
  const found = findRecord(namedUsers(store), container)
  return '_tag' in found ? E.left(found) : E.right(found.mounts)
}

interface PlannedOne {
  /** An image by its id: the name may move on, the container stays with what it mounts. */
  readonly named: NamedMount
  readonly mount: PlannedMount
}

const planOf = async (
  ports: Ports,
  store: VolumeStore,
  mount: NamedMount,
  options: DecodedOptions,
): Task<PlannedOne> => {
  switch (mount.type) {
    case 'volume':
      return E.map((planned: PlannedMount): PlannedOne => ({ named: mount, mount: planned }))(
        plannedVolume(store, mount, options),
      )
    case 'image':
      return plannedImage(ports, mount, options)
    default:
      return E.right({ named: mount, mount })
  }
}

/** In a user namespace of the container's own, what is on disk are the container's ids, whichever ids those are on the host. */
const idsOf = (
  mount: Pick<NamedVolumeMount, 'idmap'>,
  { security }: DecodedOptions,
): Pick<BindMount, 'idmap'> => {
  const idmap = mount.idmap ?? (security?.userns === undefined ? undefined : true)
  return idmap === undefined ? {} : { idmap }
}

const plannedVolume = (
  store: VolumeStore,
  mount: NamedVolumeMount,
  options: DecodedOptions,
): E.Either<EngineError, PlannedMount> => {
  const { source: name, driverOptions } = mount
  const found = store.read(name)
  if (E.isLeft(found)) return found
  const known = found.right?.document.options
  if (known !== undefined && driverOptions !== undefined && !sameOptions(known, driverOptions))
    return unfit(name, 'it is there with other driver options', 'leave them out, or take another name')
  const source = sourceOfOptions(known ?? driverOptions ?? {})
  if (E.isLeft(source)) return unfit(name, source.left)
  return mountOfSource(mount, source.right, store.dataOf(name), idsOf(mount, options))
}

export const sameOptions = (
  a: Readonly<Record<string, string>>,
  b: Readonly<Record<string, string>>,
): boolean =>
  Object.keys(a).length === Object.keys(b).length && Object.keys(a).every((key) => a[key] === b[key])

const unfit = (volume: string, why: string, hint?: string): E.Either<EngineError, never> =>
  E.left({ _tag: 'VolumeUnfit', volume, why, ...(hint === undefined ? {} : { hint }) })

const mountOfSource = (
  mount: NamedVolumeMount,
  source: VolumeSource,
  data: string,
  ids: Pick<BindMount, 'idmap'>,
): E.Either<EngineError, PlannedMount> => {
  const { target, readonly, subpath, source: name } = mount
  const more = {
    target,
    ...(readonly === undefined ? {} : { readonly }),
    ...(subpath === undefined ? {} : { subpath }),
  }
  switch (source.kind) {
    case 'data':
      return E.right({ type: 'bind', source: data, ...more, ...ids })
    case 'bind':
      return E.right(boundVolume(source, { ...more, ...ids }))
    case 'filesystem': {
      if (subpath !== undefined || mount.idmap !== undefined)
        return unfit(
          name,
          `${subpath === undefined ? 'idmap' : 'subpath'} needs files of this host: its driver options mount ${source.filesystem}`,
        )
      const { filesystem, device, options } = source
      const all = readonly === true ? [...options, 'ro'] : options
      return E.right({ type: 'filesystem', target, filesystem, device, options: all })
    }
  }
}

const PROPAGATION = /^r?(?:private|slave|shared)$/

const boundVolume = (
  { path, options }: Extract<VolumeSource, { kind: 'bind' }>,
  more: Omit<PlannedBind, 'type' | 'source'>,
): PlannedBind => {
  const spread = options.findLast((word) => PROPAGATION.test(word)) as PlannedBind['propagation']
  const rest = options.filter((word) => !PROPAGATION.test(word) && word !== 'bind' && word !== 'rbind')
  return {
    type: 'bind',
    source: path,
    ...more,
    recursive: options.includes('rbind'),
    ...(spread === undefined ? {} : { propagation: spread }),
    ...(rest.length === 0 ? {} : { options: rest }),
  }
}

const plannedImage = async (
  { host }: Ports,
  mount: ImageMount,
  options: DecodedOptions,
): Task<PlannedOne> => {
  if (mount.source === 'host')
    return E.left({
      _tag: 'Unsupported',
      feature: 'a mount of the image host',
      why: "it is this machine's own userland: bind what is wanted of it, e.g. /usr",
    })
  const image = await host.prepareImage(mount.source)()
  if (E.isLeft(image)) return image
  const { rootfs, id } = image.right
  const [tree] = rootfs.kind === 'layers' ? rootfs.lowers : []
  if (tree === undefined) return E.left({ _tag: 'ImageNotFound', reference: mount.source })
  const { target, subpath } = mount
  const below = subpath === undefined ? {} : { subpath }
  const planned: PlannedBind = {
    type: 'bind',
    source: tree,
    target,
    readonly: true,
    ...below,
    ...idsOf({}, options),
  }
  return E.right({ named: { ...mount, source: id }, mount: planned })
}

export interface TakeOptions {
  readonly rootfs: Rootfs
  /** The container leaves nothing behind: its own volumes go with it. */
  readonly passing: boolean
  readonly signal: AbortSignal | undefined
}

/**
 * Makes the volumes that are missing, gives those that are empty what the image has there, and holds them all: the result lets go.
 * Nothing is held while something is filled, or two starts might wait for each other. A failure leaves no volume of the container's
 * own. Fails: SyscallFailed, StateDamaged, LayerRefused, Cancelled.
 */
export const takeVolumes = async (
  ports: Ports,
  mounts: Pick<MountsOfStart, 'named' | 'fresh'>,
  options: TakeOptions,
): Task<() => void> => {
  const volumes = volumesOf(mounts.named)
  if (volumes.length === 0) return E.right(() => {})
  const store = await ports.volumes()
  for (let round = 0; round < MAX_ROUNDS; round++) {
    for (const mount of volumes) {
      const ready = await makeReady(store, mount, options)
      if (E.isRight(ready)) continue
      await dropVolumes(ports, mounts.fresh)
      return ready
    }
    const held = await holdAll(store, volumes, options.signal)
    if (E.isRight(held) && held.right === undefined) continue
    if (E.isLeft(held)) await dropVolumes(ports, mounts.fresh)
    return held as E.Either<EngineError, () => void>
  }
  await dropVolumes(ports, mounts.fresh)
  return unfit(volumes[0]?.source ?? '', 'it is removed again and again')
}

const makeReady = async (
  store: VolumeStore,
  mount: NamedVolumeMount,
  { rootfs, passing, signal }: TakeOptions,
): Task<void> => {
  const { source: name, target, nocopy, subpath } = mount
  const found = store.read(name)
  if (E.isLeft(found)) return found
  const document = found.right?.document ?? documentOf(store, mount, passing)
  if (found.right === undefined) {
    const made = await store.create(document)()
    if (E.isLeft(made)) return made
  }
  const isPlain = Object.keys(document.options).length === 0
  if (!isPlain || nocopy === true || subpath !== undefined) return E.right(undefined)
  return store.copyUp(name, rootfs, target, signal)()
}

/** Of a volume that is to be made. */
export const documentOf = (
  { engine }: VolumeStore,
  { source: name, driverOptions = {}, labels = {}, anonymous = false }: NewVolume,
  passing: boolean,
): VolumeDocument => ({
  version: VOLUME_VERSION,
  name,
  driver: 'local',
  options: driverOptions,
  labels,
  createdMs: Date.now(),
  anonymous,
  ...(anonymous && passing ? { engine } : {}),
})

interface NewVolume extends Pick<NamedVolumeMount, 'source' | 'driverOptions' | 'labels' | 'anonymous'> {}

/** Undefined when one has been removed meanwhile. */
const holdAll = async (
  store: VolumeStore,
  volumes: readonly NamedVolumeMount[],
  signal: AbortSignal | undefined,
): Task<(() => void) | undefined> => {
  const held: HeldVolume[] = []
  const release = (): void => {
    for (const each of held) each.release()
  }
  for (const name of new Set(volumes.map(({ source }) => source))) {
    const one = await store.hold(name, false, signal)()
    if (E.isRight(one) && one.right !== undefined) {
      held.push(one.right)
      continue
    }
    release()
    return E.isLeft(one) ? one : E.right(undefined)
  }
  return E.right(release)
}

/** Volumes of a container that is gone, but for those that another one names by now. Never fails: `volume prune` finds the rest. */
export const dropVolumes = async (ports: Ports, names: readonly string[]): Promise<void> => {
  if (names.length === 0) return
  const store = await ports.volumes()
  for (const name of names) {
    const held = await store.hold(name, true)()
    if (E.isLeft(held) || held.right === undefined) continue
    if (usersOf(store, name).length > 0) held.right.release()
    else await store.remove(held.right)()
  }
}

const namedUsers = (store: VolumeStore): readonly VolumeUser[] =>
  store.users().map((user) => ({ ...user, name: nameOf(user) }))

/** Names of the containers that have each. */
export const namesByVolume = (store: VolumeStore): ReadonlyMap<string, readonly string[]> => {
  const users = new Map<string, string[]>()
  for (const { name, mounts } of namedUsers(store))
    for (const volume of new Set(volumesOf(mounts).map(({ source }) => source)))
      users.set(volume, [...(users.get(volume) ?? []), name])
  return users
}

/** Names of the containers that have it. */
export const usersOf = (store: VolumeStore, volume: string): readonly string[] =>
  namesByVolume(store).get(volume) ?? []

/** For the record; nothing where there is nothing to remember. */
export const remembered = ({ named }: Pick<MountsOfStart, 'named'>): RememberedMounts => {
  const mounts = rememberedMounts(named)
  return mounts.length === 0 ? {} : { mounts }
}

/** The same mounts for the next container of its shape. */
export const withFresh = (
  { named, fresh: before }: Pick<MountsOfStart, 'named' | 'fresh'>,
  fresh: readonly string[],
): Pick<MountsOfStart, 'named' | 'fresh'> => ({ fresh, named: renameVolumes(named, before, fresh) })
