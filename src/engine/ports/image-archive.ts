// The port to images in files: an OCI layout as a directory or tar, and what `docker save` writes.
import type { TaskEither } from '#fp/TaskEither'
import type { EngineError } from '../../model/errors.ts'
import type { Descriptor } from '../../model/image.ts'
import type { LoadSource, SaveFormat, SaveTarget } from '../../model/image-verbs.ts'
import type { Compression } from '../../model/media-type.ts'
import type { ContentStore, Stored } from './content-store.ts'

/** A file of an archive that went into the store. */
export interface ArchiveMember extends Stored {
  readonly compression: Compression
}

export interface OpenedArchive {
  /** What to call it in errors. */
  readonly name: string
  /** `index.json`, when it is an OCI layout. */
  readonly index?: Buffer
  /** `manifest.json`, when `docker save` wrote it. A file can be both. */
  readonly manifest?: Buffer
  /** Where a blob of the layout can be read, when it is not in the store already. */
  readonly source: (blob: Descriptor) => AsyncIterable<Uint8Array> | undefined
  /** A file by its name in the archive, links followed. */
  readonly member: (name: string) => ArchiveMember | undefined
}

/** A file of an archive that is written. */
export interface SavedFile {
  readonly name: string
  /** Bytes. */
  readonly size: number
  readonly content: () => AsyncIterable<Uint8Array>
}

export interface ImageArchives {
  /**
   * Writes the files in this order. A path gets the whole archive or keeps what it had. Fails: InvalidOption for a directory that is
   * not empty, or a stream where a directory is wanted, SyscallFailed, Cancelled, and what a file's content fails with.
   */
  readonly write: (
    files: readonly SavedFile[],
    target: SaveTarget,
    options: { readonly format: SaveFormat; readonly signal?: AbortSignal },
  ) => TaskEither<EngineError, void>
  /**
   * Opens an archive. A tar is read to its end, its files going into the store as they come. Fails: InvalidSpec for what is no
   * archive of images or is cut short, DigestMismatch for a blob that is not what its name says, SyscallFailed.
   */
  readonly open: (store: ContentStore, source: LoadSource) => TaskEither<EngineError, OpenedArchive>
  /** Writes bytes as they are, to a path as a whole. Fails: as `write`. */
  readonly writeTar: (
    bytes: AsyncIterable<Uint8Array>,
    target: SaveTarget,
    options: { readonly signal?: AbortSignal },
  ) => TaskEither<EngineError, void>
  /**
   * Stores a tar as it is, compressed or not; `through` sees its bytes first. Fails: Unsupported for a compression that layers cannot have,
   * InvalidOption for a directory, SyscallFailed.
   */
  readonly storeTar: (
    store: ContentStore,
    source: LoadSource,
    through: (bytes: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>,
  ) => TaskEither<EngineError, ArchiveMember>
}
