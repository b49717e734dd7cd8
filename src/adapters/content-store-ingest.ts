// One blob on its way into the store: hashed while it is written, visible only when complete and right.
import { randomBytes } from 'node:crypto'
import { mkdir, open, rename, rm } from 'node:fs/promises'
import path from 'node:path'
import type { Expected, Stored } from '../engine/ports/content-store.ts'
import { algorithmOf, type Digest, hasher } from '../model/digest.ts'
import { located, thrown } from './attempt.ts'
import { syncDirectory } from './content-store-files.ts'
import type { StorePaths } from './content-store-paths.ts'

export interface Ingest {
  /** Resolves when the bytes are written. Throws DigestMismatch as soon as there are too many. */
  readonly write: (chunk: Uint8Array) => Promise<void>
  /** Throws DigestMismatch when the bytes are not what was expected. To be called once, after the last of them. */
  readonly check: () => Digest
  /** Checks, flushes, and gives the blob its name. */
  readonly commit: () => Promise<Stored>
  /** Forgets it. Harmless after commit. */
  readonly abort: () => Promise<void>
}

export const openIngest = async (paths: StorePaths, expected: Expected): Promise<Ingest> => {
  const file = path.join(paths.ingest, randomBytes(12).toString('hex'))
  const handle = await open(file, 'wx', 0o600)
  const hash = hasher(expected.digest === undefined ? 'sha256' : algorithmOf(expected.digest))
  let size = 0
  let done = false
  const abort = async (): Promise<void> => {
    if (done) return
    done = true
    await handle.close()
    await rm(file, { force: true })
  }
  const check = (): Digest => {
    checkSize(expected, size, true)
    const digest = hash.digest()
    if (expected.digest !== undefined && expected.digest !== digest)
      throw thrown({ _tag: 'DigestMismatch', what: expected.what, expected: expected.digest, actual: digest })
    return digest
  }
  return {
    write: async (chunk) => {
      size += chunk.byteLength
      checkSize(expected, size, false)
      hash.update(chunk)
      for (let at = 0; at < chunk.byteLength; )
        at += (await handle.write(chunk, at).catch(located(file))).bytesWritten
    },
    check,
    commit: async () => {
      const digest = check()
      await handle.sync().catch(located(file))
      const blob = paths.blob(digest)
      await mkdir(path.dirname(blob), { recursive: true, mode: 0o700 })
      await rename(file, blob)
      done = true
      await handle.close()
      await syncDirectory(path.dirname(blob))
      return { digest, size }
    },
    abort,
  }
}

/** Throws when there are more bytes than there may be, or at the end fewer. */
export const checkSize = (expected: Expected, size: number, atEnd: boolean): void => {
  if (expected.size === undefined || size === expected.size || (!atEnd && size < expected.size)) return
  const actual = atEnd ? `${size} bytes` : `more than ${expected.size} bytes`
  throw thrown({ _tag: 'DigestMismatch', what: expected.what, expected: `${expected.size} bytes`, actual })
}
