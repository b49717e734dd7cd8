// The port to volumes on this machine. A volume appears and disappears by one rename(2); flock(2) on its directory keeps it while it is used.
import {
  chmodSync,
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
} from 'node:fs'
import path from 'node:path'
import * as E from '#fp/Either'
import { pipe } from '#fp/function'
import * as TE from '#fp/TaskEither'
import type { DamagedVolume, HeldVolume, Volume, VolumeStore } from '../engine/ports/volumes.ts'
import { cancelled } from '../model/abort.ts'
import type { EngineError } from '../model/errors.ts'
import type { HostFacts } from '../model/host-facts.ts'
import { volumesOf } from '../model/named-mounts.ts'
import { unlessMissing } from '../model/unless.ts'
import { encodeVolumeDocument, VOLUME_VERSION, type VolumeDocument } from '../model/volume.ts'
import type { Addon } from '../native/addon.ts'
import type { LayerAddon } from '../native/layer-addon.ts'
import { attempt, attemptNow, orThrow, thrown } from './attempt.ts'
import { writeBytes } from './image-archive-write.ts'
import { nativeError } from './layer-errors.ts'
import { makeFolders } from './make-folders.ts'
import { syncFolderNow, writeNewNow } from './replace-file.ts'
import { modifiedMs, randomHex, type StateDir } from './state-dir.ts'
import { nativeTrees } from './trees.ts'
import {
  isEmptyFolder,
  isSame,
  lookOf,
  readVolume,
  type VolumePaths,
  volumeNames,
  volumePaths,
} from './volume-files.ts'
import { fromArchive, openPlace, unpack } from './volume-fill.ts'
import { noteOwned, ownedByGone } from './volume-owners.ts'
import { volumeUsers } from './volume-users.ts'
import { BUSY, whileBusy } from './while-busy.ts'

const LOCK_SH = 1
const LOCK_EX = 2
const EAGAIN = 11
const OWN_MODE = 0o700
const DATA_MODE = 0o755
/** Between two tries for a lock. */
const LONGEST_PAUSE_MS = 20

export interface VolumeParts {
  readonly addon: Addon & LayerAddon
  readonly facts: HostFacts
  readonly state: StateDir
}

export const volumeStore = (parts: VolumeParts): VolumeStore => {
  const { addon, state } = parts
  const paths = volumePaths(state.root)
  const hold = holder(parts, paths)
  return {
    engine: state.engine,
    dataOf: paths.data,
    read: (name) => readVolume(paths, name),
    list: () => {
      const found = volumeNames(paths).map((name) => ({ name, read: readVolume(paths, name) }))
      return {
        volumes: found.flatMap(({ read }) =>
          E.isRight(read) && read.right !== undefined ? [read.right] : [],
        ),
        damaged: found.flatMap(({ name, read }) =>
          E.isLeft(read) ? [damagedVolume(paths, name, read.left)] : [],
        ),
      }
    },
    create: (document) => attempt('create volume', () => create(parts, paths, document)),
    hold,
    holdDamaged: (name) =>
      attempt('hold volume', () =>
        whileBusy(LONGEST_PAUSE_MS, () => tryHold(parts, paths, name, true, () => nameAlone(paths, name))),
      ),
    copyUp: (name, rootfs, target, signal) =>
      attempt('fill volume', async () => {
        if (!isToFill(paths, name)) return
        const place = await openPlace(parts, rootfs, target, signal)
        if (place === undefined) return
        try {
          if (isNothingNew(place.path, paths.data(name))) return
          const held = await orThrow(hold(name, true, signal))
          if (held === undefined) return
          try {
            if (isEmptyFolder(held.data))
              await fill(parts, paths, name, nativeTrees(addon).archive({ lower: place.path }), signal)
          } finally {
            held.release()
          }
        } finally {
          place.close()
        }
      }),
    fill: (volume, source, signal) =>
      attempt('import volume', async () => {
        const { name } = volume.document
        if (!isEmptyFolder(volume.data)) throw thrown(notEmpty(name))
        await fromArchive(parts.addon, source, (bytes) => fill(parts, paths, name, bytes, signal))
      }),
    remove: (volume) =>
      pipe(
        TE.fromEither(moveAway(paths, volume)),
        TE.chainFirstTaskK((trash) => () => addon.removeTree(trash).catch(() => {})),
        TE.map(() => undefined),
      ),
    owned: (container, volumes) => noteOwned(state, container, volumes),
    users: () => volumeUsers(state),
    writeTar: (volume, target, signal) =>
      writeBytes(
        nativeTrees(addon).archive({ lower: volume.data }),
        target,
        signal === undefined ? {} : { signal },
      ),
    sizes: (volumes) =>
      attempt('measure volumes', async () => {
        const sizes = await addon.diskUsage(volumes.map(({ document }) => paths.of(document.name)))
        if (!sizes.ok) throw thrown(nativeError(sizes, SUBJECT))
        return sizes.sizes
      }),
  }
}

const SUBJECT = 'of a volume'

const damagedVolume = (paths: VolumePaths, name: string, error: EngineError): DamagedVolume => ({
  name,
  data: paths.data(name),
  error,
  changedMs: modifiedMs(paths.of(name)),
})

const nameAlone = (paths: VolumePaths, name: string): E.Either<EngineError, Volume> => {
  const createdMs = modifiedMs(paths.of(name))
  const document = { name, driver: 'local', options: {}, labels: {}, createdMs, anonymous: false } as const
  return E.right({ document: { version: VOLUME_VERSION, ...document }, data: paths.data(name) })
}

const notEmpty = (volume: string): EngineError => ({
  _tag: 'VolumeUnfit',
  volume,
  why: 'it is not empty, and what is in it would be mixed with what comes',
  hint: 'remove it first, or import under another name',
})

const create = async (
  { addon }: VolumeParts,
  paths: VolumePaths,
  document: VolumeDocument,
): Promise<boolean> => {
  for (const folder of [paths.folder, paths.staging]) makeFolders(folder, OWN_MODE)
  const staging = await addon.openStaging(paths.staging)
  if (!staging.ok) throw thrown(nativeError(staging, SUBJECT))
  try {
    const made = path.join(staging.path, 'volume')
    mkdirSync(made, { mode: OWN_MODE })
    const data = path.join(made, '_data')
    mkdirSync(data)
    // The umask is the caller's.
    chmodSync(data, DATA_MODE)
    // Data that is put into a volume must not lose the volume by a power cut; one that goes with its container goes with a power cut, too.
    const flush = document.engine === undefined
    writeNewNow(path.join(made, 'volume.json'), encodeVolumeDocument(document), flush)
    const isNew = renamed(made, paths.of(document.name))
    if (isNew && flush) syncFolderNow(paths.folder)
    return isNew
  } finally {
    await addon.removeTree(staging.path).catch(() => {})
    addon.closeFds(Int32Array.of(staging.lockFd))
  }
}

/** rename(2) takes the place of an empty directory alone, and a volume is none. */
const renamed = (from: string, to: string): boolean => {
  try {
    renameSync(from, to)
    return true
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOTEMPTY' || code === 'EEXIST') return false
    throw error
  }
}

const holder =
  (parts: VolumeParts, paths: VolumePaths): VolumeStore['hold'] =>
  (name, alone, signal) =>
    attempt('hold volume', () =>
      whileBusy(LONGEST_PAUSE_MS, () => {
        if (signal?.aborted === true) throw thrown(cancelled(signal.reason))
        return tryHold(parts, paths, name, alone, () => readVolume(paths, name))
      }),
    )

const tryHold = async (
  parts: VolumeParts,
  paths: VolumePaths,
  name: string,
  alone: boolean,
  look: () => E.Either<EngineError, Volume | undefined>,
): Promise<HeldVolume | undefined | typeof BUSY> => {
  const folder = paths.of(name)
  const flags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW
  let fd: number | undefined = unlessMissing(() => openSync(folder, flags))
  if (fd === undefined) return undefined
  const release = (): void => {
    if (fd !== undefined) closeSync(fd)
    fd = undefined
  }
  try {
    const errno = parts.addon.flock(fd, alone ? LOCK_EX : LOCK_SH)
    if (errno !== 0 && errno !== EAGAIN)
      throw thrown({ _tag: 'SyscallFailed', step: 'flock', errno, path: folder })
    // One that was removed while somebody waited for it, and perhaps made again.
    if (errno !== 0 || !isSame(fd, folder)) {
      release()
      return BUSY
    }
    const found = look()
    if (E.isLeft(found)) throw thrown(found.left)
    if (found.right === undefined) {
      release()
      return undefined
    }
    if (alone) await heal(parts, paths, name)
    return { ...found.right, release }
  } catch (error) {
    release()
    throw error
  }
}

/** What was being copied is begun anew; what was on its way goes on. */
const heal = async (parts: VolumeParts, paths: VolumePaths, name: string): Promise<void> => {
  if (existsSync(paths.filling(name))) await removed(parts, paths.filling(name))
  if (existsSync(paths.fill(name))) await settle(parts, paths, name)
}

const removed = async ({ addon }: VolumeParts, folder: string): Promise<void> => {
  const result = await addon.removeTree(folder)
  if (!result.ok) throw thrown(nativeError(result, SUBJECT))
}

const settle = async ({ addon }: VolumeParts, paths: VolumePaths, name: string): Promise<void> => {
  const moved = await addon.moveEntries(paths.fill(name), paths.data(name))
  if (!moved.ok) throw thrown(nativeError(moved, SUBJECT))
}

const isToFill = (paths: VolumePaths, name: string): boolean =>
  isEmptyFolder(paths.data(name)) || existsSync(paths.fill(name))

const isNothingNew = (from: string, data: string): boolean => {
  try {
    return isEmptyFolder(from) && isEmptyFolder(data) && lookOf(from) === lookOf(data)
  } catch {
    return false
  }
}

const fill = async (
  parts: VolumeParts,
  paths: VolumePaths,
  name: string,
  bytes: AsyncIterable<Uint8Array>,
  signal: AbortSignal | undefined,
): Promise<void> => {
  const filling = paths.filling(name)
  mkdirSync(filling)
  chmodSync(filling, DATA_MODE)
  try {
    await unpack(parts, filling, bytes, signal)
  } catch (error) {
    await removed(parts, filling)
    throw error
  }
  renameSync(filling, paths.fill(name))
  await settle(parts, paths, name)
}

const moveAway = (paths: VolumePaths, volume: HeldVolume): E.Either<EngineError, string> => {
  const { name } = volume.document
  const trash = path.join(paths.trash, `${name}.${randomHex(4)}`)
  const moved = attemptNow('remove volume', () => renameSync(paths.of(name), trash))
  volume.release()
  return E.map(() => trash)(moved)
}

/** What containers that removed themselves left, and those that ended with their engine: volumes of their own that nobody names. */
export const sweepVolumes = async (parts: VolumeParts, dead: ReadonlySet<string>): Promise<void> => {
  const store = volumeStore(parts)
  const { staging } = volumePaths(parts.state.root)
  if ((unlessMissing(() => readdirSync(staging)) ?? []).length > 0)
    await parts.addon.sweepStaging(staging).catch(() => {})
  const gone = ownedByGone(parts.state)
  const left =
    dead.size === 0 ? [] : store.list().volumes.filter(({ document }) => dead.has(document.engine ?? ''))
  const names = [...gone.flatMap(({ volumes }) => volumes), ...left.map(({ document }) => document.name)]
  for (const name of names) {
    const held = await store.hold(name, true)()
    if (E.isLeft(held) || held.right === undefined) continue
    const isNamed = store
      .users()
      .some(({ mounts }) => volumesOf(mounts).some(({ source }) => source === name))
    if (isNamed) held.right.release()
    else await store.remove(held.right)()
  }
  for (const { container } of gone) noteOwned(parts.state, container, [])
}
