// One HTTP exchange with a registry: which scheme, redirects, time limits, and errors in plain words.
import * as http from 'node:http'
import * as https from 'node:https'
import { isIP } from 'node:net'
import type { EngineError, RegistryFailed } from '../model/errors.ts'
import { version } from '../model/version.ts'
import { thrown } from './attempt.ts'

export interface HttpOptions {
  /** Longest silence on a connection, in milliseconds. Default 30 000. */
  readonly idleMs?: number
  /** Pause before the second try of something that may pass, in milliseconds; doubled for each further one. Default 250. */
  readonly retryMs?: number
}
export interface HttpClient {
  readonly options: Required<HttpOptions>
  readonly get: (request: GetRequest) => Promise<http.IncomingMessage>
  /** Closes idle connections. */
  readonly close: () => void
}
export interface GetRequest {
  readonly url: URL
  readonly headers: http.OutgoingHttpHeaders
  readonly signal?: AbortSignal | undefined
}

const MAX_REDIRECTS = 8
/** Errors that mean "not now": worth another try. */
const TRANSIENT = new Set(['ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'EAI_AGAIN', 'ECONNABORTED', 'EHOSTUNREACH'])

/** `fetch` knows neither plain-HTTP rules nor per-hop credentials, so the redirects are followed here. */
export const openHttpClient = (options: HttpOptions = {}): HttpClient => {
  const full = { idleMs: options.idleMs ?? 30_000, retryMs: options.retryMs ?? 250 }
  // Made when they are asked for: a start from the store opens this client and asks nothing of it.
  let agents: { readonly 'http:': http.Agent; readonly 'https:': http.Agent } | undefined
  const get = async (request: GetRequest): Promise<http.IncomingMessage> => {
    let { url, headers } = request
    for (let hops = 0; ; hops++) {
      refuseInsecure(url)
      agents ??= {
        'http:': new http.Agent({ keepAlive: true }),
        'https:': new https.Agent({ keepAlive: true }),
      }
      const agent = url.protocol === 'http:' ? agents['http:'] : agents['https:']
      const response = await exchange(url, headers, agent, full.idleMs, request.signal)
      const location = redirectOf(response)
      if (location === undefined) return response
      response.resume()
      if (hops >= MAX_REDIRECTS) throw failed(url, { why: `more than ${MAX_REDIRECTS} redirects` })
      const next = new URL(location, url)
      if (url.protocol === 'https:' && next.protocol !== 'https:')
        throw failed(url, { why: `redirected from TLS to ${next.protocol}//${next.host}` })
      // A blob store must never see the registry's credentials: RFC 9110 §15.4 leaves this to the client.
      if (next.origin !== url.origin) headers = withoutCredentials(headers)
      url = next
    }
  }
  return {
    options: full,
    get,
    close: () => {
      agents?.['http:'].destroy()
      agents?.['https:'].destroy()
    },
  }
}

/** Reads a body of at most `limit` bytes. */
export const readBody = async (response: http.IncomingMessage, url: URL, limit: number): Promise<Buffer> => {
  const chunks: Buffer[] = []
  let size = 0
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      size += chunk.length
      if (size > limit) throw failed(url, { why: `the answer is larger than ${limit} bytes` })
      chunks.push(chunk)
    }
  } catch (error) {
    throw networkError(url, error)
  }
  return Buffer.concat(chunks)
}

/** 127.0.0.0/8, ::1 and localhost: where plain HTTP is allowed. */
export const isLoopback = (hostname: string): boolean => {
  const bare = hostname.replace(/^\[|\]$/g, '').toLowerCase()
  if (bare === 'localhost' || bare === '::1') return true
  return isIP(bare) === 4 && bare.startsWith('127.')
}

export const failed = (url: URL, what: Omit<RegistryFailed, '_tag' | 'registry'>) =>
  thrown({ _tag: 'RegistryFailed', registry: url.host, ...what })

/** Marks failures after which the same request may succeed. */
export class Transient extends Error {
  override readonly name = 'Transient'
  readonly error: EngineError
  /** Pause the server asked for, in milliseconds. */
  readonly afterMs: number | undefined
  constructor(error: EngineError, afterMs?: number) {
    super('transient')
    this.error = error
    this.afterMs = afterMs
  }
}

export const UNTRUSTED = 'its certificate is not trusted'

/** What a broken connection, a failed lookup or an abort is called. */
export const networkError = (url: URL, error: unknown): Error => {
  if (!(error instanceof Error) || error.name === 'SlipwayError' || error instanceof Transient)
    return error as Error
  if (error.name === 'AbortError')
    return thrown({ _tag: 'Cancelled', what: `download from ${url.host}`, why: 'aborted' })
  const code = (error as NodeJS.ErrnoException).code ?? ''
  const problem = failed(url, explain(url, code, error))
  return TRANSIENT.has(code) ? new Transient(problem.error) : problem
}

const explain = (url: URL, code: string, error: Error): { why: string; hint?: string } => {
  switch (code) {
    case 'ECONNREFUSED':
      return { why: 'connection refused', hint: `nothing listens on ${url.host}` }
    case 'ENOTFOUND':
      return {
        why: 'no such host',
        hint: `check the name ${url.hostname}, and that this machine has a network`,
      }
    case 'ECONNRESET':
      return { why: 'the connection was closed' }
    case 'ETIMEDOUT':
      return { why: error.message.includes('silent') ? error.message : 'timed out' }
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
    case 'SELF_SIGNED_CERT_IN_CHAIN':
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
      return {
        why: UNTRUSTED,
        hint: 'name the authority in a file and set NODE_EXTRA_CA_CERTS',
      }
    default:
      return { why: error.message === '' ? code : error.message }
  }
}

const refuseInsecure = (url: URL): void => {
  if (url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url.hostname))) return
  throw failed(url, {
    why: `refusing ${url.protocol}//${url.host}`,
    hint: 'plain HTTP is allowed on loopback only',
  })
}

const redirectOf = ({ statusCode = 0, headers }: http.IncomingMessage): string | undefined =>
  [301, 302, 303, 307, 308].includes(statusCode) ? headers.location : undefined

const withoutCredentials = (headers: http.OutgoingHttpHeaders): http.OutgoingHttpHeaders =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => name.toLowerCase() !== 'authorization'))

const exchange = (
  url: URL,
  headers: http.OutgoingHttpHeaders,
  agent: http.Agent,
  idleMs: number,
  signal: AbortSignal | undefined,
): Promise<http.IncomingMessage> =>
  new Promise((resolve, reject) => {
    const { request } = url.protocol === 'http:' ? http : https
    const outgoing = request(url, {
      agent,
      headers: { 'user-agent': `slipway/${version}`, ...headers },
      ...(signal === undefined ? {} : { signal }),
    })
    // Also fires while the body stalls: the timer belongs to the socket.
    outgoing.setTimeout(idleMs, () => outgoing.destroy(silence(idleMs)))
    outgoing.on('error', (error) => reject(networkError(url, error)))
    outgoing.on('response', resolve)
    outgoing.end()
  })

const silence = (idleMs: number): Error =>
  Object.assign(new Error(`silent for ${idleMs / 1000} s`), { code: 'ETIMEDOUT' })
