// The addon, seen from the layers.
import type { Addon } from '../native/addon.ts'
import type { LayerAddon, LayerLimits } from '../native/layer-addon.ts'
import { loadAddon } from '../native/load.ts'

/** The same, all of it as root of a user namespace: files of its ids are made, changed and removed there alone. */
export const layersInside = (addon: LayerAddon, userNamespace: number): LayerAddon => ({
  LayerApplier: class {
    constructor(directory: string, limits: LayerLimits = {}) {
      // biome-ignore lint/correctness/noConstructorReturn: the addon's own object, with one more limit
      return new addon.LayerApplier(directory, { ...limits, userNamespace })
    }
  } as unknown as LayerAddon['LayerApplier'],
  flattenLayers: (layers, target, scratch, over) =>
    addon.flattenLayers(layers, target, scratch, over, userNamespace),
  archiveTree: (trees, changes, fd) => addon.archiveTree(trees, changes, fd, userNamespace),
  // Of containers and of the caller: whoever calls them says as whom.
  statPlace: (place, follow, namespace) => addon.statPlace(place, follow, namespace),
  archivePlace: (place, follow, name, fd, namespace) =>
    addon.archivePlace(place, follow, name, fd, namespace),
  receiveArchive: (directory, choices, fd, namespace) =>
    addon.receiveArchive(directory, choices, fd, namespace),
  listChanges: (trees) => addon.listChanges(trees, userNamespace),
  compareTrees: (before, after) => addon.compareTrees(before, after, userNamespace),
  diskUsage: (paths) => addon.diskUsage(paths, userNamespace),
  removeTree: (path) => addon.removeTree(path, userNamespace),
  moveEntries: (from, into) => addon.moveEntries(from, into, userNamespace),
  sweepStaging: (folder) => addon.sweepStaging(folder, userNamespace),
  canDecompress: (compression) => addon.canDecompress(compression),
  Decompressor: addon.Decompressor,
  closeFds: (fds) => addon.closeFds(fds),
  openStaging: (folder) => addon.openStaging(folder),
  syncStaging: (lockFd, path) => addon.syncStaging(lockFd, path),
})

export const loadLayerAddon = (): LayerAddon => loadAddon() as Addon & LayerAddon
