// Manifests and indexes: fetched, looked for, pushed.
import * as E from '#fp/Either'
import type { FetchedManifest } from '../engine/ports/registry.ts'
import { algorithmOf, type Digest, digestOf, parseDigest } from '../model/digest.ts'
import { type EngineError, SlipwayError } from '../model/errors.ts'
import { type Descriptor, decodeIndex, decodeReferrer, encodeIndex, referrersTag } from '../model/image.ts'
import { ACCEPTED_MANIFESTS, bareMediaType, OCI_INDEX } from '../model/media-type.ts'
import { familiarName, type ImageReference, withDigest } from '../model/reference.ts'
import { thrown } from './attempt.ts'
import { pullScope, pushScope } from './registry-auth.ts'
import { failed } from './registry-errors.ts'
import { bodyOf, readBody } from './registry-http.ts'
import type { Session } from './registry-session.ts'
import { checkDigest } from './registry-upload.ts'

/** Bytes; what distribution-spec asks registries to accept at most. */
export const MAX_MANIFEST = 4 * 1024 * 1024

const nameOf = (reference: ImageReference): string => reference.digest ?? reference.tag ?? 'latest'

/** The document a name means, verified against its digest, or against what the answer promises. */
export const fetchManifest = async (
  session: Session,
  reference: ImageReference,
  signal: AbortSignal | undefined,
): Promise<FetchedManifest> => {
  const { response, url } = await session.send(reference.registry, {
    to: `${reference.repository}/manifests/${nameOf(reference)}`,
    scopes: [pullScope(reference.repository)],
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
export const findManifest = async (
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

/** Pushes a document; one that has a subject is in the list of its referrers afterwards. */
export const putManifest = async (
  session: Session,
  reference: ImageReference,
  { bytes, mediaType, digest }: FetchedManifest,
  signal: AbortSignal | undefined,
): Promise<void> => {
  const answer = await session.send(reference.registry, {
    to: `${reference.repository}/manifests/${nameOf(reference)}`,
    method: 'PUT',
    scopes: [pushScope(reference.repository)],
    statuses: [200, 201, 202],
    headers: { 'content-type': mediaType },
    body: bodyOf(bytes),
    signal,
  })
  answer.response.resume()
  checkDigest(answer, `manifest of ${familiarName(reference)}`, digest)
  const { subject, ...referrer } = referrerIn(bytes)
  // A registry with the API says that it has seen the subject; for others the list is ours to keep.
  if (subject !== undefined && answer.response.headers['oci-subject'] === undefined)
    await noteReferrer(
      session,
      withDigest(reference, subject),
      { mediaType, digest, size: bytes.length, ...referrer },
      signal,
    )
}

const referrerIn = (bytes: Uint8Array): { readonly subject?: Digest } & Partial<Descriptor> => {
  const decoded = decodeReferrer(bytes, 'manifest')
  if (E.isLeft(decoded)) return {}
  const { subject, artifactType, config, annotations } = decoded.right
  const type = artifactType ?? config?.mediaType
  return {
    ...(subject === undefined ? {} : { subject: subject.digest }),
    ...(type === undefined ? {} : { artifactType: type }),
    ...(annotations === undefined ? {} : { annotations }),
  }
}

/** distribution-spec, "Referrers Tag Schema": an index under a tag that stands for the subject. */
const noteReferrer = async (
  session: Session,
  subject: ImageReference & { readonly digest: Digest },
  referrer: Descriptor,
  signal: AbortSignal | undefined,
): Promise<void> => {
  const { registry, repository, digest } = subject
  const list: ImageReference = { registry, repository, tag: referrersTag(digest) }
  const known = await fetchManifest(session, list, signal).catch((error: unknown) => {
    if (error instanceof SlipwayError && error._tag === 'ImageNotFound') return undefined
    throw error
  })
  const index = known === undefined ? undefined : decodeIndex(known.bytes, `list of referrers of ${digest}`)
  if (index !== undefined && E.isLeft(index)) throw thrown(index.left)
  const others = index?.right.manifests ?? []
  if (others.some((other) => other.digest === referrer.digest)) return
  const bytes = Buffer.from(encodeIndex([...others, referrer]))
  await putManifest(session, list, { bytes, mediaType: OCI_INDEX, digest: digestOf(bytes) }, signal)
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
