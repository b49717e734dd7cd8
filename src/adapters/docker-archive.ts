// Image archives as one tar: what `docker save` writes, an OCI layout in a tar, or both in one.
import path from 'node:path'
import { pipeline, Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import * as E from '#fp/Either'
import type { ContentStore } from '../engine/ports/content-store.ts'
import type { ArchiveMember, OpenedArchive } from '../engine/ports/image-archive.ts'
import { type Digest, parseDigest } from '../model/digest.ts'
import { sniffCompression } from '../model/media-type.ts'
import { orThrow, thrown } from './attempt.ts'
import { readTar, type TarEntry } from './docker-archive-tar.ts'

/** Bytes of a document that is kept in memory. */
const MAX_DOCUMENT = 4 * 1024 * 1024
/** Files and links in one archive. */
const MAX_MEMBERS = 100_000
const MAX_LINKS = 8
/** Files of old `docker save` archives nobody reads any more. */
const IGNORED = /(?:^|\/)(?:VERSION|json|repositories)$/
const DOCUMENTS = ['index.json', 'manifest.json', 'oci-layout']

/** Reads the archive to its end; blobs and layers go into the store on the way. */
export const openTarArchive = async (
  store: ContentStore,
  name: string,
  source: AsyncIterable<Uint8Array>,
): Promise<OpenedArchive> => {
  const documents = new Map<string, Buffer>()
  const members = new Map<string, ArchiveMember>()
  const links = new Map<string, string>()
  const plain = await decompressed(name, source)
  for await (const entry of readTar(name, plain)) {
    if (members.size + links.size > MAX_MEMBERS) throw refused(name, entry.name, 'too many files')
    if (entry.type === 'link') links.set(entry.name, normal(entry.linkName))
    else if (entry.type === 'symlink') links.set(entry.name, beside(entry.name, entry.linkName))
    else if (DOCUMENTS.includes(entry.name)) documents.set(entry.name, await readDocument(name, entry))
    else if (entry.type === 'file' && !IGNORED.test(entry.name))
      members.set(entry.name, await storeMember(store, name, entry))
  }
  const index = documents.has('oci-layout') ? documents.get('index.json') : undefined
  const manifest = documents.get('manifest.json')
  if (index === undefined && manifest === undefined)
    throw refused(name, '$', 'it holds neither an OCI layout nor what docker save writes')
  return {
    name,
    ...(index === undefined ? {} : { index }),
    ...(manifest === undefined ? {} : { manifest }),
    source: () => undefined,
    member: (wanted) => follow(wanted, members, links),
  }
}

/** Names stay inside the archive whatever they say: they are looked up, never opened. */
const normal = (name: string): string => path.posix.normalize(`/${name}`).slice(1)
const beside = (link: string, target: string): string =>
  normal(path.posix.join(path.posix.dirname(link), target))

const follow = (
  wanted: string,
  members: ReadonlyMap<string, ArchiveMember>,
  links: ReadonlyMap<string, string>,
): ArchiveMember | undefined => {
  let name = normal(wanted)
  for (let hops = 0; hops < MAX_LINKS && !members.has(name); hops++) name = links.get(name) ?? name
  return members.get(name)
}

const refused = (document: string, where: string, why: string): Error =>
  thrown({ _tag: 'InvalidSpec', document, where, why })

const readDocument = async (name: string, entry: TarEntry): Promise<Buffer> => {
  if (entry.size > MAX_DOCUMENT) throw refused(name, entry.name, `larger than ${MAX_DOCUMENT} bytes`)
  const chunks: Uint8Array[] = []
  for await (const chunk of entry.body) chunks.push(chunk)
  return Buffer.concat(chunks)
}

const storeMember = async (store: ContentStore, name: string, entry: TarEntry): Promise<ArchiveMember> => {
  const digest = digestIn(entry.name)
  let start: Buffer = Buffer.alloc(0)
  async function* watched(): AsyncGenerator<Uint8Array> {
    for await (const chunk of entry.body) {
      if (start.length < 4) start = Buffer.concat([start, chunk.subarray(0, 4)])
      yield chunk
    }
  }
  const expected = {
    what: `${entry.name} in ${name}`,
    size: entry.size,
    ...(digest === undefined ? {} : { digest }),
  }
  const stored = await orThrow(store.write(expected, watched()))
  return { ...stored, compression: sniffCompression(start) }
}

/** The digest a file of an OCI layout is named after. */
const digestIn = (name: string): Digest | undefined => {
  const [, algorithm, hex] = /^blobs\/([^/]+)\/([^/]+)$/.exec(name) ?? []
  const digest = parseDigest(`${algorithm}:${hex}`)
  return E.isRight(digest) ? digest.right : undefined
}

/** The archive's own bytes, unwrapped when all of it is gzip-compressed. */
const decompressed = async (
  name: string,
  source: AsyncIterable<Uint8Array>,
): Promise<AsyncIterable<Uint8Array>> => {
  const iterator = source[Symbol.asyncIterator]()
  let start: Buffer = Buffer.alloc(0)
  for (let next = await iterator.next(); !next.done; next = await iterator.next()) {
    start = Buffer.concat([start, next.value])
    if (start.length >= 4) break
  }
  const whole = Readable.from(resumed(start, iterator), { objectMode: false })
  const compression = sniffCompression(start)
  if (compression === 'zstd')
    throw thrown({ _tag: 'Unsupported', feature: 'zstd-compressed archive', why: 'decompress it first' })
  if (compression === 'none') return whole
  // The callback takes the place of an error event: the reader sees the same error.
  return unzipped(
    name,
    pipeline(whole, createGunzip(), () => {}),
  )
}

/** Damage of the compression is the archive's, not the system's. */
async function* unzipped(name: string, stream: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* stream
  } catch (error) {
    const isZlib = error instanceof Error && String((error as NodeJS.ErrnoException).code).startsWith('Z_')
    throw isZlib ? refused(name, '$', `it cannot be decompressed: ${error.message}`) : error
  }
}

async function* resumed(start: Buffer, rest: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  if (start.length > 0) yield start
  for (let next = await rest.next(); !next.done; next = await rest.next()) yield next.value
}
