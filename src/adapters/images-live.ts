// The ports of the image programs on a real host: a store below a root, a snapshotter, and registries over HTTP.
import * as TE from '#fp/TaskEither'
import type { ImagePorts, InUse } from '../engine/ports/images.ts'
import type { Snapshotter } from '../engine/ports/snapshotter.ts'
import { type Platform, platformOfNodeArch } from '../model/platform.ts'
import type { Addon } from '../native/addon.ts'
import type { LayerAddon } from '../native/layer-addon.ts'
import { loadAddon } from '../native/load.ts'
import { openContentStore } from './content-store.ts'
import type { Flock } from './content-store-lock.ts'
import { diskOf } from './disk-usage.ts'
import { imageArchives } from './oci-layout.ts'
import { openRegistry, type RegistryOptions } from './registry.ts'
import { nativeTrees } from './trees.ts'

export interface ImagesConfig {
  /** The data directory, e.g. `/var/lib/slipway`. */
  readonly root: string
  readonly snapshotter: Snapshotter
  /** Default: the addon itself, without a user namespace. */
  readonly native?: Addon & LayerAddon
  /** The addon's flock. */
  readonly flock: Flock
  /** Default: no image is in use, ever. */
  readonly inUse?: InUse
  /** Default: this machine's. */
  readonly platform?: Platform
  readonly registry?: RegistryOptions
}

/** Touches nothing before it is asked to. */
export const imagePorts = (config: ImagesConfig): ImagePorts => ({
  store: openContentStore(config.root, config.flock, nativeOf(config)),
  snapshotter: config.snapshotter,
  registry: openRegistry(config.registry),
  archives: imageArchives,
  platform: config.platform ?? platformOfNodeArch(process.arch),
  inUse: config.inUse ?? (() => TE.right([])),
  disk: diskOf(config.root, nativeOf(config)),
  trees: nativeTrees(nativeOf(config)),
})

const nativeOf = ({ native }: ImagesConfig): Addon & LayerAddon =>
  native ?? (loadAddon() as Addon & LayerAddon)
