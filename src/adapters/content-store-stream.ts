// Moves a blob's bytes once: from a source to the hash, the disk and a consumer of the decompressed form.
import { createReadStream } from 'node:fs'
import * as E from '#fp/Either'
import type { Consumer, Expected, Stored } from '../engine/ports/content-store.ts'
import { algorithmOf, type Digest, hasher } from '../model/digest.ts'
import type { EngineError } from '../model/errors.ts'
import type { Decompressors } from '../native/layer-addon.ts'
import { located, thrown } from './attempt.ts'
import { checkSize, openIngest } from './content-store-ingest.ts'
import type { StorePaths } from './content-store-paths.ts'
import { openTap, type Tap } from './content-store-tap.ts'

const READ_CHUNK = 256 * 1024
/** Enough to tell compressions apart. */
const SNIFF_BYTES = 4

/** Stores a stream. */
export const storeStream = async (
  paths: StorePaths,
  expected: Expected,
  source: AsyncIterable<Uint8Array>,
): Promise<Stored> => {
  const ingest = await openIngest(paths, expected)
  try {
    for await (const chunk of source) await ingest.write(chunk)
    return await ingest.commit()
  } finally {
    await ingest.abort()
  }
}

/** Stores a stream and feeds a consumer with it. The consumer's success counts only when the blob was right, too. */
export const storeThrough = async <A>(
  paths: StorePaths,
  native: Decompressors | undefined,
  expected: Expected,
  source: AsyncIterable<Uint8Array>,
  consumer: Consumer<A>,
): Promise<E.Either<EngineError, A>> => {
  const ingest = await openIngest(paths, expected)
  try {
    const { result, complete } = await feed(openTapOf(expected.what, consumer, native), source, ingest.write)
    if (E.isRight(result)) await ingest.commit()
    else if (complete) ingest.check()
    return result
  } finally {
    await ingest.abort()
  }
}

/** Reads a stored blob through a consumer, verifying it on the way; stops early when the consumer needs no more. */
export const readThrough = async <A>(
  paths: StorePaths,
  native: Decompressors | undefined,
  blob: Stored,
  consumer: Consumer<A>,
  onBytes?: (read: number) => void,
): Promise<E.Either<EngineError, A>> => {
  const what = `layer ${blob.digest}`
  const check = verifier(what, blob)
  const source = chunksOf(paths.blob(blob.digest))
  let read = 0
  const keep = async (chunk: Uint8Array): Promise<void> => {
    check.add(chunk)
    read += chunk.byteLength
    onBytes?.(read)
  }
  const { result, complete } = await feed(openTapOf(what, consumer, native), source, keep, true)
  if (complete) check.end()
  return result
}

/** A stored blob as it is; throws at the end when it was not right. */
export async function* verifiedChunks(paths: StorePaths, blob: Stored): AsyncGenerator<Uint8Array> {
  const check = verifier(`blob ${blob.digest}`, blob)
  for await (const chunk of chunksOf(paths.blob(blob.digest))) {
    check.add(chunk)
    yield chunk
  }
  check.end()
}

async function* chunksOf(file: string): AsyncGenerator<Buffer> {
  try {
    yield* createReadStream(file, { highWaterMark: READ_CHUNK })
  } catch (error) {
    located(file)(error)
  }
}

/** Checks size and digest of bytes that pass by. */
export const verifier = (
  what: string,
  blob: { readonly digest: Digest; readonly size?: number },
): { readonly add: (chunk: Uint8Array) => void; readonly end: () => void } => {
  const hash = hasher(algorithmOf(blob.digest))
  let size = 0
  return {
    add: (chunk) => {
      size += chunk.byteLength
      checkSize({ what, ...blob }, size, false)
      hash.update(chunk)
    },
    end: () => {
      checkSize({ what, ...blob }, size, true)
      const actual = hash.digest()
      if (actual !== blob.digest)
        throw thrown({ _tag: 'DigestMismatch', what, expected: blob.digest, actual })
    },
  }
}

const openTapOf =
  <A>(what: string, consumer: Consumer<A>, native: Decompressors | undefined) =>
  (start: Uint8Array): Tap<A> =>
    openTap(what, start, consumer, native)

interface Fed<A> {
  readonly result: E.Either<EngineError, A>
  /** The source was read to its end. */
  readonly complete: boolean
}
/**
 * Gives every chunk to `keep` and, decompressed, to the consumer. When decompression fails the rest is still kept, so that
 * a damaged blob is reported as such; any other refusal ends it at once.
 */
const feed = async <A>(
  open: (start: Uint8Array) => Tap<A>,
  source: AsyncIterable<Uint8Array>,
  keep: (chunk: Uint8Array) => Promise<void>,
  stopWhenSatisfied = false,
): Promise<Fed<A>> => {
  let tap: Tap<A> | undefined
  let start: Buffer = Buffer.alloc(0)
  try {
    for await (const chunk of source) {
      // The disk and the decompressor take it at the same time.
      const kept = keep(chunk)
      if (tap !== undefined) await Promise.all([kept, tap.write(chunk)])
      else {
        await kept
        start = Buffer.concat([start, chunk])
        if (start.length < SNIFF_BYTES) continue
        tap = open(start)
        await tap.write(start)
      }
      const state = tap.state()
      if (state === 'failed' || (stopWhenSatisfied && state === 'satisfied'))
        return { result: await tap.end(), complete: false }
    }
  } catch (error) {
    await tap?.fail(error)
    throw error
  }
  if (tap !== undefined) return { result: await tap.end(), complete: true }
  const short = open(start)
  await short.write(start)
  return { result: await short.end(), complete: true }
}
