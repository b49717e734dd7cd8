// The port to the local image store: an OCI image layout with verified blobs, and one record per image that is ready to run.
import type { Either } from '#fp/Either'
import type { Option } from '#fp/Option'
import type { TaskEither } from '#fp/TaskEither'
import type { Digest } from '../../model/digest.ts'
import type { EngineError } from '../../model/errors.ts'
import type { Descriptor } from '../../model/image.ts'
import type { PreparedRecord } from '../../model/image-record.ts'
import type { Compression } from '../../model/media-type.ts'

/** What is known of bytes before they arrive. A size or digest that turns out different is a DigestMismatch. */
export interface Expected {
  /** What it is, for people, e.g. `layer sha256:…`. */
  readonly what: string
  readonly digest?: Digest
  /** Bytes. */
  readonly size?: number
}

/** What a blob turned out to be. */
export interface Stored {
  readonly digest: Digest
  /** Bytes. */
  readonly size: number
}

/** Somebody who reads the decompressed bytes of a blob while it is stored or read; gives up by returning a Left. */
export interface Consumer<A> {
  /** By default the first bytes decide. */
  readonly compression?: Compression
  readonly consume: (bytes: AsyncIterable<Uint8Array>) => TaskEither<EngineError, A>
}

/** Every byte that enters or leaves is hashed; a blob exists under its digest only when complete and right. */
export interface ContentStore {
  readonly has: (digest: Digest) => TaskEither<EngineError, boolean>
  /** Stores a stream. A failing source fails with what it threw; nothing stays behind. */
  readonly write: (expected: Expected, source: AsyncIterable<Uint8Array>) => TaskEither<EngineError, Stored>
  /** Stores a stream and hands its decompressed bytes on in the same pass. */
  readonly writeThrough: <A>(
    expected: Expected & { readonly digest: Digest },
    source: AsyncIterable<Uint8Array>,
    consumer: Consumer<A>,
  ) => TaskEither<EngineError, A>
  /** Reads a stored blob through a consumer. Fails: StateDamaged when it is missing, DigestMismatch. */
  readonly readThrough: <A>(
    blob: Stored,
    consumer: Consumer<A>,
    /** Hears how many of the blob's bytes were read so far. */
    onBytes?: (read: number) => void,
  ) => TaskEither<EngineError, A>
  /** A stored blob's bytes as they are; the end of the stream says that they were right, and a SlipwayError what is wrong. */
  readonly stream: (blob: Stored) => AsyncIterable<Uint8Array>
  /** A whole small document, verified. Fails: StateDamaged when it is missing or larger than 8 MiB, DigestMismatch. */
  readonly read: (blob: {
    readonly digest: Digest
    readonly size?: number
  }) => TaskEither<EngineError, Buffer>

  /**
   * A stored blob to be sent: gives its bytes from an offset to the end, any number of times. All of them are verified, those before
   * the offset too, before the last one is given; while iterating it throws SlipwayError (StateDamaged, DigestMismatch).
   */
  readonly reader: (blob: Stored) => (from: number) => AsyncIterable<Uint8Array>
  /** Repositories (`registry/repository`) that have a blob, as far as they were noted. */
  readonly origins: (digest: Digest) => TaskEither<EngineError, readonly string[]>
  /** Forgets repositories that are not in the set. Only inside `alone`. */
  readonly removeOriginsExcept: (repositories: ReadonlySet<string>) => TaskEither<EngineError, void>
  /** Notes that a repository has these blobs. A hint: it may be lost. */
  readonly noteOrigin: (repository: string, digests: readonly Digest[]) => TaskEither<EngineError, void>

  /** The entries of index.json. */
  readonly entries: TaskEither<EngineError, readonly Descriptor[]>
  /** Changes index.json; one writer at a time across processes, readers never wait. Gives the new entries. */
  readonly update: (
    change: (entries: readonly Descriptor[]) => Either<EngineError, readonly Descriptor[]>,
  ) => TaskEither<EngineError, readonly Descriptor[]>
  /** Runs a program during which no unreferenced content disappears. Any number of them at once, in any process. */
  readonly keeping: <A>(program: TaskEither<EngineError, A>) => TaskEither<EngineError, A>
  /** Runs a program while nobody adds content; none, without waiting, when somebody does just now. */
  readonly alone: <A>(program: TaskEither<EngineError, A>) => TaskEither<EngineError, Option<A>>
  /** Removes every blob not in the set. Only inside `alone`. Gives what was removed. */
  readonly removeBlobsExcept: (keep: ReadonlySet<string>) => TaskEither<EngineError, readonly Digest[]>

  /** Removes one blob that is known to be damaged. Fine when it is not there. */
  readonly removeBlob: (digest: Digest) => TaskEither<EngineError, void>

  /** Changes whenever index.json does; cheap enough for every start. Undefined while the store is empty. */
  readonly version: () => string | undefined
  readonly records: TaskEither<EngineError, readonly PreparedRecord[]>
  /** Files in the place of records that are none; removed when asked. */
  readonly brokenRecords: (
    remove: boolean,
  ) => TaskEither<EngineError, readonly { readonly file: string; readonly why: string }[]>
  /** The record of one entry for one platform (`linux/amd64`), when it was prepared. */
  readonly record: (target: Digest, platform: string) => TaskEither<EngineError, PreparedRecord | undefined>
  readonly saveRecord: (record: PreparedRecord) => TaskEither<EngineError, void>
  /** Removes the records whose target is not in the set. Only inside `alone`. */
  readonly removeRecordsExcept: (targets: ReadonlySet<string>) => TaskEither<EngineError, void>
}
