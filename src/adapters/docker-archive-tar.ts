// A streaming reader for the outer tar of image archives. Only names, sizes and links matter here; nothing is unpacked to disk.
// Format: POSIX.1-2017 pax, "ustar Interchange Format" and "pax Extended Header"; GNU long names (tar(5)).
import { thrown } from './attempt.ts'

export interface TarEntry {
  /** Without leading `/` and `./`. */
  readonly name: string
  readonly type: 'file' | 'link' | 'symlink' | 'other'
  /** Bytes. */
  readonly size: number
  /** Target of a link, as written. */
  readonly linkName: string
  /** The contents; what is not read is skipped when the next entry is asked for. */
  readonly body: AsyncIterable<Uint8Array>
}

const BLOCK = 512
/** Longest extended header, in bytes: names are at most a few KiB. */
const MAX_EXTENDED = 1024 * 1024

/** The entries in order. Throws InvalidSpec where the archive is damaged or ends too early. */
export async function* readTar(name: string, source: AsyncIterable<Uint8Array>): AsyncGenerator<TarEntry> {
  const reader = new ByteReader(name, source)
  let extended: Readonly<Record<string, string>> = {}
  for (;;) {
    const header = await reader.block()
    // Two zero blocks end an archive; one is enough to know, and some writers give just that.
    if (header === undefined) throw reader.damaged('the archive is cut short')
    if (header.every((byte) => byte === 0)) return reader.drain()
    checkSum(reader, header)
    const type = String.fromCharCode(header[156] ?? 0)
    const size = number(reader, header, 124, 12)
    if ('LKxg'.includes(type)) {
      if (size > MAX_EXTENDED) throw reader.damaged(`an extended header of ${size} bytes`)
      const data = await reader.take(size)
      await reader.take(padding(size))
      // A global header (g) says nothing we use.
      if (type !== 'g') extended = { ...extended, ...extendedFields(type, data) }
      continue
    }
    const entry = describe(reader, header, type, size, extended)
    extended = {}
    const body = reader.body(entry.size)
    yield { ...entry, body }
    for await (const _ of body);
    await reader.take(padding(entry.size))
  }
}

const padding = (size: number): number => (BLOCK - (size % BLOCK)) % BLOCK

const describe = (
  reader: ByteReader,
  header: Buffer,
  type: string,
  size: number,
  extended: Readonly<Record<string, string>>,
): Omit<TarEntry, 'body'> => {
  const isUstar = header.toString('latin1', 257, 262) === 'ustar'
  const prefix = isUstar ? field(header, 345, 155) : ''
  const short = field(header, 0, 100)
  const name = extended.path ?? (prefix === '' ? short : `${prefix}/${short}`)
  const kind = kinds[type] ?? 'other'
  const own = extended.size === undefined ? size : decimal(reader, extended.size)
  return {
    name: name.replace(/^(?:\.?\/+)+/, ''),
    type: kind,
    // Links and devices have no contents whatever their header says.
    size: kind === 'file' ? own : 0,
    linkName: extended.linkpath ?? field(header, 157, 100),
  }
}
const kinds: Readonly<Record<string, TarEntry['type']>> = {
  '0': 'file',
  '\0': 'file',
  '7': 'file',
  '1': 'link',
  '2': 'symlink',
}

/** Text up to the first NUL. */
const field = (header: Buffer, at: number, length: number): string => {
  const end = header.indexOf(0, at)
  return header.toString('utf8', at, end < 0 || end > at + length ? at + length : end)
}

/** Octal digits, or base 256 when the top bit is set (GNU). */
const number = (reader: ByteReader, header: Buffer, at: number, length: number): number => {
  const first = header[at] ?? 0
  if (first === 0x80) {
    const value = header.readBigUInt64BE(at + length - 8)
    if (value <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(value)
    throw reader.damaged('an entry has an impossible size')
  }
  const text = field(header, at, length).trim()
  if (!/^[0-7]*$/.test(text)) throw reader.damaged('an entry has an unreadable size')
  return Number.parseInt(text || '0', 8)
}
const decimal = (reader: ByteReader, text: string): number => {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN
  if (!Number.isSafeInteger(value)) throw reader.damaged('an entry has an unreadable size')
  return value
}

const checkSum = (reader: ByteReader, header: Buffer): void => {
  let sum = 8 * 0x20
  for (const [at, byte] of header.entries()) if (at < 148 || at >= 156) sum += byte
  if (number(reader, header, 148, 8) !== sum)
    throw reader.damaged('it is not a tar archive, or a damaged one')
}

/** Type L and K carry one bare string; x carries records `<length> <key>=<value>\n`. */
const extendedFields = (type: string, data: Buffer): Readonly<Record<string, string>> => {
  if (type === 'L') return { path: field(data, 0, data.length) }
  if (type === 'K') return { linkpath: field(data, 0, data.length) }
  const fields: Record<string, string> = {}
  for (let at = 0; at < data.length; ) {
    const space = data.indexOf(0x20, at)
    const length = Number.parseInt(data.toString('latin1', at, Math.max(space, at)), 10)
    if (!(length > space - at + 1) || at + length > data.length) break
    const record = data.toString('utf8', space + 1, at + length - 1)
    const equals = record.indexOf('=')
    const key = record.slice(0, equals)
    if (key === 'path' || key === 'linkpath' || key === 'size') fields[key] = record.slice(equals + 1)
    at += length
  }
  return fields
}

/** Reads exact numbers of bytes from chunks of any size. */
class ByteReader {
  private readonly name: string
  private readonly chunks: AsyncIterator<Uint8Array>
  private rest: Buffer = Buffer.alloc(0)
  private position = 0

  constructor(name: string, source: AsyncIterable<Uint8Array>) {
    this.name = name
    this.chunks = source[Symbol.asyncIterator]()
  }

  damaged(why: string): Error {
    return thrown({ _tag: 'InvalidSpec', document: this.name, where: `byte ${this.position}`, why })
  }

  /** One header block; undefined at a clean end. */
  async block(): Promise<Buffer | undefined> {
    if (this.rest.length === 0 && !(await this.more())) return undefined
    return this.take(BLOCK)
  }

  async take(size: number): Promise<Buffer> {
    const parts: Uint8Array[] = []
    for await (const part of this.body(size)) parts.push(part)
    return Buffer.concat(parts)
  }

  /** Reads what follows the archive, so that its writer and a checksum of the compression get to their end. */
  async drain(): Promise<void> {
    while (await this.more());
  }

  /** The next `size` bytes as they come. Can be resumed where its reader stopped. */
  body(size: number): AsyncIterable<Uint8Array> {
    let left = size
    const next = async (): Promise<IteratorResult<Uint8Array>> => {
      if (left === 0) return { done: true, value: undefined }
      if (this.rest.length === 0 && !(await this.more())) throw this.damaged('the archive is cut short')
      const part = this.rest.subarray(0, left)
      this.rest = this.rest.subarray(part.length)
      this.position += part.length
      left -= part.length
      return { done: false, value: part }
    }
    return { [Symbol.asyncIterator]: () => ({ next }) }
  }

  private async more(): Promise<boolean> {
    for (;;) {
      const { done, value } = await this.chunks.next()
      if (done) return false
      if (value.byteLength === 0) continue
      this.rest = Buffer.from(value.buffer, value.byteOffset, value.byteLength)
      return true
    }
  }
}
