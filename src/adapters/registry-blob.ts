// A blob as one unbroken stream: where a connection breaks, the next request goes on from there, if need be at another place.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Digest } from '../model/digest.ts'
import { type EngineError, SlipwayError } from '../model/errors.ts'
import type { ImageReference } from '../model/reference.ts'
import { cancelledTransfer, failed, networkError, Transient } from './registry-errors.ts'
import type { Places } from './registry-places.ts'
import type { Answer, Session } from './registry-session.ts'

interface Blob {
  readonly digest: Digest
  /** Bytes. */
  readonly size: number
}
/** Breaks in a row, without a byte in between, before giving up. */
export const BREAKS = 4

/** The next place goes on where the one before gave up. */
export async function* blobStream(
  session: Session,
  retryMs: number,
  places: Places,
  wanted: ImageReference,
  blob: Blob,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  let received = 0
  const all = await places.of(wanted)
  for (const [at, place] of all.entries()) {
    const isLast = at === all.length - 1
    try {
      const breaks = isLast ? BREAKS : 1
      for await (const chunk of blobFrom(session, { retryMs, breaks, signal }, place, blob, received)) {
        received += chunk.byteLength
        yield chunk
      }
      return
    } catch (error) {
      if (isLast || !places.gaveUp(place, error)) throw error
    }
  }
}

interface Patience {
  readonly retryMs: number
  /** In a row, without a byte in between, before giving up. */
  readonly breaks: number
  readonly signal: AbortSignal | undefined
}

async function* blobFrom(
  session: Session,
  { retryMs, breaks: most, signal }: Patience,
  reference: ImageReference,
  blob: Blob,
  from: number,
): AsyncGenerator<Uint8Array> {
  let received = from
  for (let breaks = 0; ; ) {
    const before = received
    try {
      for await (const chunk of chunksFrom(session, reference, blob, received, signal)) {
        received += chunk.byteLength
        yield chunk
      }
      return
    } catch (error) {
      if (!(error instanceof Transient)) throw error
      breaks = received > before ? 1 : breaks + 1
      if (breaks >= most) throw new SlipwayError(error.error)
      await pause(error.afterMs ?? retryMs * 2 ** (breaks - 1), reference.registry, signal)
    }
  }
}

/** The bytes from `from` to the end, over one connection. Throws Transient where it breaks. */
async function* chunksFrom(
  session: Session,
  reference: ImageReference,
  blob: Blob,
  from: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  const answer = await session.send(reference.registry, {
    to: `${reference.repository}/blobs/${blob.digest}`,
    scopes: [`repository:${reference.repository}:pull`],
    headers: { accept: '*/*', ...(from > 0 ? { range: `bytes=${from}-` } : {}) },
    statuses: [200, 206],
    signal,
    notFound: missing(reference, blob),
  })
  // A server may ignore the range and start over: then what we have is skipped.
  let position = answer.status === 206 ? from : 0
  checkLength(answer, blob, position)
  try {
    for await (const chunk of answer.response as AsyncIterable<Buffer>) {
      const skip = Math.max(0, Math.min(chunk.length, from - position))
      position += chunk.length
      if (position > blob.size) throw failed(answer.url, { why: longer(blob) })
      if (skip < chunk.length) yield skip === 0 ? chunk : chunk.subarray(skip)
    }
  } catch (error) {
    throw networkError(answer.url, error)
  } finally {
    answer.response.destroy()
  }
  if (position < blob.size)
    throw new Transient(
      failed(answer.url, { why: `blob ${blob.digest} ended after ${position} of ${blob.size} bytes` }).error,
    )
}

const missing = (reference: ImageReference, { digest }: Blob): EngineError => ({
  _tag: 'RegistryFailed',
  registry: reference.registry,
  status: 404,
  why: `blob ${digest} is missing though the manifest of ${reference.repository} names it`,
})
const longer = ({ digest, size }: Blob): string =>
  `blob ${digest} is longer than the ${size} bytes its manifest says`

/** A wrong length shows before any byte is read. */
const checkLength = ({ response, url }: Answer, blob: Blob, position: number): void => {
  const header = response.headers['content-length']
  if (header === undefined || Number(header) === blob.size - position) return
  response.destroy()
  throw failed(url, {
    why: `blob ${blob.digest} has ${Number(header) + position} bytes and its manifest says ${blob.size}`,
  })
}

/** Waits before another try. Throws Cancelled. */
export const pause = async (ms: number, registry: string, signal: AbortSignal | undefined): Promise<void> => {
  try {
    await sleep(ms, undefined, signal === undefined ? {} : { signal })
  } catch {
    throw cancelledTransfer(registry)
  }
}
