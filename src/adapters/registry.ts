// The registry client: OCI distribution-spec 1.1 over HTTP, and the habits of Docker it leaves open.
import * as E from '#fp/Either'
import type { FetchedManifest, Registry } from '../engine/ports/registry.ts'
import { algorithmOf, type Digest, digestOf, parseDigest } from '../model/digest.ts'
import type { EngineError } from '../model/errors.ts'
import { ACCEPTED_MANIFESTS, bareMediaType } from '../model/media-type.ts'
import { familiarName, type ImageReference } from '../model/reference.ts'
import { placesOf, type RegistriesRules, rulesOf } from '../model/registry-settings.ts'
import { attempt, thrown } from './attempt.ts'
import { blobStream, isOfPlace } from './registry-blob.ts'
import { certificateFolders } from './registry-certificates.ts'
import { openConnections } from './registry-connections.ts'
import { type CredentialStore, type Credentials, dockerCredentials } from './registry-credentials.ts'
import { failed } from './registry-errors.ts'
import { type HttpOptions, openHttpClient, readBody } from './registry-http.ts'
import { listReferrers, listTags, searchRepositories } from './registry-lists.ts'
import { login } from './registry-login.ts'
import { retrying } from './registry-retry.ts'
import { openSession, type Session } from './registry-session.ts'
import { readRegistries } from './registry-settings.ts'
import { checkDigest, DEFAULT_CHUNK, hasBlob, pushBlob, pushScope } from './registry-upload.ts'

/** Bytes; what distribution-spec asks registries to accept at most. */
export const MAX_MANIFEST = 4 * 1024 * 1024

export interface RegistryOptions extends HttpOptions {
  /** Default: Docker's config file. */
  readonly credentials?: Credentials
  /** Default: those of the machine's file (docs/images.md, Registries). */
  readonly registries?: RegistriesRules
  /** Default: those of Docker and of the containers tools. */
  readonly certificateFolders?: readonly string[]
  /** Default: this process's. */
  readonly env?: Readonly<Record<string, string | undefined>>
}

export const openRegistry = (options: RegistryOptions = {}): Registry => {
  const env = options.env ?? process.env
  const client = openHttpClient(options, async () =>
    openConnections({
      idleMs: options.idleMs ?? 30_000,
      rules: options.registries ?? (await readRegistries(env)),
      certificateFolders: options.certificateFolders ?? certificateFolders(env),
      env,
    }),
  )
  const store = dockerCredentials(env)
  const credentials: CredentialStore = { ...store, find: options.credentials ?? store.find }
  const session = openSession(client, credentials.find)
  const pauseMs = client.options.retryMs
  const rules = async (): Promise<RegistriesRules> => (await client.connections()).rules
  const tried = <A>(
    { registry }: Pick<ImageReference, 'registry'>,
    signal: AbortSignal | undefined,
    body: () => Promise<A>,
  ) => retrying({ pauseMs, registry, signal }, body)
  const listing = (signal: AbortSignal | undefined) => ({ session, retry: { pauseMs, signal } })

  return {
    manifest: (reference, signal) =>
      attempt(`pull ${familiarName(reference)}`, async () =>
        firstOf(placesOf(await rules(), reference), (place) =>
          tried(place, signal, () => fetchManifest(session, place, signal)),
        ),
      ),
    blob: async function* (reference, blob, signal) {
      yield* blobStream(session, pauseMs, placesOf(await rules(), reference), blob, signal)
    },
    find: (reference, signal) =>
      attempt(`look for ${familiarName(reference)}`, () =>
        tried(reference, signal, () => findManifest(session, reference, signal)),
      ),
    hasBlob: (reference, digest, signal) =>
      attempt(`look for ${digest}`, () =>
        tried(reference, signal, () => hasBlob(session, reference, digest, signal)),
      ),
    pushBlob: (reference, blob, signal) =>
      attempt(`push ${blob.digest}`, async () => {
        const { chunkSize = DEFAULT_CHUNK } = rulesOf(await rules(), reference.registry)
        return pushBlob({ session, retryMs: pauseMs, chunkSize }, reference, blob, signal)
      }),
    pushManifest: (reference, manifest, signal) =>
      attempt(`push ${familiarName(reference)}`, () =>
        tried(reference, signal, () => putManifest(session, reference, manifest, signal)),
      ),
    tags: (reference, signal) => attempt('list tags', () => listTags(listing(signal), reference)),
    referrers: (reference, artifactType, signal) =>
      attempt('list referrers', () => listReferrers(listing(signal), reference, artifactType)),
    search: (registry, term, limit, signal) =>
      attempt('search', () => searchRepositories(listing(signal), registry, term, limit)),
    login: (registry, password, signal) =>
      attempt(`log in to ${registry}`, () =>
        tried({ registry }, signal, () => login(session, credentials, registry, password, signal)),
      ),
    logout: (registry) =>
      attempt(`log out of ${registry}`, async () => {
        session.forget(registry)
        return credentials.erase(registry)
      }),
    close: client.close,
  }
}

/** The first place that answers; of failures that of the last one, which is the registry itself. */
const firstOf = async <A>(
  places: readonly ImageReference[],
  ask: (place: ImageReference) => Promise<A>,
): Promise<A> => {
  for (const place of places.slice(0, -1)) {
    try {
      return await ask(place)
    } catch (error) {
      if (!isOfPlace(error)) throw error
    }
  }
  const last = places.at(-1)
  if (last === undefined) throw new Error('no place to ask')
  return ask(last)
}

const nameOf = (reference: ImageReference): string => reference.digest ?? reference.tag ?? 'latest'

const fetchManifest = async (
  session: Session,
  reference: ImageReference,
  signal: AbortSignal | undefined,
): Promise<FetchedManifest> => {
  const { response, url } = await session.send(reference.registry, {
    to: `${reference.repository}/manifests/${nameOf(reference)}`,
    scopes: [`repository:${reference.repository}:pull`],
    headers: { accept: ACCEPTED_MANIFESTS.join(', ') },
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

/** Without a digest in the answer the name says nothing that could be relied on. */
const findManifest = async (
  session: Session,
  reference: ImageReference,
  signal: AbortSignal | undefined,
): Promise<Digest | undefined> => {
  const { response, status } = await session.send(reference.registry, {
    to: `${reference.repository}/manifests/${nameOf(reference)}`,
    method: 'HEAD',
    scopes: [pushScope(reference.repository)],
    headers: { accept: ACCEPTED_MANIFESTS.join(', ') },
    statuses: [200, 404],
    signal,
  })
  response.resume()
  return status === 404 ? undefined : promisedDigest(response.headers['docker-content-digest'])
}

const putManifest = async (
  session: Session,
  reference: ImageReference,
  { bytes, mediaType, digest }: FetchedManifest,
  signal: AbortSignal | undefined,
): Promise<void> => {
  async function* whole(): AsyncGenerator<Uint8Array> {
    yield bytes
  }
  const answer = await session.send(reference.registry, {
    to: `${reference.repository}/manifests/${nameOf(reference)}`,
    method: 'PUT',
    scopes: [pushScope(reference.repository)],
    statuses: [200, 201, 202],
    headers: { 'content-type': mediaType },
    body: { length: bytes.length, chunks: whole },
    signal,
  })
  answer.response.resume()
  checkDigest(answer, `manifest of ${familiarName(reference)}`, digest)
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
