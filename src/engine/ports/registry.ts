// The port to image registries: distribution-spec 1.1.
import type { TaskEither } from '#fp/TaskEither'
import type { Digest } from '../../model/digest.ts'
import type { EngineError } from '../../model/errors.ts'
import type { Descriptor } from '../../model/image.ts'
import type { FoundRepositories } from '../../model/image-verbs.ts'
import type { ImageReference } from '../../model/reference.ts'

/** A manifest or index, verified against the digest it was asked by, if any. */
export interface FetchedManifest {
  readonly bytes: Buffer
  readonly mediaType: string
  readonly digest: Digest
}

export interface Registry {
  /**
   * Fetches the manifest or index `reference` names; by its digest when it has one. Fails: ImageNotFound,
   * RegistryFailed, DigestMismatch, Cancelled.
   */
  readonly manifest: (
    reference: ImageReference,
    signal?: AbortSignal,
  ) => TaskEither<EngineError, FetchedManifest>
  /**
   * The bytes of a blob, at most `size` of them. Broken connections are resumed where they broke. While iterating it throws
   * SlipwayError (RegistryFailed, Cancelled). The digest is the reader's to check.
   */
  readonly blob: (
    reference: ImageReference,
    blob: { readonly digest: Digest; readonly size: number },
    signal?: AbortSignal,
  ) => AsyncIterable<Uint8Array>
  /** The digest under which the registry has this tag or digest; undefined where it has none. */
  readonly find: (
    reference: ImageReference,
    signal?: AbortSignal,
  ) => TaskEither<EngineError, Digest | undefined>
  readonly hasBlob: (
    reference: ImageReference,
    digest: Digest,
    signal?: AbortSignal,
  ) => TaskEither<EngineError, boolean>
  /**
   * Makes the registry have a blob: from another of its repositories, else by sending it. What breaks off goes on where the registry
   * says it got to; a failure or an abort takes the upload back. Fails: RegistryFailed, DigestMismatch, Cancelled, and what
   * `source` throws.
   */
  readonly pushBlob: (
    reference: ImageReference,
    blob: BlobToPush,
    signal?: AbortSignal,
  ) => TaskEither<EngineError, PushedBlob>
  /** Under its digest, or the tag of the reference. Fails: RegistryFailed, DigestMismatch for an answer that calls it otherwise. */
  readonly pushManifest: (
    reference: ImageReference,
    manifest: FetchedManifest,
    signal?: AbortSignal,
  ) => TaskEither<EngineError, void>
  /** All tags of the repository, in the registry's order. */
  readonly tags: (
    reference: ImageReference,
    signal?: AbortSignal,
  ) => TaskEither<EngineError, readonly string[]>
  /** What points at the document with the digest of `reference`. */
  readonly referrers: (
    reference: ImageReference & { readonly digest: Digest },
    artifactType: string | undefined,
    signal?: AbortSignal,
  ) => TaskEither<EngineError, readonly Descriptor[]>
  /** Repositories by a word. Fails: Unsupported where the registry offers neither a search nor a list. */
  readonly search: (
    registry: string,
    term: string,
    limit: number,
    signal?: AbortSignal,
  ) => TaskEither<EngineError, FoundRepositories>
  /** Proves a password to the registry and keeps it where Docker would. Fails: RegistryFailed, and then keeps nothing. */
  readonly login: (
    registry: string,
    password: Password,
    signal?: AbortSignal,
  ) => TaskEither<EngineError, KeptLogin>
  /** False when nothing was kept for it. */
  readonly logout: (registry: string) => TaskEither<EngineError, boolean>
  /** Drops idle connections. */
  readonly close: () => void
}

export interface BlobToPush {
  readonly digest: Digest
  /** Bytes. */
  readonly size: number
  /** The bytes from an offset to the end. They are verified up to their end before the last of them is given. */
  readonly source: (from: number) => AsyncIterable<Uint8Array>
  /** Repositories of the same registry that have it, or had. */
  readonly mountFrom: readonly string[]
  /** Told of the bytes that are on their way or there; goes back where some of them were lost. */
  readonly onSent: (bytes: number) => void
}
export type PushedBlob = { readonly how: 'sent' } | { readonly how: 'mounted'; readonly from: string }

export interface Password {
  readonly username: string
  readonly password: string
}
export interface KeptLogin {
  /** A file, or the name of a credential helper. */
  readonly where: string
  /** Whoever can read the file can read the password. */
  readonly plain: boolean
}
