// Getting a blob into a registry: from its neighbour, at one go, or in parts; resumed where it broke, taken back when it fails.
import * as E from '#fp/Either'
import type { BlobToPush, PushedBlob } from '../engine/ports/registry.ts'
import { onAbort } from '../model/abort.ts'
import { algorithmOf, type Digest, parseDigest } from '../model/digest.ts'
import type { ImageReference } from '../model/reference.ts'
import { thrown } from './attempt.ts'
import { pullScope, pushScope, type Scope } from './registry-auth.ts'
import { cancelledTransfer, failed, failureIn, isRefused, Transient } from './registry-errors.ts'
import { type Body, resolveLocation } from './registry-http.ts'
import { outlast, type Retrying, retrying } from './registry-retry.ts'
import type { Answer, Session } from './registry-session.ts'

/** Bytes. */
export const DEFAULT_CHUNK = 64 * 1024 * 1024
/** The size of parts for who takes no larger ones: a proxy in between, mostly. Bytes. */
const SMALL_CHUNK = 8 * 1024 * 1024
/** Neighbours that are asked for a blob. */
const MAX_MOUNTS = 3
/** New uploads in place of lost ones. */
const MAX_SESSIONS = 4
/** What taking an upload back may take, in milliseconds. */
const CANCEL_MS = 3000

export interface Uploads {
  readonly session: Session
  /** Before the second try, in milliseconds. */
  readonly pauseMs: number
  /** Blobs larger than this are sent in parts of this size. Bytes. */
  readonly chunkSize: number
}

/** A place the registry keeps for one blob. */
interface Upload {
  readonly location: URL
  /** Smallest part it takes, but for the last. Bytes. */
  readonly minChunk: number
}

export const pushBlob = async (
  uploads: Uploads,
  reference: ImageReference,
  blob: BlobToPush,
  signal: AbortSignal | undefined,
): Promise<PushedBlob> => {
  const target = new Target(uploads, reference, blob, signal)
  const mounted = await target.mount()
  if (mounted !== undefined) return { how: 'mounted', from: mounted }
  await target.send()
  return { how: 'sent' }
}

/** The upload was forgotten, or what was sent does not fit what the registry has: a new one may do better. */
class UploadLost extends Error {
  constructor(cause: unknown) {
    super('upload lost', { cause })
  }
}

class Target {
  private upload: Upload | undefined
  private inParts: boolean
  private readonly retry: Retrying
  private readonly session: Session
  private chunkSize: number
  private readonly reference: ImageReference
  private readonly blob: BlobToPush
  private readonly signal: AbortSignal | undefined

  constructor(
    uploads: Uploads,
    reference: ImageReference,
    blob: BlobToPush,
    signal: AbortSignal | undefined,
  ) {
    this.session = uploads.session
    this.chunkSize = uploads.chunkSize
    this.reference = reference
    this.blob = blob
    this.signal = signal
    this.inParts = blob.size > uploads.chunkSize
    this.retry = { pauseMs: uploads.pauseMs, registry: reference.registry, signal }
  }

  /** distribution-spec, "Mounting a blob from another repository". Gives the neighbour that had it. */
  async mount(): Promise<string | undefined> {
    try {
      return await this.mountFromAny()
    } catch (error) {
      await this.cancel()
      throw error
    }
  }

  private async mountFromAny(): Promise<string | undefined> {
    const { digest, mountFrom } = this.blob
    for (const from of mountFrom.slice(0, MAX_MOUNTS)) {
      const query = new URLSearchParams({ mount: digest, from })
      const answer = await this.start(`?${query}`, [pullScope(from)]).catch((error: unknown) => {
        // Who may not read the neighbour, or a registry without mounts, is no reason not to send it.
        if (failureIn(error) !== undefined) return undefined
        throw error
      })
      if (answer === undefined) continue
      await this.cancel()
      if (answer.status === 201) return from
      // It opened an upload instead: that of the last neighbour is used.
      this.upload = uploadIn(answer)
    }
    return undefined
  }

  async send(): Promise<void> {
    try {
      for (let sessions = 1; ; sessions++) {
        try {
          this.upload ??= uploadIn(await this.start('', []))
          return await (this.inParts ? this.sendParts() : this.sendWhole())
        } catch (error) {
          if (!(error instanceof UploadLost)) throw error
          await this.cancel()
          this.blob.onSent(0)
          if (sessions >= MAX_SESSIONS) throw error.cause
        }
      }
    } catch (error) {
      await this.cancel()
      throw error
    }
  }

  private start(query: string, scopes: readonly Scope[]): Promise<Answer> {
    const { repository, registry } = this.reference
    return retrying(this.retry, async () => {
      if (this.signal?.aborted === true) throw cancelledTransfer(registry)
      // Not broken off: an upload whose place nobody was told could not be taken back.
      const late = soonAfter(this.signal)
      try {
        const answer = await this.session.send(registry, {
          to: `${repository}/blobs/uploads/${query}`,
          method: 'POST',
          scopes: [pushScope(repository), ...scopes],
          statuses: [201, 202],
          signal: late.signal,
        })
        answer.response.resume()
        return answer
      } finally {
        late.done()
      }
    })
  }

  /** "POST then PUT". What arrived of it when it broke need not be sent again: the rest goes as a part. */
  private async sendWhole(): Promise<void> {
    const { size, digest } = this.blob
    for (let breaks = 0; ; ) {
      try {
        return await this.finish(this.body(0, size))
      } catch (error) {
        this.tryOtherWay(error)
        await outlast(lostOr(error), ++breaks, this.retry)
        // The answer may be all that was lost.
        if (await this.isThere(digest)) return
        if ((await this.offset()) > 0) return this.sendParts()
      }
    }
  }

  /** "POST then PATCH then PUT". After a break the registry says how far it got. */
  private async sendParts(): Promise<void> {
    const { size, onSent } = this.blob
    let offset = await this.offset()
    for (let breaks = 0; offset < size; ) {
      try {
        offset = await this.sendPart(offset)
        breaks = 0
      } catch (error) {
        this.tryOtherWay(error)
        await outlast(lostOr(error), ++breaks, this.retry)
        const before = offset
        offset = await this.offset()
        if (offset > before) breaks = 0
      }
      onSent(offset)
    }
    await retrying(this.retry, async () => {
      try {
        await this.finish(undefined)
      } catch (error) {
        if (error instanceof Transient && (await this.isThere(this.blob.digest))) return
        throw lostOr(error)
      }
    })
  }

  /** Who takes no parts may take the whole, and the other way round. Throws UploadLost for one of them. */
  private tryOtherWay(error: unknown): void {
    const takesNoParts = this.inParts && isRefused(error, [405, 415, 501])
    const isTooLarge = isRefused(error, [413]) && Math.min(this.chunkSize, this.blob.size) > SMALL_CHUNK
    if (!takesNoParts && !isTooLarge) return
    this.inParts = isTooLarge
    if (isTooLarge) this.chunkSize = SMALL_CHUNK
    throw new UploadLost(error)
  }

  /** Gives the offset the next part begins at. */
  private async sendPart(offset: number): Promise<number> {
    const upload = this.current()
    const end = Math.min(this.blob.size, offset + Math.max(this.chunkSize, upload.minChunk))
    const answer = await this.ask('PATCH', upload.location, [202, 204], this.body(offset, end), {
      'content-range': `${offset}-${end - 1}`,
    })
    this.upload = { ...upload, location: locationIn(answer) ?? upload.location }
    return rangeIn(answer) ?? end
  }

  /** distribution-spec, "Getting the upload's status": bytes the registry has. */
  private async offset(): Promise<number> {
    const upload = this.current()
    const answer = await retrying(this.retry, () => this.ask('GET', upload.location, [204, 200])).catch(
      (error: unknown) => {
        throw lostOr(error)
      },
    )
    this.upload = { ...upload, location: locationIn(answer) ?? upload.location }
    return Math.min(rangeIn(answer) ?? 0, this.blob.size)
  }

  private async finish(body: Body | undefined): Promise<void> {
    const { digest, size, onSent } = this.blob
    const url = new URL(this.current().location)
    url.searchParams.set('digest', digest)
    const answer = await this.ask('PUT', url, [201, 204], body)
    this.upload = undefined
    checkDigest(answer, `blob ${digest}`, digest)
    onSent(size)
  }

  private async isThere(digest: Digest): Promise<boolean> {
    return retrying(this.retry, () => hasBlob(this.session, this.reference, digest, this.signal))
  }

  private async ask(
    method: 'GET' | 'PATCH' | 'PUT' | 'DELETE',
    to: URL,
    statuses: readonly number[],
    body?: Body,
    headers: Readonly<Record<string, string>> = {},
    signal = this.signal,
  ): Promise<Answer> {
    const answer = await this.session.send(this.reference.registry, {
      to,
      method,
      scopes: [pushScope(this.reference.repository)],
      statuses,
      headers: { ...(body === undefined ? {} : { 'content-type': 'application/octet-stream' }), ...headers },
      signal,
      ...(body === undefined ? {} : { body }),
    })
    answer.response.resume()
    return answer
  }

  private body(from: number, to: number): Body {
    return { length: to - from, chunks: () => counted(this.blob, from, to) }
  }

  private current(): Upload {
    if (this.upload === undefined) throw new Error('no upload is open')
    return this.upload
  }

  /** Takes the upload back, whatever happened; without it a registry would keep what was sent for a week. */
  private async cancel(): Promise<void> {
    const { upload } = this
    this.upload = undefined
    if (upload === undefined) return
    const limit = AbortSignal.timeout(CANCEL_MS)
    await this.ask('DELETE', upload.location, [204, 202, 200], undefined, {}, limit).catch(() => {})
  }
}

/** A signal that is aborted a while after this one: so long the answer to what was asked may come. */
const soonAfter = (
  signal: AbortSignal | undefined,
): { readonly signal: AbortSignal; readonly done: () => void } => {
  const late = new AbortController()
  let timer: NodeJS.Timeout | undefined
  const undo =
    signal &&
    onAbort(signal, () => {
      timer = setTimeout(() => late.abort(signal.reason), CANCEL_MS)
    })
  return {
    signal: late.signal,
    done: () => {
      undo?.()
      clearTimeout(timer)
    },
  }
}

/** One stretch of a blob, told of while it goes. */
async function* counted(blob: BlobToPush, from: number, to: number): AsyncGenerator<Uint8Array> {
  let at = from
  for await (const chunk of blob.source(from)) {
    const part = at + chunk.byteLength > to ? chunk.subarray(0, to - at) : chunk
    at += part.byteLength
    blob.onSent(at)
    yield part
    if (at >= to) return
  }
}

export const hasBlob = async (
  session: Session,
  { registry, repository }: ImageReference,
  digest: Digest,
  signal: AbortSignal | undefined,
): Promise<boolean> => {
  const answer = await session.send(registry, {
    to: `${repository}/blobs/${digest}`,
    method: 'HEAD',
    // A push asks for what it will need: one token for all of it.
    scopes: [pushScope(repository)],
    statuses: [200, 404],
    signal,
  })
  answer.response.resume()
  return answer.status === 200
}

/** What the registry calls what it got must be what we sent. */
export const checkDigest = ({ response }: Answer, what: string, expected: Digest): void => {
  const header = response.headers['docker-content-digest']
  const actual = typeof header === 'string' ? parseDigest(header) : undefined
  if (actual === undefined || E.isLeft(actual) || actual.right === expected) return
  // Another algorithm says nothing.
  if (algorithmOf(actual.right) !== algorithmOf(expected)) return
  throw thrown({ _tag: 'DigestMismatch', what: `${what} in the registry`, expected, actual: actual.right })
}

const uploadIn = (answer: Answer): Upload => {
  const location = locationIn(answer)
  if (location === undefined) throw failed(answer.url, { why: 'it opens an upload and does not say where' })
  const least = Number(answer.response.headers['oci-chunk-min-length'] ?? 0)
  return { location, minChunk: Number.isSafeInteger(least) && least > 0 ? least : 0 }
}

const locationIn = ({ response, url }: Answer): URL | undefined => {
  const { location } = response.headers
  return location === undefined ? undefined : resolveLocation(location, url)
}

/** `Range: 0-99` is 100 bytes. `0-0` is none: distribution cannot say that otherwise. */
const rangeIn = ({ response }: Answer): number | undefined => {
  const [, end] = /^(?:bytes=)?0-(\d+)$/.exec(response.headers.range ?? '') ?? []
  return end === undefined ? undefined : end === '0' ? 0 : Number(end) + 1
}

/** 404: the registry knows no such upload (any more). 416: the part does not begin where it stopped. */
const lostOr = (error: unknown): unknown => (isRefused(error, [404, 416]) ? new UploadLost(error) : error)
