// An image that is unpacked and ready to be run: what the engine hands to the planner.

import type { ImageHealthcheck } from './health.ts'

/** image-spec config.md, the `config` object; names as in the specification. */
export interface ImageRuntimeConfig {
  readonly User?: string
  readonly Env?: readonly string[]
  readonly Entrypoint?: readonly string[]
  readonly Cmd?: readonly string[]
  readonly WorkingDir?: string
  readonly Volumes?: readonly string[]
  readonly ExposedPorts?: readonly string[]
  readonly Labels?: Readonly<Record<string, string>>
  readonly StopSignal?: string
  /** Docker's extension. */
  readonly Healthcheck?: ImageHealthcheck
}

/** How the root file system is put together. All paths are absolute and belong to the host. */
export type Rootfs =
  /** Read-only layers, topmost first, under a private writable layer. */
  | { readonly kind: 'layers'; readonly lowers: readonly string[] }
  /** The directory itself, written through to (`--rootfs DIR`). */
  | { readonly kind: 'directory'; readonly path: string }
  /** A skeleton plus directories of this machine, each under a private writable layer. */
  | {
      readonly kind: 'host'
      readonly skeleton: string
      /** Absolute directories, e.g. `/usr`, mounted at the same place. */
      readonly directories: readonly string[]
    }

export interface PreparedImage {
  /** As the user wrote it. */
  readonly reference: string
  /** Image id: the digest of the image config; `host` or the path for the other two sources. */
  readonly id: string
  readonly config: ImageRuntimeConfig
  readonly rootfs: Rootfs
}
