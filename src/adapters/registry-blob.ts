// A blob as one unbroken stream: where a connection breaks, the next request goes on from there, if need be at another place.
import type { Digest } from '../model/digest.ts'
import type { EngineError } from '../model/errors.ts'
import type { ImageReference } from '../model/reference.ts'
import { pullScope } from './registry-auth.ts'
import { failed, networkError, Transient } from './registry-errors.ts'
import type { Places } from './registry-places.ts'
import { outlast, type Retrying } from './registry-retry.ts'
import type { Answer, Session } from './registry-session.ts'

interface Blob {
  readonly digest: Digest
  /** Bytes. */
  readonly size: number
}

/** The next place goes on where the one before gave up. */
export async function* blobStream(
  session: Session,
  pauseMs: number,
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
      const retry = { pauseMs, registry: place.registry, signal, tries: isLast ? undefined : 1 }
      for await (const chunk of blobFrom(session, retry, place, blob, received)) {
        received += chunk.byteLength
        yield chunk
      }
      return
    } catch (error) {
      if (isLast || !places.gaveUp(place, error)) throw error
    }
  }
}

/** Gives up after so many breaks in a row, without a byte in between. */
async function* blobFrom(
  session: Session,
  retry: Retrying,
  reference: ImageReference,
  blob: Blob,
  from: number,
): AsyncGenerator<Uint8Array> {
  let received = from
  for (let breaks = 0; ; ) {
    const before = received
    try {
      for await (const chunk of chunksFrom(session, reference, blob, received, retry.signal)) {
        received += chunk.byteLength
        yield chunk
      }
      return
    } catch (error) {
      breaks = received > before ? 1 : breaks + 1
      await outlast(error, breaks, retry)
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
    scopes: [pullScope(reference.repository)],
    headers: { accept: '*/*', ...(from > 0 ? { range: `bytes=${from}-` } : {}) },
    statuses: [200, 206],
    signal,
    notFound: missing(reference, blob),
  })
  // A server may ignore the range and start over: then what we have is skipped. No If-Range is needed: what a digest names never changes.
  let position = answer.status === 206 ? from : 0
  checkRange(answer, blob, position)
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

/** Bytes from elsewhere would show at the end, when all of them have come. RFC 9110 §14.4. */
const checkRange = ({ response, url, status }: Answer, { digest }: Blob, position: number): void => {
  const range = response.headers['content-range']
  if (status !== 206 || range === undefined || range.startsWith(`bytes ${position}-`)) return
  response.destroy()
  throw failed(url, {
    why: `asked for blob ${digest} from byte ${position}, it sends ${JSON.stringify(range.slice(0, 60))}`,
  })
}

/** A wrong length shows before any byte is read. */
const checkLength = ({ response, url }: Answer, blob: Blob, position: number): void => {
  const header = response.headers['content-length']
  if (header === undefined || Number(header) === blob.size - position) return
  response.destroy()
  throw failed(url, {
    why: `blob ${blob.digest} has ${Number(header) + position} bytes and its manifest says ${blob.size}`,
  })
}
