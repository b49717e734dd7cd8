// Where the parts of an image store lie below its root.
import path from 'node:path'
import { algorithmOf, type Digest, hexOf } from '../model/digest.ts'
import { UNFINISHED } from './content-store-files.ts'

export interface StorePaths {
  readonly layout: string
  readonly index: string
  /** The next `index`, while it is written. */
  readonly newIndex: string
  readonly blobs: string
  /** Blobs on their way in, each locked by its writer. */
  readonly ingest: string
  readonly records: string
  readonly origins: string
  /** Held while index.json is replaced. */
  readonly indexLock: string
  /** Shared: content is being added or read. Exclusive: unreferenced content is being removed. */
  readonly contentLock: string
  readonly blob: (digest: Digest) => string
  readonly record: (target: Digest, platform: string) => string
  /** A folder with an empty file for each repository that has the blob. */
  readonly originsOf: (digest: Digest) => string
}

export const storePaths = (root: string): StorePaths => {
  const at = (...parts: readonly string[]) => path.join(root, ...parts)
  return {
    layout: at('oci', 'oci-layout'),
    index: at('oci', 'index.json'),
    newIndex: at('oci', `index.json${UNFINISHED}`),
    blobs: at('oci', 'blobs'),
    ingest: at('ingest'),
    records: at('prepared'),
    origins: at('origins'),
    indexLock: at('locks', 'index'),
    contentLock: at('locks', 'content'),
    blob: (digest) => at('oci', 'blobs', algorithmOf(digest), hexOf(digest)),
    record: (target, platform) =>
      at('prepared', `${algorithmOf(target)}-${hexOf(target)}.${platform.replaceAll('/', '-')}.json`),
    originsOf: (digest) => at('origins', `${algorithmOf(digest)}-${hexOf(digest)}`),
  }
}
