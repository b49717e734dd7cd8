// One HTTP exchange with a registry: redirects, bodies, time limits.
import * as http from 'node:http'
import * as https from 'node:https'
import { version } from '../model/version.ts'
import { type Connections, mayBePlain, type Route } from './registry-connections.ts'
import { cancelledTransfer, failed, networkError, silence } from './registry-errors.ts'

export interface HttpOptions {
  /** Longest silence on a connection, in milliseconds. Default 30 000; ten times as long for the answer to an upload. */
  readonly idleMs?: number
  /** Pause before the second try of something that may pass, in milliseconds; doubled for each further one. Default 250. */
  readonly retryMs?: number
}
export interface HttpClient {
  readonly options: Required<HttpOptions>
  readonly connections: () => Promise<Connections>
  readonly send: (request: HttpRequest) => Promise<http.IncomingMessage>
  /** Closes idle connections. */
  readonly close: () => void
}
export interface HttpRequest {
  readonly url: URL
  /** Default: GET. */
  readonly method?: Method
  readonly headers: http.OutgoingHttpHeaders
  readonly body?: Body | undefined
  readonly signal?: AbortSignal | undefined
}
export type Method = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
/** `chunks` is called once for every time the body is sent, a redirect included. */
export interface Body {
  /** Bytes. */
  readonly length: number
  readonly chunks: () => AsyncIterable<Uint8Array>
}

export const bodyOf = (bytes: Uint8Array): Body => ({
  length: bytes.length,
  async *chunks() {
    yield bytes
  },
})

const MAX_REDIRECTS = 8
/** A registry moves and hashes a blob before it answers. */
const ANSWER_IDLES = 10

/** `fetch` knows neither plain-HTTP rules nor per-hop credentials, so the redirects are followed here. */
export const openHttpClient = (options: HttpOptions, open: () => Promise<Connections>): HttpClient => {
  const full = { idleMs: options.idleMs ?? 30_000, retryMs: options.retryMs ?? 250 }
  // Made when they are asked for: a start from the store opens this client and asks nothing of it.
  let opened: Promise<Connections> | undefined
  const connections = (): Promise<Connections> => {
    opened ??= open().catch((error: unknown) => {
      opened = undefined
      throw error
    })
    return opened
  }
  const send = async (request: HttpRequest): Promise<http.IncomingMessage> => {
    const known = await connections()
    let { url, headers } = request
    for (let hops = 0; ; hops++) {
      refuseInsecure(url, known)
      const response = await exchange({ ...request, url, headers }, await known.routeTo(url), full.idleMs)
      const location = redirectOf(request.method ?? 'GET', response)
      if (location === undefined) return response
      response.resume()
      if (hops >= MAX_REDIRECTS) throw failed(url, { why: `more than ${MAX_REDIRECTS} redirects` })
      const next = resolveLocation(location, url)
      // A blob store must never see the registry's credentials: RFC 9110 §15.4 leaves this to the client.
      if (next.origin !== url.origin) headers = withoutCredentials(headers)
      url = next
    }
  }
  return {
    options: full,
    connections,
    send,
    close: () => void opened?.then((known) => known.close()).catch(() => {}),
  }
}

/** Where a Location header leads. Throws where it leads from TLS to something weaker. */
export const resolveLocation = (location: string, from: URL): URL => {
  if (!URL.canParse(location, from.href)) throw failed(from, { why: 'it sends us to what is no address' })
  const next = new URL(location, from)
  if (from.protocol !== 'https:' || next.protocol === 'https:') return next
  throw failed(from, {
    why: `redirected from TLS to ${next.protocol}//${next.host}`,
    hint: 'a registry behind a proxy has to be told its own address, e.g. by X-Forwarded-Proto',
  })
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

const refuseInsecure = (url: URL, known: Connections): void => {
  if (url.protocol === 'https:' || (url.protocol === 'http:' && mayBePlain(url, known))) return
  throw failed(url, {
    why: `refusing ${url.protocol}//${url.host}`,
    hint: 'plain HTTP is allowed on loopback, and where the settings of the registry say insecure',
  })
}

/** Only 307 and 308 ask for the same method again (RFC 9110 §15.4.8, §15.4.9). */
const redirectOf = (method: Method, response: http.IncomingMessage): string | undefined => {
  const isReading = method === 'GET' || method === 'HEAD'
  const codes = isReading ? [301, 302, 303, 307, 308] : [307, 308]
  return codes.includes(response.statusCode ?? 0) ? response.headers.location : undefined
}

const withoutCredentials = (headers: http.OutgoingHttpHeaders): http.OutgoingHttpHeaders =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => name.toLowerCase() !== 'authorization'))

const exchange = (
  { url, method = 'GET', headers, body, signal }: HttpRequest,
  { agent, options }: Route,
  idleMs: number,
): Promise<http.IncomingMessage> =>
  new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(cancelledTransfer(url.host))
    const viaProxy = options.hostname !== undefined
    const { request } = (viaProxy ? options.protocol : url.protocol) === 'http:' ? http : https
    const outgoing = request(viaProxy ? new URL(`${options.protocol}//${options.hostname}`) : url, {
      agent,
      ...options,
      ...(viaProxy ? { path: url.href } : {}),
      method,
      headers: {
        'user-agent': `slipway/${version}`,
        ...(viaProxy ? { host: url.host, ...(options.headers as http.OutgoingHttpHeaders) } : {}),
        ...(body === undefined ? lengthOf(method) : { 'content-length': body.length }),
        ...headers,
      },
      ...(signal === undefined ? {} : { signal }),
    })
    // Also fires while the body stalls: the timer belongs to the socket.
    outgoing.setTimeout(idleMs, () => outgoing.destroy(silence(idleMs)))
    outgoing.on('error', (error) => reject(networkError(url, error)))
    outgoing.on('response', (response) => {
      // An answer that comes before the whole body was sent is the last thing this connection can be used for.
      if (!outgoing.writableEnded) response.once('close', () => outgoing.destroy())
      resolve(response)
    })
    if (body === undefined) outgoing.end()
    else
      sendBody(outgoing, body).then(
        () =>
          outgoing.setTimeout(idleMs * ANSWER_IDLES, () => outgoing.destroy(silence(idleMs * ANSWER_IDLES))),
        (error: Error) => {
          reject(error)
          outgoing.destroy()
        },
      )
  })

/** Without a body Node would announce a chunked one for some methods. */
const lengthOf = (method: Method): http.OutgoingHttpHeaders =>
  method === 'POST' || method === 'PUT' || method === 'PATCH' ? { 'content-length': 0 } : {}

/** Ends early, without an error of its own, when an answer came or the connection broke. */
const sendBody = async (outgoing: http.ClientRequest, { chunks }: Body): Promise<void> => {
  let answered = false
  outgoing.once('response', () => {
    answered = true
  })
  for await (const chunk of chunks()) {
    if (answered || outgoing.destroyed) return
    if (!outgoing.write(chunk)) await roomIn(outgoing)
  }
  if (!answered && !outgoing.destroyed) outgoing.end()
}

const roomIn = (outgoing: http.ClientRequest): Promise<void> =>
  new Promise((resolve) => {
    const done = (): void => {
      for (const event of ROOM) outgoing.off(event, done)
      resolve()
    }
    for (const event of ROOM) outgoing.on(event, done)
  })
const ROOM = ['drain', 'close', 'response'] as const
