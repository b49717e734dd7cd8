// The port to directories as they lie on disk: read side by side, and never mounted.
import type { TaskEither } from '#fp/TaskEither'
import type { EngineError } from '../../model/errors.ts'
import type { FileChange } from '../../model/image-verbs.ts'

/** A lower and an upper directory as an overlay has them; either may be missing. Absolute paths. */
export interface TreePair {
  /** Without whiteouts. */
  readonly lower?: string
  /** The overlay's own writable layer. */
  readonly upper?: string
  /** Mount points the engine made, from the root, without a leading slash: empty, and not in the lower tree, they are no change. */
  readonly hidden?: readonly string[]
}

/** Fail: LayerRefused for what no archive can hold, SyscallFailed. */
export interface Trees {
  /**
   * A tar of both trees merged. The same trees are the same bytes. Throws a SlipwayError in the middle of the stream when the rest cannot
   * be read.
   */
  readonly archive: (trees: TreePair) => AsyncIterable<Uint8Array>
  /** A layer that makes the lower tree what both are together (image-spec layer.md). */
  readonly layer: (trees: TreePair) => AsyncIterable<Uint8Array>
  /** What the upper tree changes of the lower one, in the order of the paths. */
  readonly changes: (trees: TreePair) => TaskEither<EngineError, readonly FileChange[]>
  /** What differs between two whole trees. */
  readonly compare: (before: string, after: string) => TaskEither<EngineError, readonly FileChange[]>
}
