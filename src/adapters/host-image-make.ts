// Makes a skeleton for the host image when there is none that fits, and removes those of earlier boots.
import { realpathSync, statSync } from 'node:fs'
import { readdir, rm } from 'node:fs/promises'
import path from 'node:path'
import type { Either } from '#fp/Either'
import * as E from '#fp/Either'
import type { EngineError } from '../model/errors.ts'
import { contentName, readHostTree, writeSkeleton } from './host-image-build.ts'
import { makeFolders } from './make-folders.ts'

export interface HostSkeleton {
  /** Folder name below `snapshots`. */
  readonly name: string
  /** Folders of the host to be mounted. */
  readonly directories: readonly string[]
  readonly watched: ReadonlyMap<string, string>
}

/** `boot` goes into the name: nothing of a skeleton is forced to disk, so none is trusted after the next boot. */
export const makeSkeleton = async (
  root: string,
  hostRoot: string,
  boot: string,
): Promise<Either<EngineError, HostSkeleton>> => {
  const snapshots = path.join(root, 'snapshots')
  makeFolders(snapshots, 0o700)
  const tree = await readHostTree(hostRoot)
  const directories = visibleDirectories(tree.layout.mounted, hostRoot, root)
  if (E.isLeft(directories)) return directories
  const name = `host-${contentName(tree)}-${boot}`
  await writeSkeleton(snapshots, name, tree)
  await removeLeftovers(snapshots, boot)
  return E.right({ name, directories: directories.right, watched: tree.watched })
}

/**
 * An engine's state holds other containers' files and must not be seen through the host image, nor may an overlay's
 * upper layer lie inside its lower one. So /opt is left out when the state is in it; without /usr there is no image.
 */
const visibleDirectories = (
  mounted: readonly string[],
  hostRoot: string,
  root: string,
): Either<EngineError, readonly string[]> => {
  const holders = new Set(ancestors(realpathSync(root)).map(identity))
  const holding = mounted.filter((directory) => holders.has(identity(path.join(hostRoot, directory))))
  const needed = holding.find((directory) => directory !== '/opt')
  if (needed === undefined) return E.right(mounted.filter((directory) => !holding.includes(directory)))
  return E.left({
    _tag: 'HostUnfit',
    need: 'the host image',
    why: `slipway's own state, ${root}, lies inside ${needed}, which every container would see`,
    remedy: 'put the state elsewhere: createEngine({ root }), --root or SLIPWAY_ROOT',
  })
}

/** By device and inode: a folder may be reached by several names. */
const identity = (at: string): string => {
  const { dev, ino } = statSync(at)
  return `${dev}:${ino}`
}

const ancestors = (at: string): string[] => (at === '/' ? [at] : [at, ...ancestors(path.dirname(at))])

/** No container outlives a boot, so no skeleton of an earlier one is in use. Half-made things of killed engines go by age. */
const removeLeftovers = async (snapshots: string, boot: string): Promise<void> => {
  const found = (await readdir(snapshots)).filter(
    (name) => isOtherBoots(name, boot) || isAbandoned(snapshots, name),
  )
  await Promise.all(found.map((name) => rm(path.join(snapshots, name), { recursive: true, force: true })))
}

const isOtherBoots = (name: string, boot: string): boolean =>
  /^\.?host-[0-9a-f]{16}-/.test(name) && !name.includes(`-${boot}`)

/** Making a skeleton takes a second; nobody is at work on one of this age. */
const ABANDONED_MS = 600_000
const isAbandoned = (snapshots: string, name: string): boolean => {
  if (!/^(?:\.host-[0-9a-f]{16}-|host\.json\.\d)/.test(name)) return false
  const found = statSync(path.join(snapshots, name), { throwIfNoEntry: false })
  return found !== undefined && Date.now() - found.mtimeMs > ABANDONED_MS
}
