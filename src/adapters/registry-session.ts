// Requests to registries: remembers which scheme a host speaks and which token opens what, and says what an answer means.
import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http'
import type { EngineError } from '../model/errors.ts'
import { HUB } from '../model/reference.ts'
import { thrown } from './attempt.ts'
import {
  type Authorization,
  authorize,
  type Challenge,
  loginHint,
  parseChallenges,
  type Scope,
} from './registry-auth.ts'
import { HUB_HOST } from './registry-connections.ts'
import type { Credential, Credentials } from './registry-credentials.ts'
import { failed, failureIn, isLoopback, Transient, UNTRUSTED } from './registry-errors.ts'
import { type Body, type HttpClient, type Method, readBody } from './registry-http.ts'

export interface Session {
  /** Answers with one of the wanted statuses; anything else is thrown, as a Transient when another try may help. */
  readonly send: (registry: string, request: SessionRequest) => Promise<Answer>
  /** Forgets what opened a registry, so that the next request asks again. */
  readonly forget: (registry: string) => void
}
export interface SessionRequest {
  /** Path and query below `/v2/`, e.g. `library/debian/manifests/12`; from the root with a slash before it; or a whole address. */
  readonly to: string | URL
  /** What the answer to a challenge has to open. */
  readonly scopes: readonly Scope[]
  /** Default: GET. */
  readonly method?: Method
  readonly headers?: OutgoingHttpHeaders
  readonly body?: Body
  /** Default: 200. */
  readonly statuses?: readonly number[]
  /** What a 404 means. Default: an unexpected answer. */
  readonly notFound?: EngineError
  /** In place of those of the session. */
  readonly credential?: Credential
  /** Ask the token server for a refresh token; the receiver finds it in the answer. */
  readonly offline?: boolean
  readonly signal?: AbortSignal | undefined
}
export interface Answer {
  readonly response: IncomingMessage
  readonly url: URL
  readonly status: number
  readonly refreshToken?: string
}

/** Longest Retry-After that is obeyed, in milliseconds. */
const MAX_WAIT_MS = 20_000
const MAX_ERROR_BODY = 64 * 1024

interface Known extends Authorization {
  readonly challenges: readonly Challenge[]
}

export const openSession = (client: HttpClient, credentials: Credentials): Session => {
  /** By registry and scopes. Promises: of many requests at once one asks for the token. */
  const authorizations = new Map<string, Promise<Known | undefined>>()
  const schemes = new Map<string, Scheme>()

  const ask = (registry: string, url: URL, challenges: readonly Challenge[], request: SessionRequest) => {
    const asked = (async () => {
      const credential = request.credential ?? (await credentials(registry, request.signal))
      const { scopes, offline, signal } = request
      const given = await authorize(client, url, challenges, {
        scopes,
        credential,
        signal,
        ...(offline === undefined ? {} : { offline }),
      })
      return given === undefined ? undefined : { ...given, challenges }
    })()
    const key = keyOf(registry, request)
    authorizations.set(key, asked)
    const forget = () => authorizations.get(key) === asked && authorizations.delete(key)
    asked.then((known) => known === undefined && forget(), forget)
    return asked
  }

  const authorizationFor = async (
    registry: string,
    url: URL,
    request: SessionRequest,
  ): Promise<Known | undefined> => {
    const known = await authorizations.get(keyOf(registry, request))?.catch(() => undefined)
    if (known === undefined || known.freshUntil > Date.now()) return known
    return ask(registry, url, known.challenges, request)
  }

  const exchange = (
    url: URL,
    request: SessionRequest,
    known: Known | undefined,
  ): Promise<IncomingMessage> => {
    const { method, body, headers = {}, signal } = request
    return client.send({
      url,
      headers: { ...headers, ...(known === undefined ? {} : { authorization: known.header }) },
      signal,
      ...(method === undefined ? {} : { method }),
      ...(body === undefined ? {} : { body }),
    })
  }

  /** Sends once more with new credentials where the first were none, or not good any more. */
  const sendTo = async (registry: string, url: URL, request: SessionRequest): Promise<Answer> => {
    const known = await authorizationFor(registry, url, request)
    const response = await exchange(url, request, known)
    if (response.statusCode !== 401) return answerOf(url, response, known)
    const challenges = parseChallenges(response.headers['www-authenticate'] ?? '')
    response.resume()
    const fresh = await ask(registry, url, challenges, request)
    if (fresh === undefined)
      throw failed(url, { status: 401, why: 'access denied', hint: loginHint(registry) })
    return answerOf(url, await exchange(url, request, fresh), fresh)
  }

  /** Some hosts may speak either scheme: the second is tried where the first is not understood. */
  const sendAnyScheme = async (registry: string, request: SessionRequest): Promise<Answer> => {
    const known = schemes.get(registry)
    const { isInsecure } = await client.connections()
    const [first = 'https:', second] =
      known === undefined ? schemesOf(registry, isInsecure(registry)) : [known]
    const urlWith = (scheme: Scheme): URL => urlOf(registry, request.to as string, scheme)
    try {
      const answer = await sendTo(registry, urlWith(first), request)
      const isOther = second === 'https:' && answer.status === 400 && (await wantsTls(answer, request))
      if (isOther) return await remembered(registry, second, sendTo(registry, urlWith(second), request))
      if (second !== undefined) schemes.set(registry, first)
      return answer
    } catch (error) {
      if (second === undefined || !mayBeScheme(first, error)) throw error
      // A server that only speaks TLS may just hang up. Its certificate is then what matters; else the first error is.
      return remembered(registry, second, sendTo(registry, urlWith(second), request)).catch(
        (later: unknown) =>
          Promise.reject(mayBeScheme(second, later) && failureIn(later)?.why !== UNTRUSTED ? error : later),
      )
    }
  }
  const remembered = async (registry: string, scheme: Scheme, answer: Promise<Answer>): Promise<Answer> => {
    const good = await answer
    schemes.set(registry, scheme)
    return good
  }

  return {
    send: async (registry, request) => {
      const { to } = request
      if (typeof to === 'string') return accept(registry, await sendAnyScheme(registry, request), request)
      // An upload may go to another machine, which must not see what opens the registry.
      const own = to.origin === urlOf(registry, '', to.protocol as Scheme).origin
      const answer = own
        ? await sendTo(registry, to, request)
        : answerOf(to, await exchange(to, request, undefined), undefined)
      return accept(registry, answer, request)
    },
    forget: (registry) => {
      for (const key of authorizations.keys()) if (key.startsWith(`${registry} `)) authorizations.delete(key)
    },
  }
}

type Scheme = 'http:' | 'https:'

/** A registry on loopback mostly speaks plain HTTP, an insecure one elsewhere TLS with a certificate of its own. */
const schemesOf = (registry: string, insecure: boolean): readonly Scheme[] => {
  if (isLoopback(new URL(`http://${registry}`).hostname)) return ['http:', 'https:']
  return insecure ? ['https:', 'http:'] : ['https:']
}

const keyOf = (registry: string, { scopes, credential }: SessionRequest): string =>
  `${registry} ${credential === undefined ? '' : 'own '}${scopes.join(' ')}`

const urlOf = (registry: string, to: string, scheme: Scheme): URL =>
  new URL(`${scheme}//${registry === HUB ? HUB_HOST : registry}${to.startsWith('/') ? to : `/v2/${to}`}`)

const answerOf = (url: URL, response: IncomingMessage, known: Known | undefined): Answer => ({
  response,
  url,
  status: response.statusCode ?? 0,
  ...(known?.refreshToken === undefined ? {} : { refreshToken: known.refreshToken }),
})

/** A failure that talking the other scheme may explain. */
const mayBeScheme = (scheme: Scheme, error: unknown): boolean => {
  const failure = failureIn(error)
  if (failure === undefined || failure.status !== undefined) return false
  return scheme === 'https:' || error instanceof Transient
}

/** Go's server answers plain HTTP on a TLS port with status 400 and this sentence, which an answer to HEAD has no room for. */
const wantsTls = async ({ response, url }: Answer, { method }: SessionRequest): Promise<boolean> =>
  (await readBody(response, url, MAX_ERROR_BODY)).includes('HTTPS server') || method === 'HEAD'

const accept = async (registry: string, answer: Answer, request: SessionRequest): Promise<Answer> => {
  const { response, url, status } = answer
  if ((request.statuses ?? [200]).includes(status)) return answer
  const body = await readBody(response, url, MAX_ERROR_BODY).catch(() => Buffer.alloc(0))
  if (status === 404 && request.notFound !== undefined) throw thrown(request.notFound)
  const why = reasonIn(body) ?? plainReason(status)
  const problem = failed(url, { status, why, ...hintFor(registry, status) })
  if (!mayPass(status)) throw problem
  throw new Transient(problem.error, retryAfter(response.headers['retry-after']))
}

/** 501 says that it will never be done (RFC 9110 §15.6.2). */
const mayPass = (status: number): boolean =>
  status === 408 || status === 429 || (status >= 500 && status !== 501)

const plainReason = (status: number): string => {
  if (status === 401 || status === 403) return 'access denied'
  if (status === 429) return 'too many requests'
  if (status === 413) return 'it takes no body of this size'
  return status >= 500 ? 'the registry has a problem' : 'unexpected answer'
}
const hintFor = (registry: string, status: number): { readonly hint?: string } => {
  if (status === 401 || status === 403) return { hint: loginHint(registry) }
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

/** Seconds, or a date (RFC 9110 §10.2.3). Gives milliseconds. */
export const retryAfter = (header: string | undefined, nowMs = Date.now()): number | undefined => {
  if (header === undefined) return undefined
  const at = /^\d{1,6}$/.test(header) ? nowMs + Number(header) * 1000 : Date.parse(header)
  return Number.isNaN(at) ? undefined : Math.min(Math.max(at - nowMs, 0), MAX_WAIT_MS)
}
