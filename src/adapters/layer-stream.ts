// One layer's stream into the native applier, hashed on the way.
import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import type { LayerAddon, LayerLimits, LayerStats } from '../native/layer-addon.ts'
import { nativeError, thrown } from './layer-errors.ts'

export interface StreamOptions {
  readonly signal?: AbortSignal
  readonly onBytes?: (written: number) => void
  readonly limits?: LayerLimits
}

export interface Streamed {
  readonly stats: LayerStats
  /** Digest of the whole stream, the archive's trailing bytes included. */
  readonly digest: string
  readonly sizeBytes: number
}

/**
 * Unpacks `source` into the existing directory `target`. Whatever happens, nothing is written any more once the promise
 * has settled, and the source's iterator was told to stop. Rejects: SlipwayError, or what `source` throws.
 */
export const streamLayer = async (
  native: LayerAddon,
  target: string,
  source: AsyncIterable<Uint8Array>,
  digest: string,
  options: StreamOptions,
): Promise<Streamed> => {
  const applier = new native.LayerApplier(target, options.limits)
  try {
    const read = await feed(applier, source, options)
    const result = await applier.end()
    if (!result.ok) throw thrown(nativeError(result, digest))
    return { stats: result, ...read }
  } finally {
    await applier.abort()
  }
}

/**
 * A stream that fails before anybody reads it would end the process (`error` without a listener); told early, it keeps its
 * error for whoever reads it later.
 */
export const keepError = (source: AsyncIterable<Uint8Array>): void => {
  if (source instanceof Readable) source.on('error', () => undefined)
}

const feed = async (
  applier: InstanceType<LayerAddon['LayerApplier']>,
  source: AsyncIterable<Uint8Array>,
  { signal, onBytes }: StreamOptions,
): Promise<Omit<Streamed, 'stats'>> => {
  const hash = createHash('sha256')
  let sizeBytes = 0
  for await (const chunk of untilAborted(source, signal)) {
    if (!(await applier.write(chunk))) break
    hash.update(chunk)
    sizeBytes += chunk.byteLength
    onBytes?.(sizeBytes)
  }
  return { digest: `sha256:${hash.digest('hex')}`, sizeBytes }
}

/** Ends with Cancelled when the signal fires, even while the source has nothing to say. */
export async function* untilAborted(
  source: AsyncIterable<Uint8Array>,
  signal: AbortSignal | undefined,
  what = 'unpack of a layer',
): AsyncGenerator<Uint8Array> {
  if (signal === undefined) return yield* source
  // Of the step that is waited for. A race against one promise of the abort would keep every chunk as long as that.
  let fail: (error: unknown) => void = () => {}
  const aborted = (): void => fail(thrown({ _tag: 'Cancelled', what, why: 'aborted' }))
  const iterator = source[Symbol.asyncIterator]()
  const next = (): Promise<IteratorResult<Uint8Array>> =>
    new Promise((resolve, reject) => {
      fail = reject
      if (signal.aborted) aborted()
      else iterator.next().then(resolve, reject)
    })
  signal.addEventListener('abort', aborted, { once: true })
  try {
    for (let step = await next(); step.done !== true; step = await next()) yield step.value
  } finally {
    signal.removeEventListener('abort', aborted)
    // A source that waits for its next chunk ends its iteration only afterwards: it is told, not waited for.
    iterator.return?.()?.catch(() => undefined)
  }
}
