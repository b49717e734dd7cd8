// What a registry lists: tags, referrers, and repositories by a word.
import * as E from '#fp/Either'
import type { Digest } from '../model/digest.ts'
import { SlipwayError } from '../model/errors.ts'
import { type Descriptor, decodeIndex, referrersTag } from '../model/image.ts'
import type { FoundRepositories, FoundRepository } from '../model/image-verbs.ts'
import { OCI_INDEX } from '../model/media-type.ts'
import { familiarRepository, HUB, type ImageReference, isTag, parseReference } from '../model/reference.ts'
import { thrown } from './attempt.ts'
import { pullScope, type Scope } from './registry-auth.ts'
import { failed, isRefused } from './registry-errors.ts'
import { readBody } from './registry-http.ts'
import { type Retrying, retrying } from './registry-retry.ts'
import type { Answer, Session } from './registry-session.ts'

/** Of one page, in bytes. */
const MAX_PAGE = 16 * 1024 * 1024
/** A list that goes on after so many pages is one that never ends. */
const MAX_PAGES = 10_000
const PAGE_SIZE = 1000

interface Listing {
  readonly session: Session
  readonly retry: Omit<Retrying, 'registry'>
}
interface Page {
  readonly answer: Answer
  readonly bytes: Buffer
}

/** distribution-spec, "Listing Tags". */
export const listTags = async (listing: Listing, reference: ImageReference): Promise<readonly string[]> => {
  const { registry, repository } = reference
  const tags: string[] = []
  const to = `${repository}/tags/list?n=${PAGE_SIZE}`
  const scopes = [pullScope(repository)]
  for await (const { answer, bytes } of pagesOf(listing, registry, to, scopes, {
    _tag: 'ImageNotFound',
    reference: familiarRepository(reference),
    hint: `${registry} has no such repository`,
  }))
    tags.push(...namesIn(answer, bytes, 'tags', isTag))
  return [...new Set(tags)]
}

/** distribution-spec, "Listing Referrers", and the "Referrers Tag Schema" where a registry does not know it. */
export const listReferrers = async (
  listing: Listing,
  reference: ImageReference & { readonly digest: Digest },
  artifactType: string | undefined,
): Promise<readonly Descriptor[]> => {
  const { registry, repository, digest } = reference
  const scopes = [pullScope(repository)]
  const query = artifactType === undefined ? '' : `?${new URLSearchParams({ artifactType })}`
  const found = await readIndexes(listing, registry, `${repository}/referrers/${digest}${query}`, scopes)
  const all =
    found ??
    (await readIndexes(listing, registry, `${repository}/manifests/${referrersTag(digest)}`, scopes)) ??
    []
  // A registry need not filter.
  return all.filter((descriptor) => artifactType === undefined || descriptor.artifactType === artifactType)
}

/** Undefined where the first page is not there. */
const readIndexes = async (
  listing: Listing,
  registry: string,
  to: string,
  scopes: readonly Scope[],
): Promise<readonly Descriptor[] | undefined> => {
  const all: Descriptor[] = []
  try {
    for await (const { answer, bytes } of pagesOf(listing, registry, to, scopes, MISSING)) {
      const index = decodeIndex(bytes, `list of referrers of ${answer.url.host}`)
      if (E.isLeft(index)) throw thrown(index.left)
      all.push(...index.right.manifests)
    }
  } catch (error) {
    if (error instanceof SlipwayError && error.error === MISSING) return undefined
    throw error
  }
  return all
}
const MISSING = { _tag: 'ImageNotFound', reference: '' } as const

/** The Hub's search; elsewhere the list of all repositories, or a search in its form. */
export const searchRepositories = async (
  listing: Listing,
  registry: string,
  term: string,
  limit: number,
): Promise<FoundRepositories> => {
  if (registry === HUB) return searchV1(listing, registry, 'index.docker.io', term, limit)
  try {
    return { by: 'catalog', repositories: await searchCatalog(listing, registry, term, limit) }
  } catch (error) {
    if (!isNotOffered(error)) throw error
  }
  try {
    return await searchV1(listing, registry, registry, term, limit)
  } catch (error) {
    if (!isNotOffered(error)) throw error
    throw thrown({
      _tag: 'Unsupported',
      feature: `search in ${registry}`,
      why: 'it lists its repositories to nobody and has no search of its own',
    })
  }
}

/** Also what may be seen by nobody: a 401 says it as often as a 404. */
const isNotOffered = (error: unknown): boolean => isRefused(error, [400, 401, 403, 404, 405, 501])

const searchCatalog = async (
  listing: Listing,
  registry: string,
  term: string,
  limit: number,
): Promise<readonly FoundRepository[]> => {
  const found: FoundRepository[] = []
  const pages = pagesOf(listing, registry, `_catalog?n=${PAGE_SIZE}`, ['registry:catalog:*'])
  for await (const { answer, bytes } of pages) {
    const names = namesIn(answer, bytes, 'repositories', (name) =>
      E.isRight(parseReference(`${registry}/${name}`)),
    )
    for (const name of names)
      if (name.includes(term.toLowerCase()) && found.length < limit)
        found.push({ name: `${registry}/${name}` })
    if (found.length >= limit) break
  }
  return found
}

/** Docker's index of old, version 1: still the one the Hub answers. */
const searchV1 = async (
  listing: Listing,
  registry: string,
  host: string,
  term: string,
  limit: number,
): Promise<FoundRepositories> => {
  const query = new URLSearchParams({ q: term, n: String(limit) })
  const { answer, bytes } = await readPage(listing, host, `/v1/search?${query}`, [])
  const { results } = jsonIn(answer, bytes) as { results?: unknown }
  if (!Array.isArray(results)) throw failed(answer.url, { why: 'its answer to a search has no results' })
  const repositories = results.slice(0, limit).flatMap((result: unknown): readonly FoundRepository[] => {
    const {
      name,
      description,
      star_count: stars,
      is_official: official,
    } = (result ?? {}) as Record<string, unknown>
    if (typeof name !== 'string') return []
    const reference = parseReference(`${registry}/${name}`)
    if (E.isLeft(reference)) return []
    return [
      {
        name: familiarRepository(reference.right),
        ...(typeof description === 'string' ? { description } : {}),
        ...(typeof stars === 'number' ? { stars } : {}),
        ...(typeof official === 'boolean' ? { official } : {}),
      },
    ]
  })
  return { by: 'search', repositories }
}

/** Page after page, as the Link headers say (RFC 8288). */
async function* pagesOf(
  listing: Listing,
  registry: string,
  to: string,
  scopes: readonly Scope[],
  notFound?: Parameters<typeof thrown>[0],
): AsyncGenerator<Page> {
  const seen = new Set<string>()
  for (let next: string | URL | undefined = to; next !== undefined; ) {
    const page: Page = await readPage(listing, registry, next, scopes, seen.size === 0 ? notFound : undefined)
    seen.add(page.answer.url.href)
    yield page
    next = nextPage(page.answer)
    if (next !== undefined && (seen.has(next.href) || seen.size >= MAX_PAGES))
      throw failed(page.answer.url, { why: 'its list does not end' })
  }
}

const readPage = (
  { session, retry }: Listing,
  registry: string,
  to: string | URL,
  scopes: readonly Scope[],
  notFound?: Parameters<typeof thrown>[0],
): Promise<Page> =>
  retrying({ ...retry, registry }, async () => {
    const answer = await session.send(registry, {
      to,
      scopes,
      headers: { accept: `${OCI_INDEX}, application/json` },
      signal: retry.signal,
      ...(notFound === undefined ? {} : { notFound }),
    })
    return { answer, bytes: await readBody(answer.response, answer.url, MAX_PAGE) }
  })

/** Only of the same registry: what opens it goes nowhere else. */
const nextPage = ({ response, url }: Answer): URL | undefined => {
  const header = response.headers.link
  const text = Array.isArray(header) ? header.join(', ') : (header ?? '')
  const [, target] = /<([^>]*)>\s*;[^,<]*\brel\s*=\s*"?next"?/i.exec(text) ?? []
  if (target === undefined) return undefined
  const next = URL.canParse(target, url.href) ? new URL(target, url) : undefined
  if (next?.origin === url.origin) return next
  throw failed(url, { why: `the next page of its list is elsewhere: ${target.slice(0, 100)}` })
}

/** A list of names in a page; null is empty, as Go writes it. */
const namesIn = (
  { url }: Answer,
  bytes: Buffer,
  field: string,
  isName: (name: string) => boolean,
): readonly string[] => {
  const names = (jsonIn({ url }, bytes) as Record<string, unknown>)[field] ?? []
  if (!Array.isArray(names)) throw failed(url, { why: `its list has no ${field}` })
  const odd = names.find((name) => typeof name !== 'string' || !isName(name))
  if (odd !== undefined)
    throw failed(url, { why: `its list of ${field} has ${JSON.stringify(odd).slice(0, 100)}, which is none` })
  return names as string[]
}

const jsonIn = ({ url }: Pick<Answer, 'url'>, bytes: Buffer): object => {
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'))
    if (typeof value === 'object' && value !== null) return value
  } catch {}
  throw failed(url, { why: 'its list is no JSON' })
}
