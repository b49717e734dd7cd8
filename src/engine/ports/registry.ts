// The port to image registries: distribution-spec's pull half.
import type { TaskEither } from '#fp/TaskEither'
import type { Digest } from '../../model/digest.ts'
import type { EngineError } from '../../model/errors.ts'
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
  /** Drops idle connections. */
  readonly close: () => void
}
