// Image references as Docker writes them: `debian`, `user/app:tag`, `host:5000/a/b@sha256:…`, `[::1]:5000/x`.
import * as E from '#fp/Either'
import { type Digest, parseDigest } from './digest.ts'
import type { InvalidReference } from './errors.ts'

/** A name in its full form. With both tag and digest the digest decides what is meant. */
export interface ImageReference {
  /** Host and optional port, e.g. `docker.io`, `localhost:5000`, `[::1]:5000`. */
  readonly registry: string
  /** Path on that registry, e.g. `library/debian`. */
  readonly repository: string
  readonly tag?: string
  readonly digest?: Digest
}

export const HUB = 'docker.io'
const HUB_ALIAS = 'index.docker.io'
/** distribution-spec, "Pulling manifests": the grammar of <name> and of a tag. */
const COMPONENT = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/
const TAG = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/
const HOST_LABEL = '(?:[A-Za-z0-9]|[A-Za-z0-9][A-Za-z0-9-]*[A-Za-z0-9])'
const HOST = new RegExp(`^(?:${HOST_LABEL}(?:\\.${HOST_LABEL})*|\\[[0-9A-Fa-f:]+\\])(?::[0-9]{1,5})?$`)
/** Names are at most this long without host, tag and digest, in characters: Docker's limit. */
const MAX_NAME = 255

/**
 * Reads a reference. Without tag and digest the tag is `latest`. A first part with a dot or colon, `localhost`, or an upper-case
 * letter is a host; any other name belongs to docker.io, under `library/` when it has one part.
 */
export const parseReference = (text: string): E.Either<InvalidReference, ImageReference> => {
  const fail = (why: string) => E.left<InvalidReference>({ _tag: 'InvalidReference', reference: text, why })
  if (text === '') return fail('it is empty')
  if (/^[a-f0-9]{64}$/.test(text)) return fail('64 hex digits are an image id, not a name')
  const split = splitSuffix(text)
  if (E.isLeft(split)) return fail(split.left)
  const { name, tag, digest } = split.right
  const { registry, path } = splitHost(name)
  if (registry !== HUB && !HOST.test(registry)) return fail(`${JSON.stringify(registry)} is not a host name`)
  const wrong = wrongPath(path)
  if (wrong !== undefined) return fail(wrong)
  const repository = registry === HUB && !path.includes('/') ? `library/${path}` : path
  return E.right(build(registry, repository, tag, digest))
}

/** The full form, e.g. `docker.io/library/debian:bookworm`: what the store records. */
export const fullName = (reference: ImageReference): string =>
  `${reference.registry}/${reference.repository}${suffix(reference)}`

/** The short form Docker prints, e.g. `debian:bookworm`. */
export const familiarName = (reference: ImageReference): string =>
  `${familiarRepository(reference)}${suffix(reference)}`

/** The short form without tag and digest, e.g. `debian`, `localhost:5000/app`. */
export const familiarRepository = ({ registry, repository }: ImageReference): string => {
  // Without the host its first part could be read as one.
  const first = repository.split('/', 1)[0] ?? ''
  if (registry !== HUB || (first !== repository && isHost(first))) return `${registry}/${repository}`
  return repository.startsWith('library/') && !repository.slice(8).includes('/')
    ? repository.slice(8)
    : repository
}

/** The same repository by digest, e.g. `docker.io/library/debian@sha256:…`. */
export const withDigest = (
  reference: ImageReference,
  digest: Digest,
): ImageReference & { readonly digest: Digest } => ({
  registry: reference.registry,
  repository: reference.repository,
  digest,
})

/** True where the text itself has the tag of the reference read from it; `latest` may be nobody's word. */
export const hasTag = (text: string, { tag }: ImageReference): boolean =>
  tag !== undefined && text.endsWith(`:${tag}`)

export const isTag = (text: string): boolean => TAG.test(text)

/** The host a user names, e.g. for a login; Docker's address of the Hub is one, too. Undefined for what is no host. */
export const parseRegistry = (text: string): string | undefined => {
  const host = text.replace(/^https?:\/\//, '').replace(/\/(?:v[12]\/?)?$/, '')
  if (host === HUB || host === HUB_ALIAS) return HUB
  const parsed = parseReference(`${host}/x`)
  return E.isRight(parsed) && parsed.right.registry === host ? host : undefined
}

/** True for text that can be the beginning of an image id: hex digits, with or without `sha256:`. */
export const looksLikeId = (text: string): boolean => /^(?:sha256:)?[a-f0-9]{1,64}$/.test(text)

const suffix = ({ tag, digest }: ImageReference): string =>
  `${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`

const build = (registry: string, repository: string, tag?: string, digest?: Digest): ImageReference => {
  if (digest !== undefined) return { registry, repository, ...(tag === undefined ? {} : { tag }), digest }
  return { registry, repository, tag: tag ?? 'latest' }
}

interface Suffixed {
  readonly name: string
  readonly tag?: string
  readonly digest?: Digest
}
const splitSuffix = (text: string): E.Either<string, Suffixed> => {
  const at = text.indexOf('@')
  const named = at < 0 ? text : text.slice(0, at)
  const digest = at < 0 ? undefined : parseDigest(text.slice(at + 1))
  if (digest !== undefined && E.isLeft(digest)) return digest
  // A colon after the last slash starts a tag; one before it belongs to a port or an IPv6 address.
  const colon = named.indexOf(':', named.lastIndexOf('/') + 1)
  const tag = colon < 0 ? undefined : named.slice(colon + 1)
  if (tag !== undefined && !TAG.test(tag)) return E.left(`${JSON.stringify(tag)} is not a tag`)
  return E.right({
    name: colon < 0 ? named : named.slice(0, colon),
    ...(tag === undefined ? {} : { tag }),
    ...(digest === undefined ? {} : { digest: digest.right }),
  })
}

const splitHost = (name: string): { readonly registry: string; readonly path: string } => {
  const slash = name.indexOf('/')
  const first = name.slice(0, Math.max(slash, 0))
  if (slash < 0 || !isHost(first)) return { registry: HUB, path: name }
  return { registry: first === HUB_ALIAS ? HUB : first, path: name.slice(slash + 1) }
}
/** distribution/reference: what makes the first part a domain rather than a user name. */
const isHost = (first: string): boolean =>
  first === 'localhost' || /[.:]/.test(first) || first !== first.toLowerCase()

const wrongPath = (path: string): string | undefined => {
  if (path === '') return 'it has no repository name'
  if (path.length > MAX_NAME) return `the repository name is longer than ${MAX_NAME} characters`
  if (path !== path.toLowerCase()) return 'the repository name must be lower case'
  const bad = path.split('/').find((component) => !COMPONENT.test(component))
  return bad === undefined ? undefined : `${JSON.stringify(bad)} is not a part of a repository name`
}
