// Writes tar archives byte by byte, so that tests can also write wrong ones.
import { Buffer } from 'node:buffer'

export interface TarEntry {
  readonly name: string
  /** One character; `0` by default. */
  readonly type?: string
  readonly data?: string | Buffer
  readonly link?: string
  readonly mode?: number
  readonly uid?: number
  readonly gid?: number
  readonly mtime?: number
  readonly major?: number
  readonly minor?: number
  /** What the header says, where it is not the data's length. */
  readonly size?: number
  /** Records of an extended header in front. */
  readonly pax?: Readonly<Record<string, string>> | readonly (readonly [string, string])[]
  /** `gnu`, `v7` or `ustar` (default). */
  readonly format?: 'ustar' | 'gnu' | 'v7'
  /** Last word on the header block, before its checksum is put in. */
  readonly edit?: (block: Buffer) => void
  /** Last word after that. */
  readonly spoil?: (block: Buffer) => void
}

const BLOCK = 512

const octal = (value: number, size: number): string => value.toString(8).padStart(size - 1, '0')

/** Big endian after a marker bit; negative numbers in two's complement. */
export const base256 = (value: bigint, size: number): Buffer => {
  const field = Buffer.alloc(size)
  let rest = BigInt.asUintN(size * 8, value)
  for (let i = size - 1; i >= 0; i--) {
    field[i] = Number(rest & 255n)
    rest >>= 8n
  }
  field[0] = (field[0] ?? 0) | 0x80
  return field
}

const writeNumber = (block: Buffer, at: number, size: number, value: number): void => {
  if (value < 0 || value >= 8 ** (size - 1)) base256(BigInt(value), size).copy(block, at)
  else block.write(`${octal(value, size)}\0`, at, 'latin1')
}

const MAGIC = { ustar: 'ustar\x0000', gnu: 'ustar  \0', v7: '' } as const

export const header = (entry: TarEntry): Buffer => {
  const block = Buffer.alloc(BLOCK)
  block.write(entry.name, 0, 100, 'utf8')
  writeNumber(block, 100, 8, entry.mode ?? (entry.type === '5' ? 0o755 : 0o644))
  writeNumber(block, 108, 8, entry.uid ?? 0)
  writeNumber(block, 116, 8, entry.gid ?? 0)
  writeNumber(block, 124, 12, entry.size ?? Buffer.byteLength(entry.data ?? ''))
  writeNumber(block, 136, 12, entry.mtime ?? 1_700_000_000)
  block.write(entry.type ?? '0', 156, 'latin1')
  block.write(entry.link ?? '', 157, 100, 'utf8')
  block.write(MAGIC[entry.format ?? 'ustar'], 257, 'latin1')
  if (entry.major !== undefined) writeNumber(block, 329, 8, entry.major)
  if (entry.minor !== undefined) writeNumber(block, 337, 8, entry.minor)
  entry.edit?.(block)
  seal(block)
  entry.spoil?.(block)
  return block
}

/** Puts the checksum in. */
export const seal = (block: Buffer): void => {
  block.fill(' ', 148, 156)
  const sum = block.reduce((total, byte) => total + byte, 0)
  block.write(`${octal(sum, 7)}\0 `, 148, 'latin1')
}

export const padded = (data: Buffer): Buffer =>
  Buffer.concat([data, Buffer.alloc((BLOCK - (data.length % BLOCK)) % BLOCK)])

export const paxRecord = (key: string, value: string): Buffer => {
  const body = Buffer.from(` ${key}=${value}\n`, 'utf8')
  let length = body.length + 1
  while (String(length).length + body.length !== length) length = String(length).length + body.length
  return Buffer.concat([Buffer.from(String(length)), body])
}

const records = (pax: NonNullable<TarEntry['pax']>): readonly (readonly [string, string])[] =>
  Array.isArray(pax) ? pax : Object.entries(pax)

/** An extended header of type `x`, `g`, `L` or `K` with this body. */
export const extended = (type: string, body: Buffer): Buffer =>
  Buffer.concat([header({ name: '././@Extended', type, size: body.length }), padded(body)])

export const entryBytes = (entry: TarEntry): Buffer => {
  const data = Buffer.isBuffer(entry.data) ? entry.data : Buffer.from(entry.data ?? '')
  const extra = entry.pax
    ? extended('x', Buffer.concat(records(entry.pax).map(([k, v]) => paxRecord(k, v))))
    : Buffer.alloc(0)
  return Buffer.concat([extra, header(entry), padded(data)])
}

/** The two blocks of zeros at the end of an archive. */
export const END = Buffer.alloc(2 * BLOCK)

/** An archive of entries and raw blocks. */
export const tar = (...parts: readonly (TarEntry | Buffer)[]): Buffer =>
  Buffer.concat([...parts.map((part) => (Buffer.isBuffer(part) ? part : entryBytes(part))), END])

/** Chunks of this size; 0 gives one chunk. */
export async function* chunks(bytes: Buffer, size = 0): AsyncGenerator<Uint8Array> {
  const step = size === 0 ? Math.max(1, bytes.length) : size
  for (let at = 0; at < bytes.length; at += step) yield bytes.subarray(at, at + step)
}
