// Log segments of the compact form: 8 bytes that name it, then records with a head of 16 bytes. docs/running-containers.md, Logs.
import type { DecodeRecords, Found, LogRecord } from './log.ts'

export const COMPACT_MAGIC = Buffer.from('SLLOG1\n\0', 'latin1')
export const COMPACT_HEAD_BYTES = 16
/** Of one record's body. */
export const MAX_RECORD_BYTES = 262_144

const DROPPED = 1
const COUNT_BYTES = 8

/**
 * Behind the first 8 bytes. The size is written last, over a 0: such a record is not whole yet. A head that cannot be one hides where the next begins: nothing after it can be read.
 */
export const decodeCompact: DecodeRecords = (bytes, start = 0) => {
  const found: Found[] = []
  let at = 0
  while (bytes.length - at >= COMPACT_HEAD_BYTES) {
    const size = bytes.readUInt32LE(at)
    const why = faultOf(bytes, at, size)
    if (why !== undefined) return { found: [...found, { at: start + at, why }], used: at, stopped: true }
    const end = at + COMPACT_HEAD_BYTES + size
    if (size === 0 || end > bytes.length) break
    found.push({ at: start + at, record: recordAt(bytes, at, end) })
    at = end
  }
  return { found, used: at, stopped: false }
}

const faultOf = (bytes: Buffer, at: number, size: number): string | undefined => {
  const [stream, flags, rest] = [bytes[at + 4] ?? 0, bytes[at + 5] ?? 0, bytes.readUInt16LE(at + 6)]
  if (size > MAX_RECORD_BYTES) return `a record of ${size} bytes`
  if (stream !== 1 && stream !== 2) return `a record of stream ${stream}`
  if ((flags & ~DROPPED) !== 0 || rest !== 0) return 'a record with unknown flags'
  if (flags === DROPPED && size !== COUNT_BYTES) return `a count of lost bytes in ${size} bytes`
  return undefined
}

const recordAt = (bytes: Buffer, at: number, end: number): LogRecord => {
  const body = bytes.subarray(at + COMPACT_HEAD_BYTES, end)
  const record = {
    stream: bytes[at + 4] === 1 ? ('stdout' as const) : ('stderr' as const),
    timeNs: bytes.readBigInt64LE(at + 8),
  }
  return bytes[at + 5] === DROPPED
    ? { ...record, bytes: body.subarray(0, 0), lostBytes: body.readBigUInt64LE(0) }
    : { ...record, bytes: body }
}
