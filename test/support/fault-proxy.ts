// A reverse proxy before a real registry, which spoils what a test says.
import { request as ask, createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { listen, stopListening } from './loopback.ts'

export interface Passing {
  readonly method: string
  readonly url: string
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** How many requests with this method and this path, whatever its query, came before. */
  readonly seen: number
}
export interface Spoiled {
  /** Answers itself; nothing is passed on. */
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  /** Passes on so many bytes of the request's body, then hangs up on both sides. */
  readonly dropAfter?: number
  /** Passes everything on and hangs up instead of answering. */
  readonly loseAnswer?: boolean
  /** Never answers. */
  readonly stall?: boolean
  /** Passes the answer on so much later. */
  readonly answerAfterMs?: number
  /** Changes headers of the answer. */
  readonly answerHeaders?: Readonly<Record<string, string>>
}
export interface FaultProxy {
  readonly host: string
  fault: (passing: Passing) => Spoiled | undefined
  readonly requests: {
    readonly method: string
    readonly url: string
    readonly headers: IncomingMessage['headers']
  }[]
  readonly count: (method: string, pattern?: RegExp) => number
  readonly stop: () => Promise<void>
}

export const startFaultProxy = async (upstream: string): Promise<FaultProxy> => {
  const seen = new Map<string, number>()
  const server = createServer((request, response) => {
    const { method = 'GET', url = '/' } = request
    const key = `${method} ${url.split('?')[0]}`
    const before = seen.get(key) ?? 0
    seen.set(key, before + 1)
    proxy.requests.push({ method, url, headers: request.headers })
    // What hangs up on purpose is no error here.
    request.on('error', () => {})
    response.on('error', () => {})
    const spoiled = proxy.fault({ method, url, request, response, seen: before }) ?? {}
    if (spoiled.stall === true) return request.resume()
    if (spoiled.status !== undefined) {
      request.resume()
      return response.writeHead(spoiled.status, { ...spoiled.headers }).end(spoiled.body ?? '')
    }
    return pass(upstream, request, response, spoiled)
  })
  const host = await listen(server)
  const proxy: FaultProxy = {
    host,
    fault: () => undefined,
    requests: [],
    count: (method, pattern = /./) =>
      proxy.requests.filter((each) => each.method === method && pattern.test(each.url)).length,
    stop: () => stopListening(server),
  }
  return proxy
}

const pass = (
  upstream: string,
  request: IncomingMessage,
  response: ServerResponse,
  { dropAfter, loseAnswer, answerAfterMs = 0, answerHeaders }: Spoiled,
): void => {
  const [hostname, port] = upstream.split(':')
  const onward = ask({
    hostname,
    port,
    method: request.method,
    path: request.url,
    headers: request.headers,
    agent: false,
  })
  onward.on('error', () => response.destroy())
  onward.on('response', (answer) => {
    if (loseAnswer === true) {
      answer.resume()
      answer.on('end', () => response.destroy())
      return
    }
    setTimeout(() => {
      response.writeHead(answer.statusCode ?? 500, { ...answer.headers, ...answerHeaders })
      answer.pipe(response)
    }, answerAfterMs)
  })
  if (dropAfter === undefined) {
    request.pipe(onward)
    request.on('error', () => onward.destroy())
    return
  }
  let passed = 0
  const hangUp = (): void => {
    onward.destroy()
    response.destroy()
    request.destroy()
  }
  if (dropAfter === 0) hangUp()
  request.on('data', (chunk: Buffer) => {
    if (passed >= dropAfter) return
    const part = chunk.subarray(0, dropAfter - passed)
    passed += part.length
    onward.write(part, () => {
      if (passed >= dropAfter) hangUp()
    })
  })
}
