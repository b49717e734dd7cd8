// One blob on its way into the store: hashed while it is written, visible only when complete and right.
import { randomBytes } from 'node:crypto'
import { type FileHandle, open, rename, rm } from 'node:fs/promises'
import path from 'node:path'
import type { Expected, Stored } from '../engine/ports/content-store.ts'
import { algorithmOf, type Digest, hasher } from '../model/digest.ts'
import { located, thrown } from './attempt.ts'
import { syncDirectory } from './content-store-files.ts'
import type { StorePaths } from './content-store-paths.ts'
import { makeFolders } from './make-folders.ts'

/** Bytes that are collected for one call of writev(2), and bytes that may wait for the disk: each call is a turn of a thread. */
const BATCH = { least: 256 * 1024, most: 1024 * 1024 } as const

export interface Ingest {
  /** Resolves when there is room for more. Throws DigestMismatch as soon as there are too many bytes. */
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
  const writer = writeBehind(handle)
  const hash = hasher(expected.digest === undefined ? 'sha256' : algorithmOf(expected.digest))
  let size = 0
  let done = false
  const abort = async (): Promise<void> => {
    if (done) return
    done = true
    await writer.rest()
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
      await writer.write(chunk).catch(located(file))
    },
    check,
    commit: async () => {
      const digest = check()
      await writer.end().catch(located(file))
      await handle.sync().catch(located(file))
      const blob = paths.blob(digest)
      makeFolders(path.dirname(blob), 0o700)
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

interface Writer {
  /** Resolves when there is room for more. Rejects with what the disk said to something before. */
  readonly write: (chunk: Uint8Array) => Promise<void>
  /** Resolves when everything is written. */
  readonly end: () => Promise<void>
  /** Nothing is being written any more. */
  readonly rest: () => Promise<unknown>
}

/** Writes while more comes in. */
const writeBehind = (handle: FileHandle): Writer => {
  let waiting: Uint8Array[] = []
  let size = 0
  let writing: Promise<void> = Promise.resolve()
  const writeWaiting = (): Promise<void> => {
    const batch = waiting
    waiting = []
    size = 0
    return writeBatch(handle, batch)
  }
  const advance = (): Promise<void> => {
    writing = writing.then(writeWaiting)
    return writing
  }
  return {
    write: async (chunk) => {
      waiting.push(chunk)
      size += chunk.byteLength
      if (size >= BATCH.most) await advance()
      else if (size >= BATCH.least) advance().catch(() => {})
    },
    end: advance,
    rest: () => writing.catch(() => {}),
  }
}

const writeBatch = async (handle: FileHandle, batch: readonly Uint8Array[]): Promise<void> => {
  for (let rest = [...batch]; rest.length > 0; ) {
    let { bytesWritten } = await handle.writev(rest)
    while (bytesWritten >= (rest[0]?.byteLength ?? Number.POSITIVE_INFINITY))
      bytesWritten -= rest.shift()?.byteLength ?? 0
    const [first] = rest
    if (first !== undefined) rest[0] = first.subarray(bytesWritten)
  }
}
