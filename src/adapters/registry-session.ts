// Requests below a repository: remembers which scheme a host speaks and which token opens which repository.
import type { IncomingMessage } from 'node:http'
import { type EngineError, SlipwayError } from '../model/errors.ts'
import type { ImageReference } from '../model/reference.ts'
import { thrown } from './attempt.ts'
import { authorize, type Credentials, LOGIN, parseChallenges } from './registry-auth.ts'
import { failed, type HttpClient, isLoopback, readBody, Transient, UNTRUSTED } from './registry-http.ts'

export interface Session {
  /** Answers with status 200 or 206; anything else is thrown, as a Transient when another try may help. */
  readonly get: (reference: ImageReference, what: string, request: SessionRequest) => Promise<Answer>
}
export interface SessionRequest {
  readonly accept: string
  /** First byte wanted. */
  readonly from?: number
  readonly signal?: AbortSignal | undefined
  /** What a 404 means. */
  readonly notFound: EngineError
}
export interface Answer {
  readonly response: IncomingMessage
  readonly url: URL
}

/** docker.io is the name; this is the machine (distribution/reference leaves it to the client). */
const HUB_HOST = 'registry-1.docker.io'
/** Longest Retry-After that is obeyed, in milliseconds. */
const MAX_WAIT_MS = 20_000
const MAX_ERROR_BODY = 64 * 1024

export const openSession = (client: HttpClient, credentials: Credentials): Session => {
  const authorizations = new Map<string, string>()
  const schemes = new Map<string, 'http:' | 'https:'>()

  const send = (reference: ImageReference, url: URL, request: SessionRequest): Promise<IncomingMessage> => {
    const authorization = authorizations.get(keyOf(reference))
    const headers = {
      accept: request.accept,
      ...(request.from ? { range: `bytes=${request.from}-` } : {}),
      ...(authorization === undefined ? {} : { authorization }),
    }
    return client.get({ url, headers, signal: request.signal })
  }

  /** A registry on loopback may speak either; plain HTTP is asked first and TLS when that is not understood. */
  const sendAnyScheme = async (
    reference: ImageReference,
    what: string,
    request: SessionRequest,
  ): Promise<Answer> => {
    const host = reference.registry
    const scheme = schemes.get(host) ?? (isLoopback(hostnameOf(host)) ? 'http:' : 'https:')
    const url = urlOf(reference, what, scheme)
    const other = () => {
      schemes.set(host, 'https:')
      return sendAnyScheme(reference, what, request).catch((error: unknown) => {
        schemes.delete(host)
        throw error
      })
    }
    const unsure = scheme === 'http:' && !schemes.has(host)
    try {
      const response = await send(reference, url, request)
      if (unsure && response.statusCode === 400 && (await wantsTls(response, url))) return other()
      schemes.set(host, scheme)
      return { response, url }
    } catch (error) {
      // A server that only speaks TLS may just hang up. Its certificate is then what matters; else the first error is.
      if (unsure && error instanceof Transient)
        return other().catch((second: unknown) => Promise.reject(isUntrusted(second) ? second : error))
      throw error
    }
  }

  const get = async (reference: ImageReference, what: string, request: SessionRequest): Promise<Answer> => {
    const first = await sendAnyScheme(reference, what, request)
    if (first.response.statusCode !== 401) return accept(first, request)
    first.response.resume()
    const challenges = parseChallenges(first.response.headers['www-authenticate'] ?? '')
    const header = await authorize(client, first.url, challenges, reference, credentials, request.signal)
    if (header === undefined) throw failed(first.url, { status: 401, why: 'access denied', hint: LOGIN })
    authorizations.set(keyOf(reference), header)
    return accept(await sendAnyScheme(reference, what, request), request)
  }
  return { get }
}

const keyOf = (reference: ImageReference): string => `${reference.registry}/${reference.repository}`

const hostnameOf = (host: string): string => new URL(`http://${host}`).hostname

const urlOf = ({ registry, repository }: ImageReference, what: string, scheme: string): URL =>
  new URL(`${scheme}//${registry === 'docker.io' ? HUB_HOST : registry}/v2/${repository}/${what}`)

const isUntrusted = (error: unknown): boolean =>
  error instanceof SlipwayError && error.error._tag === 'RegistryFailed' && error.error.why === UNTRUSTED

/** Go's server answers plain HTTP on a TLS port with this status and sentence. */
const wantsTls = async (response: IncomingMessage, url: URL): Promise<boolean> =>
  (await readBody(response, url, MAX_ERROR_BODY)).includes('HTTPS server')

const accept = async (answer: Answer, request: SessionRequest): Promise<Answer> => {
  const { response, url } = answer
  const status = response.statusCode ?? 0
  if (status === 200 || status === 206) return answer
  const body = await readBody(response, url, MAX_ERROR_BODY).catch(() => Buffer.alloc(0))
  if (status === 404) throw thrown(request.notFound)
  const problem = failed(url, { status, why: reasonIn(body) ?? plainReason(status), ...hintFor(status) })
  if (status !== 429 && status < 500) throw problem
  throw new Transient(problem.error, retryAfter(response.headers['retry-after']))
}

const plainReason = (status: number): string => {
  if (status === 401 || status === 403) return 'access denied'
  if (status === 429) return 'too many requests'
  return status >= 500 ? 'the registry has a problem' : 'unexpected answer'
}
const hintFor = (status: number): { readonly hint?: string } => {
  if (status === 401 || status === 403) return { hint: LOGIN }
  return status === 429 ? { hint: 'the registry limits how often it may be asked; try again later' } : {}
}

/** distribution-spec, "Error Codes": `{"errors":[{"code":…,"message":…}]}`; control characters never reach a terminal. */
const reasonIn = (body: Buffer): string | undefined => {
  try {
    const { errors } = JSON.parse(body.toString('utf8')) as {
      errors?: { message?: unknown; code?: unknown }[]
    }
    const text = errors?.[0]?.message ?? errors?.[0]?.code
    if (typeof text !== 'string' || text === '') return undefined
    return text.replace(/[^\x20-\x7e]/g, '?').slice(0, 200)
  } catch {
    return undefined
  }
}

/** Seconds only; the date form is rare enough to be treated as absent. */
const retryAfter = (header: string | undefined): number | undefined => {
  if (header === undefined || !/^\d{1,6}$/.test(header)) return undefined
  return Math.min(Number(header) * 1000, MAX_WAIT_MS)
}
