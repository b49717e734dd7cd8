// A consumer of decompressed bytes that is fed while the compressed ones pass by.
import { PassThrough, type Transform } from 'node:stream'
import * as zlib from 'node:zlib'
import * as E from '#fp/Either'
import type { Consumer } from '../engine/ports/content-store.ts'
import type { EngineError } from '../model/errors.ts'
import { type Compression, sniffCompression } from '../model/media-type.ts'
import { thrown } from './attempt.ts'

/** Bytes of decompressed output per call into zlib: fewer turns of its thread than the default of 16 KiB. */
const OUTPUT_CHUNK = 256 * 1024

export interface Tap<A> {
  /** Resolves when there is room for more. Does nothing once the consumer has stopped reading. */
  readonly write: (chunk: Uint8Array) => Promise<void>
  /** No more bytes: gives what the consumer made of them. */
  readonly end: () => Promise<E.Either<EngineError, A>>
  /** The bytes ended badly: waits until the consumer has let go. */
  readonly fail: (error: unknown) => Promise<void>
  /** `failed`: the consumer gave up. `corrupt`: decompression did, so the blob itself may be damaged. */
  readonly state: () => 'reading' | 'satisfied' | 'failed' | 'corrupt'
}

/** `start` is the beginning of the blob, at least four bytes where it has them; it is not fed. */
export const openTap = <A>(what: string, start: Uint8Array, consumer: Consumer<A>): Tap<A> => {
  const stream = decompressor(what, consumer.compression ?? sniffCompression(start))
  let corrupt: Error | undefined
  let result: E.Either<EngineError, A> | undefined
  stream.on('error', (error) => {
    // A consumer that stops reading early destroys the stream in the middle: that is its decision, and no damage.
    if (error.name !== 'AbortError') corrupt ??= error
  })
  const consumed = consumer
    .consume(stream)()
    .then((either) => {
      result = either
      stream.destroy()
    })
  const settled = (): E.Either<EngineError, A> => {
    if (corrupt !== undefined && (result === undefined || E.isLeft(result)))
      return E.left(damaged(what, corrupt))
    return result ?? E.left(damaged(what, new Error('nobody read it')))
  }
  return {
    write: async (chunk) => {
      if (stream.destroyed || stream.write(chunk)) return
      await roomIn(stream)
    },
    end: async () => {
      if (!stream.destroyed) stream.end()
      await consumed
      return settled()
    },
    fail: async (error) => {
      stream.destroy(error instanceof Error ? error : new Error(String(error)))
      await consumed
    },
    state: () => {
      if (corrupt !== undefined) return 'corrupt'
      if (result === undefined) return 'reading'
      return E.isRight(result) ? 'satisfied' : 'failed'
    },
  }
}

const damaged = (what: string, error: Error): EngineError => ({
  _tag: 'LayerRefused',
  digest: what.replace(/^layer /, ''),
  why: `it cannot be decompressed: ${error.message}`,
})

/** Not events.once: its losing listeners would pile up. */
const roomIn = (stream: Transform): Promise<void> =>
  new Promise((resolve) => {
    const done = () => {
      stream.off('drain', done)
      stream.off('close', done)
      resolve()
    }
    stream.on('drain', done)
    stream.on('close', done)
  })

const decompressor = (what: string, compression: Compression): Transform => {
  if (compression === 'none') return new PassThrough()
  if (compression === 'gzip') return zlib.createGunzip({ chunkSize: OUTPUT_CHUNK })
  // Node has zstd since 22.15.
  const { createZstdDecompress } = zlib as { createZstdDecompress?: (options: object) => Transform }
  if (createZstdDecompress !== undefined) return createZstdDecompress({ chunkSize: OUTPUT_CHUNK })
  throw thrown({
    _tag: 'Unsupported',
    feature: `${what}: zstd compression`,
    why: `Node ${process.versions.node} cannot decompress zstd; Node 22.15 and later can`,
  })
}
