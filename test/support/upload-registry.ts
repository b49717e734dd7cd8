// A registry in memory that takes uploads to the letter of distribution-spec: it keeps what came of a broken one, and tells.
import { randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { digestOf } from '../../src/model/digest.ts'
import { listen, stopListening } from './loopback.ts'

export interface UploadRegistry {
  readonly host: string
  readonly blobs: Map<string, Buffer>
  readonly manifests: Map<string, Buffer>
  readonly uploads: Map<string, Buffer>
  /** Bytes of bodies that arrived for uploads. */
  readonly received: () => number
  /** Uploads that were taken back. */
  readonly cancelled: () => number
  /** Hangs up once, when this many bytes of one body have come; the bytes stay. */
  breakAt: number | undefined
  /** Smallest part it takes. */
  minChunk: number | undefined
  readonly parts: string[]
  readonly stop: () => Promise<void>
}

export const startUploadRegistry = async (): Promise<UploadRegistry> => {
  let received = 0
  let cancelled = 0
  const answer = (response: ServerResponse, status: number, headers: object = {}): void =>
    void response.writeHead(status, { ...headers }).end()
  const rangeOf = (bytes: Buffer): string => `0-${Math.max(0, bytes.length - 1)}`
  const locationOf = (repository: string, id: string): string => `/v2/${repository}/blobs/uploads/${id}`

  /** False when it hung up in the middle. */
  const append = async (id: string, request: IncomingMessage): Promise<boolean> => {
    let come = 0
    for await (const chunk of request as AsyncIterable<Buffer>) {
      received += chunk.length
      come += chunk.length
      registry.uploads.set(id, Buffer.concat([registry.uploads.get(id) ?? Buffer.alloc(0), chunk]))
      if (registry.breakAt !== undefined && come >= registry.breakAt) {
        registry.breakAt = undefined
        request.destroy()
        return false
      }
    }
    return true
  }

  const upload = async (
    repository: string,
    id: string,
    request: IncomingMessage,
    response: ServerResponse,
    digest: string | null,
  ): Promise<void> => {
    const known = registry.uploads.get(id)
    if (known === undefined) return answer(response, 404)
    const location = locationOf(repository, id)
    if (request.method === 'GET') return answer(response, 204, { location, range: rangeOf(known) })
    if (request.method === 'DELETE') {
      registry.uploads.delete(id)
      cancelled++
      return answer(response, 204)
    }
    const part = request.headers['content-range']
    if (part !== undefined) {
      registry.parts.push(part)
      if (Number(part.split('-')[0]) !== known.length) {
        request.resume()
        return answer(response, 416, { location, range: rangeOf(known) })
      }
    }
    if (!(await append(id, request))) return
    const bytes = registry.uploads.get(id) ?? Buffer.alloc(0)
    if (request.method === 'PATCH') return answer(response, 202, { location, range: rangeOf(bytes) })
    if (digestOf(bytes) !== digest) return answer(response, 400)
    registry.blobs.set(digest, bytes)
    registry.uploads.delete(id)
    return answer(response, 201, { 'docker-content-digest': digest })
  }

  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const url = new URL(request.url ?? '/', 'http://x')
    const [, repository = '', kind, rest = ''] =
      /^\/v2\/(.+?)\/(manifests|blobs\/uploads|blobs)\/(.*)$/.exec(url.pathname) ?? []
    if (kind === 'blobs/uploads' && rest !== '')
      return upload(repository, rest, request, response, url.searchParams.get('digest'))
    if (kind === 'blobs/uploads') {
      const id = randomUUID()
      registry.uploads.set(id, Buffer.alloc(0))
      const { minChunk } = registry
      return answer(response, 202, {
        location: locationOf(repository, id),
        ...(minChunk === undefined ? {} : { 'oci-chunk-min-length': minChunk }),
      })
    }
    if (request.method === 'PUT') {
      const chunks: Buffer[] = []
      for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk)
      registry.manifests.set(`${repository}:${rest}`, Buffer.concat(chunks))
      return answer(response, 201)
    }
    const bytes =
      kind === 'blobs' ? registry.blobs.get(rest) : registry.manifests.get(`${repository}:${rest}`)
    if (bytes === undefined) return answer(response, 404)
    return answer(response, 200, { 'docker-content-digest': digestOf(bytes) })
  }
  const server = createServer((request, response) => {
    request.on('error', () => {})
    serve(request, response).catch(() => response.destroy())
  })
  const host = await listen(server)
  const registry: UploadRegistry = {
    host,
    blobs: new Map(),
    manifests: new Map(),
    uploads: new Map(),
    received: () => received,
    cancelled: () => cancelled,
    breakAt: undefined,
    minChunk: undefined,
    parts: [],
    stop: () => stopListening(server),
  }
  return registry
}
