// The registry client: OCI distribution-spec 1.1 over HTTP, and the habits of Docker it leaves open.
import type { Registry } from '../engine/ports/registry.ts'
import { familiarName, type ImageReference } from '../model/reference.ts'
import { type RegistriesRules, rulesOf } from '../model/registry-settings.ts'
import { attempt } from './attempt.ts'
import { blobStream } from './registry-blob.ts'
import { certificateFolders } from './registry-certificates.ts'
import { openConnections } from './registry-connections.ts'
import { type CredentialStore, type Credentials, dockerCredentials } from './registry-credentials.ts'
import { type HttpOptions, openHttpClient } from './registry-http.ts'
import { listReferrers, listTags, searchRepositories } from './registry-lists.ts'
import { login } from './registry-login.ts'
import { fetchManifest, findManifest, putManifest } from './registry-manifests.ts'
import { openPlaces, type Places } from './registry-places.ts'
import { retrying } from './registry-retry.ts'
import { openSession } from './registry-session.ts'
import { readRegistries } from './registry-settings.ts'
import { DEFAULT_CHUNK, hasBlob, pushBlob } from './registry-upload.ts'

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
  const places = openPlaces(rules)
  const tried = <A>(
    { registry }: Pick<ImageReference, 'registry'>,
    signal: AbortSignal | undefined,
    body: () => Promise<A>,
  ) => retrying({ pauseMs, registry, signal }, body)
  const listing = (signal: AbortSignal | undefined) => ({ session, retry: { pauseMs, signal } })

  return {
    manifest: (reference, signal) =>
      attempt(`pull ${familiarName(reference)}`, () =>
        firstOf(places, reference, (place, tries) =>
          retrying({ pauseMs, registry: place.registry, signal, tries }, () =>
            fetchManifest(session, place, signal),
          ),
        ),
      ),
    blob: (reference, blob, signal) => blobStream(session, pauseMs, places, reference, blob, signal),
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
        return pushBlob({ session, pauseMs, chunkSize }, reference, blob, signal)
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

/** The first place that answers; of failures that of the last one, which is the registry itself. A mirror is asked once. */
const firstOf = async <A>(
  places: Places,
  reference: ImageReference,
  ask: (place: ImageReference, tries: number | undefined) => Promise<A>,
): Promise<A> => {
  const all = await places.of(reference)
  for (const place of all.slice(0, -1)) {
    try {
      return await ask(place, 1)
    } catch (error) {
      if (!places.gaveUp(place, error)) throw error
    }
  }
  return ask(all.at(-1) ?? reference, undefined)
}
