// A tiny registry that serves built images, and misbehaves where a test says so.
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import type { BuiltImage } from './image-builder.ts'
import { listen, stopListening } from './loopback.ts'

/** Answers a request itself and returns true, or returns false to have it served as it should be. */
export type Fault = (request: IncomingMessage, response: ServerResponse, seen: number) => boolean

export interface FaultRegistry {
  readonly host: string
  /** Every request in order. */
  readonly requests: readonly { readonly url: string; readonly headers: IncomingHttpHeaders }[]
  /** Paths asked for that match. */
  readonly count: (pattern: RegExp) => number
  fault: Fault
  readonly stop: () => Promise<void>
}

/** Images by `repository:tag`. Every blob and manifest is also served by digest, in any repository. */
export const startFaultRegistry = async (
  images: Readonly<Record<string, BuiltImage>>,
  fault: Fault = () => false,
): Promise<FaultRegistry> => {
  const requests: { url: string; headers: IncomingHttpHeaders }[] = []
  const server = createServer((request, response) => {
    const url = request.url ?? ''
    const seen = requests.filter((earlier) => earlier.url === url).length
    requests.push({ url, headers: request.headers })
    if (!registry.fault(request, response, seen)) serve(images, url, request, response)
  })
  const host = await listen(server)
  const registry: FaultRegistry = {
    host,
    requests,
    count: (pattern) => requests.filter(({ url }) => pattern.test(url)).length,
    fault,
    stop: () => stopListening(server),
  }
  return registry
}

const serve = (
  images: Readonly<Record<string, BuiltImage>>,
  url: string,
  request: IncomingMessage,
  response: ServerResponse,
): void => {
  const [, repository, kind, name = ''] = /^\/v2\/(.+)\/(manifests|blobs)\/(.+)$/.exec(url) ?? []
  const all = Object.values(images)
  const tagged = images[`${repository}:${name}`]?.target
  const target = tagged ?? all.flatMap((image) => [image.target]).find(({ digest }) => digest === name)
  const digest = kind === 'manifests' ? (target?.digest ?? name) : name
  const bytes = all.map(({ blobs }) => [...blobs].find(([key]) => key === digest)?.[1]).find(Boolean)
  if (bytes === undefined) {
    response.writeHead(404).end('{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}')
    return
  }
  const type = kind === 'blobs' ? 'application/octet-stream' : mediaTypeOf(bytes)
  const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0)
  response.writeHead(from > 0 ? 206 : 200, {
    'content-type': type,
    'content-length': bytes.length - from,
    ...(from > 0 ? { 'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}` } : {}),
  })
  response.end(bytes.subarray(from))
}

const mediaTypeOf = (bytes: Buffer): string => {
  const { mediaType, manifests } = JSON.parse(bytes.toString()) as { mediaType?: string; manifests?: unknown }
  return mediaType ?? `application/vnd.oci.image.${manifests === undefined ? 'manifest' : 'index'}.v1+json`
}
