// The registry client: manifests and blobs over HTTP. Sources: OCI distribution-spec 1.1, "Pull".
import { setTimeout as sleep } from 'node:timers/promises'
import * as E from '#fp/Either'
import type { FetchedManifest, Registry } from '../engine/ports/registry.ts'
import { algorithmOf, type Digest, digestOf, parseDigest } from '../model/digest.ts'
import { type EngineError, SlipwayError } from '../model/errors.ts'
import { ACCEPTED_MANIFESTS, bareMediaType } from '../model/media-type.ts'
import { familiarName, type ImageReference } from '../model/reference.ts'
import { attempt, thrown } from './attempt.ts'
import { type Credentials, dockerCredentials } from './registry-auth.ts'
import { blobStream } from './registry-blob.ts'
import { failed, type HttpOptions, openHttpClient, readBody, Transient } from './registry-http.ts'
import { openSession, type Session } from './registry-session.ts'

/** Bytes; what distribution-spec asks registries to accept at most. */
export const MAX_MANIFEST = 4 * 1024 * 1024
/** Tries of one request, the first included. */
const TRIES = 4

export interface RegistryOptions extends HttpOptions {
  /** Default: Docker's config file. */
  readonly credentials?: Credentials
}

export const openRegistry = (options: RegistryOptions = {}): Registry => {
  const client = openHttpClient(options)
  const session = openSession(client, options.credentials ?? dockerCredentials())
  return {
    manifest: (reference, signal) =>
      attempt(`pull ${familiarName(reference)}`, () =>
        retrying(client.options.retryMs, signal, () => fetchManifest(session, reference, signal)),
      ),
    blob: (reference, blob, signal) => blobStream(session, client.options.retryMs, reference, blob, signal),
    close: client.close,
  }
}

/** Repeats what may pass, with growing pauses; the last failure is the answer. */
export const retrying = async <A>(
  pauseMs: number,
  signal: AbortSignal | undefined,
  body: () => Promise<A>,
): Promise<A> => {
  for (let tries = 1; ; tries++) {
    try {
      return await body()
    } catch (error) {
      if (!(error instanceof Transient)) throw error
      if (tries >= TRIES) throw new SlipwayError(error.error)
      await sleep(
        error.afterMs ?? pauseMs * 2 ** (tries - 1),
        undefined,
        signal === undefined ? {} : { signal },
      )
    }
  }
}

const fetchManifest = async (
  session: Session,
  reference: ImageReference,
  signal: AbortSignal | undefined,
): Promise<FetchedManifest> => {
  const name = reference.digest ?? reference.tag ?? 'latest'
  const { response, url } = await session.get(reference, `manifests/${name}`, {
    accept: ACCEPTED_MANIFESTS.join(', '),
    signal,
    notFound: notFound(reference),
  })
  const length = Number(response.headers['content-length'] ?? 0)
  if (length > MAX_MANIFEST) {
    response.destroy()
    throw failed(url, { why: `the manifest is larger than ${MAX_MANIFEST} bytes` })
  }
  const bytes = await readBody(response, url, MAX_MANIFEST)
  const promised = reference.digest ?? promisedDigest(response.headers['docker-content-digest'])
  const digest = digestOf(bytes, promised === undefined ? 'sha256' : algorithmOf(promised))
  if (promised !== undefined && promised !== digest)
    throw thrown({
      _tag: 'DigestMismatch',
      what: `manifest of ${familiarName(reference)}`,
      expected: promised,
      actual: digest,
    })
  return { bytes, digest, mediaType: mediaTypeOf(response.headers['content-type'], bytes) }
}

const notFound = (reference: ImageReference): EngineError => ({
  _tag: 'ImageNotFound',
  reference: familiarName(reference),
  hint: `${reference.registry} has no such tag or digest in ${reference.repository}`,
})

const promisedDigest = (header: string | string[] | undefined): Digest | undefined => {
  const digest = typeof header === 'string' ? parseDigest(header) : undefined
  return digest !== undefined && E.isRight(digest) ? digest.right : undefined
}

/** Some servers label documents as plain JSON; then the document's own mediaType counts. */
const mediaTypeOf = (header: string | undefined, bytes: Buffer): string => {
  const labelled = bareMediaType(header ?? '')
  if (labelled.includes('manifest') || labelled.includes('index')) return labelled
  try {
    const { mediaType } = JSON.parse(bytes.toString('utf8')) as { mediaType?: unknown }
    return typeof mediaType === 'string' ? mediaType : labelled
  } catch {
    return labelled
  }
}
