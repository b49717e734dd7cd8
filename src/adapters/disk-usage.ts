// What an engine's root takes on disk, counted by the addon as du(1) does.
import { stat } from 'node:fs/promises'
import path from 'node:path'
import type { Disk, ImagePart } from '../engine/ports/disk.ts'
import type { Digest } from '../model/digest.ts'
import type { LayerAddon } from '../native/layer-addon.ts'
import { attempt, thrown } from './attempt.ts'
import { namesIn } from './content-store-files.ts'
import { storePaths } from './content-store-paths.ts'
import { nativeError } from './layer-errors.ts'
import { snapshotPaths } from './snapshotter-paths.ts'

/** Directories of the image store and of the snapshotter. Layers come before stacks, whose files are links to theirs. */
const OF_IMAGES = ['oci', 'prepared', 'ingest', 'locks', 'layers', 'stacks', 'staging', 'unflushed']
const CONTAINERS = 'containers'
const VOLUMES = 'volumes'
/** stat(2), st_blocks. */
const BLOCK_BYTES = 512
/** What runs: it need not outlive a reboot, and is no store. */
const RUNTIME = 'run'

export const diskOf = (root: string, native: Pick<LayerAddon, 'diskUsage'>): Disk => {
  const store = storePaths(root)
  const snapshots = snapshotPaths(root)
  const measure = async (paths: readonly string[]): Promise<readonly number[]> => {
    const result = await native.diskUsage(paths)
    if (!result.ok) throw thrown(nativeError(result, root))
    return result.sizes
  }
  const placeOf = ({ kind, id }: ImagePart): string =>
    kind === 'blob' ? store.blob(id as Digest) : snapshots.directory(kind, id)
  return {
    parts: (parts) => attempt('measure images', () => measure(parts.map(placeOf))),
    root: attempt('measure the store', async () => {
      const names = await namesIn(root)
      const others = names.filter((name) => ![...OF_IMAGES, CONTAINERS, VOLUMES, RUNTIME].includes(name))
      const containers = path.join(root, CONTAINERS)
      const ids = await namesIn(containers)
      const volumes = path.join(root, VOLUMES)
      const volumeNames = await namesIn(volumes)
      const all = [...OF_IMAGES, ...others].map((name) => path.join(root, name))
      const sizes = await measure([
        ...all,
        ...ids.map((id) => path.join(containers, id)),
        ...volumeNames.map((name) => path.join(volumes, name)),
      ])
      const ofContainers = sizes.slice(all.length, all.length + ids.length)
      const ofVolumes = sizes.slice(all.length + ids.length)
      const perVolume = volumeNames.map((name, index) => ({ name, sizeBytes: ofVolumes[index] ?? 0 }))
      const perContainer = ids.map((id, index) => ({ id, sizeBytes: ofContainers[index] ?? 0 }))
      return {
        imagesBytes: sum(sizes.slice(0, OF_IMAGES.length)),
        containersBytes: sum(ofContainers) + (await ownBlocks(containers)),
        volumesBytes: sum(ofVolumes) + (await ownBlocks(volumes)),
        otherBytes: sum(sizes.slice(OF_IMAGES.length, all.length)) + (await ownBlocks(root)),
        perContainer,
        perVolume,
      }
    }),
  }
}

/** Of the directory itself, without what is in it; nothing there is nothing. */
const ownBlocks = async (folder: string): Promise<number> =>
  stat(folder).then(
    ({ blocks }) => blocks * BLOCK_BYTES,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return 0
      throw error
    },
  )

const sum = (sizes: readonly number[]): number => sizes.reduce((total, size) => total + size, 0)
