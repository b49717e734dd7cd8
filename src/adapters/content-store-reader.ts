// A stored blob on its way out: verified however often its sending begins again.
import { createHash, type Hash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import type { Stored } from '../engine/ports/content-store.ts'
import { algorithmOf } from '../model/digest.ts'
import { thrown } from './attempt.ts'
import type { StorePaths } from './content-store-paths.ts'

const READ_CHUNK = 256 * 1024
/** How often the state of the hash is kept, in bytes: who begins again reads at most so much twice. */
const CHECKPOINT = 16 * 1024 * 1024

export const blobReader = (
  paths: StorePaths,
  { digest, size }: Stored,
): ((from: number) => AsyncIterable<Uint8Array>) => {
  const file = paths.blob(digest)
  let checkpoint: { readonly at: number; readonly hash: Hash } | undefined
  return async function* (from) {
    const known = checkpoint !== undefined && checkpoint.at <= from ? checkpoint : undefined
    const hash = known?.hash.copy() ?? createHash(algorithmOf(digest))
    let at = known?.at ?? 0
    const source = createReadStream(file, { start: at, highWaterMark: READ_CHUNK })
    try {
      for await (const chunk of source as AsyncIterable<Buffer>) {
        if (at - (checkpoint?.at ?? 0) >= CHECKPOINT) checkpoint = { at, hash: hash.copy() }
        hash.update(chunk)
        const skip = Math.max(0, Math.min(chunk.length, from - at))
        at += chunk.length
        if (at >= size) check(at, hash)
        if (skip < chunk.length) yield chunk.subarray(skip)
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
      throw thrown({ _tag: 'StateDamaged', path: file, why: 'the blob is missing; pull the image again' })
    } finally {
      source.destroy()
    }
    // A file that is too short never came to the check.
    if (at < size) check(at, hash)
  }

  function check(length: number, hash: Hash): void {
    const what = `blob ${digest} in the store`
    if (length !== size)
      throw thrown({
        _tag: 'DigestMismatch',
        what,
        expected: `${size} bytes`,
        actual: length > size ? `more than ${size} bytes` : `${length} bytes`,
      })
    const actual = `${algorithmOf(digest)}:${hash.digest('hex')}`
    if (actual !== digest) throw thrown({ _tag: 'DigestMismatch', what, expected: digest, actual })
  }
}
