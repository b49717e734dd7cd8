// The decompressed bytes of a blob, made while the compressed ones come in: on a thread of the addon's where it can, else in
// Node's zlib.
import { PassThrough, type Transform } from 'node:stream'
import * as zlib from 'node:zlib'
import type { Compression } from '../model/media-type.ts'
import type { Decompressors, NativeDecompressor } from '../native/layer-addon.ts'
import { thrown } from './attempt.ts'

/** Bytes of decompressed output at a time: few turns between threads, and little memory. */
const OUTPUT_CHUNK = 256 * 1024
/** Buffers that wait to be filled while one is read. */
const AHEAD = 4

export interface Decompression {
  /** To be read once. Throws what `fail` was given, or why decompression failed. */
  readonly bytes: AsyncIterable<Uint8Array>
  /** Resolves when there is room for more. Does nothing once nobody reads. */
  readonly write: (chunk: Uint8Array) => Promise<void>
  readonly end: () => void
  /** Nobody will read any more. */
  readonly stop: () => void
  /** The compressed bytes ended badly. */
  readonly fail: (error: Error) => void
  /** Why the compressed bytes are no whole stream. */
  readonly damage: () => Error | undefined
}

/** Throws Unsupported where nothing on this machine knows the compression. */
export const openDecompression = (
  what: string,
  compression: Compression,
  native: Decompressors | undefined,
): Decompression => {
  if (compression === 'none') return throughStream(new PassThrough())
  if (native?.canDecompress(compression)) return throughThread(new native.Decompressor(compression))
  if (compression === 'gzip') return throughStream(zlib.createGunzip({ chunkSize: OUTPUT_CHUNK }))
  // Node has zstd since 22.15.
  const { createZstdDecompress } = zlib as { createZstdDecompress?: (options: object) => Transform }
  if (createZstdDecompress !== undefined)
    return throughStream(createZstdDecompress({ chunkSize: OUTPUT_CHUNK }))
  throw thrown({
    _tag: 'Unsupported',
    feature: `${what}: zstd compression`,
    why: `Node ${process.versions.node} has no zstd, and there is no libzstd.so.1: install the package libzstd1, or Node 22.15 and later`,
  })
}

const throughThread = (native: NativeDecompressor): Decompression => {
  let broken: Error | undefined
  let damage: Error | undefined
  async function* bytes(): AsyncGenerator<Uint8Array> {
    const order = () => {
      const buffer = Buffer.allocUnsafeSlow(OUTPUT_CHUNK)
      return native.read(buffer).then((read) => ({ buffer, read }))
    }
    const ordered = Array.from({ length: AHEAD }, order)
    try {
      for (let next = ordered.shift(); next !== undefined; next = ordered.shift()) {
        const { buffer, read } = await next
        if (broken !== undefined) throw broken
        if (typeof read === 'string') {
          damage = new Error(read)
          throw damage
        }
        if (read === 0) return
        ordered.push(order())
        yield buffer.subarray(0, read)
      }
    } finally {
      native.abort()
    }
  }
  return {
    bytes: bytes(),
    write: async (chunk) => void (await native.write(chunk)),
    end: () => native.end(),
    stop: () => native.abort(),
    fail: (error) => {
      broken = error
      native.abort()
    },
    damage: () => damage,
  }
}

const throughStream = (stream: Transform): Decompression => {
  let damage: Error | undefined
  stream.on('error', (error) => {
    // A consumer that stops reading early destroys the stream in the middle: that is its decision, and no damage.
    if (error.name !== 'AbortError') damage ??= error
  })
  return {
    bytes: stream,
    write: async (chunk) => {
      if (stream.destroyed || stream.write(chunk)) return
      await roomIn(stream)
    },
    end: () => {
      if (!stream.destroyed) stream.end()
    },
    stop: () => stream.destroy(),
    fail: (error) => stream.destroy(error),
    damage: () => damage,
  }
}

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
