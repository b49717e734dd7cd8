// A consumer of decompressed bytes that is fed while the compressed ones pass by.
import * as E from '#fp/Either'
import type { Consumer } from '../engine/ports/content-store.ts'
import type { EngineError } from '../model/errors.ts'
import { sniffCompression } from '../model/media-type.ts'
import type { Decompressors } from '../native/layer-addon.ts'
import { openDecompression } from './content-store-decompress.ts'

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
export const openTap = <A>(
  what: string,
  start: Uint8Array,
  consumer: Consumer<A>,
  native: Decompressors | undefined,
): Tap<A> => {
  const decompression = openDecompression(what, consumer.compression ?? sniffCompression(start), native)
  let result: E.Either<EngineError, A> | undefined
  const consumed = consumer
    .consume(decompression.bytes)()
    .then((either) => {
      result = either
      decompression.stop()
    })
  const settled = (): E.Either<EngineError, A> => {
    const damage = decompression.damage()
    if (damage !== undefined && (result === undefined || E.isLeft(result)))
      return E.left(damaged(what, damage))
    return result ?? E.left(damaged(what, new Error('nobody read it')))
  }
  return {
    write: decompression.write,
    end: async () => {
      decompression.end()
      await consumed
      return settled()
    },
    fail: async (error) => {
      decompression.fail(error instanceof Error ? error : new Error(String(error)))
      await consumed
    },
    state: () => {
      if (decompression.damage() !== undefined) return 'corrupt'
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
