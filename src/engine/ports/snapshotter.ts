// The port to unpacked layers and the stacks made of them: what the image programs need, not how it is stored.
import type { TaskEither } from '#fp/TaskEither'
import type { EngineError } from '../../model/errors.ts'

/** One layer, unpacked. Its directory depends on the layer's bytes alone, so images share it. */
export interface UnpackedLayer {
  /** `sha256:<64 hex>` of the uncompressed tar (image-spec config.md, rootfs.diff_ids). */
  readonly diffId: string
  /** Size of the uncompressed tar, in bytes. */
  readonly sizeBytes: number
  /** Entries of the archive, whiteouts included. */
  readonly entries: number
  /** True when it was there already: the source was not read, or somebody else was faster. */
  readonly reused: boolean
}

/** All layers of an image as one read-only directory tree, usable as the single lower layer of an overlay. */
export interface PreparedStack {
  /** image-spec config.md, Layer ChainID. */
  readonly chainId: string
  /** Absolute directory. Its path holds neither a colon nor a comma. */
  readonly path: string
  readonly reused: boolean
}

export interface SnapshotList {
  /** diffIDs of the layers that are there. */
  readonly layers: readonly string[]
  /** Stacks that are there, with the diffIDs they were made of (bottom layer first). */
  readonly stacks: readonly { readonly chainId: string; readonly diffIds: readonly string[] }[]
}

/** `layer`: by diffID; `stack`: by chainID. */
export type SnapshotKind = 'layer' | 'stack'

export interface Snapshotter {
  /**
   * Unpacks one layer, unless it is there already. `source` is the **uncompressed** tar; its chunks must not be changed
   * afterwards. Layers may be unpacked in any order and at the same time, by any number of callers and processes.
   * The directory appears only when the whole stream was read and its digest is `diffId`.
   * Fails: DigestMismatch, LayerRefused, SyscallFailed, Cancelled, and what `source` throws when that is an EngineError.
   */
  readonly unpackLayer: (
    diffId: string,
    source: AsyncIterable<Uint8Array>,
    options?: { readonly signal?: AbortSignal; readonly onBytes?: (written: number) => void },
  ) => TaskEither<EngineError, UnpackedLayer>
  /**
   * Makes the image's layers (bottom first) into one tree, once. Each is waited for when its turn comes, by default not at all; a failed
   * wait is the failure. Fails: StateDamaged for a layer that is not there, LayerRefused for a hard link to a file that no layer below has,
   * SyscallFailed.
   */
  readonly prepareStack: (
    diffIds: readonly string[],
    unpacked?: (diffId: string) => TaskEither<EngineError, unknown>,
  ) => TaskEither<EngineError, PreparedStack>
  /** What is known of a layer that is unpacked. */
  readonly find: (diffId: string) => TaskEither<EngineError, UnpackedLayer | undefined>
  /**
   * Unpacks a layer again and tells what in its directory is otherwise, each as `C/path`; everything, when there is no usable directory. With
   * `replace` the new one takes its place. Nothing may run on it then. Fails as `unpackLayer`.
   */
  readonly renewLayer: (
    diffId: string,
    source: AsyncIterable<Uint8Array>,
    options: { readonly replace: boolean },
  ) => TaskEither<EngineError, readonly string[]>
  /** The same for a stack, which is made of its layers again. Nothing, where the image needs no stack or has none yet. */
  readonly renewStack: (
    diffIds: readonly string[],
    options: { readonly replace: boolean },
  ) => TaskEither<EngineError, readonly string[]>
  readonly has: (kind: SnapshotKind, id: string) => TaskEither<EngineError, boolean>
  /** Idempotent. The caller knows that nothing uses it; stacks made of a layer do not need the layer any more. */
  readonly remove: (kind: SnapshotKind, id: string) => TaskEither<EngineError, void>
  readonly list: TaskEither<EngineError, SnapshotList>
}
