// What the image programs need of the world.
import type { ReaderTaskEither } from '#fp/ReaderTaskEither'
import type { TaskEither } from '#fp/TaskEither'
import type { EngineError } from '../../model/errors.ts'
import type { ResolveOptions } from '../../model/image-verbs.ts'
import type { Platform } from '../../model/platform.ts'
import type { PreparedImage } from '../../model/prepared-image.ts'
import type { ContentStore } from './content-store.ts'
import type { Disk } from './disk.ts'
import type { ImageArchives } from './image-archive.ts'
import type { Registry } from './registry.ts'
import type { Snapshotter } from './snapshotter.ts'
import type { Trees } from './trees.ts'

/** Ids of the containers made from the image with this id (digest of its config). */
export type InUse = (imageId: string) => TaskEither<EngineError, readonly string[]>

export interface ImagePorts {
  readonly store: ContentStore
  readonly snapshotter: Snapshotter
  readonly registry: Registry
  /** This machine's. */
  readonly platform: Platform
  readonly archives: ImageArchives
  readonly inUse: InUse
  readonly trees: Trees
  readonly disk: Disk
}

export interface ImageProgram<A> extends ReaderTaskEither<ImagePorts, EngineError, A> {}

/** From what a user wrote to an image that can be started now. */
export type ResolveImage = (
  reference: string,
  options?: ResolveOptions,
) => TaskEither<EngineError, PreparedImage>
