// A detached container's log as its monitor writes it: docs/monitor.md, Log segments. Pure.
import type { StreamName } from './monitor-frames.ts'

export interface LogRecord {
  readonly stream: StreamName
  /** Nanoseconds since 1970. */
  readonly timeNs: bigint
  readonly bytes: Uint8Array
  /** So many bytes of the stream are missing here, for lack of room or since the disk did not keep up; `bytes` is empty then. */
  readonly lostBytes?: number
}

export const LOG_MAGIC = 'SLLOG1\n\0'
/** Names of segments: eight digits, the first is 1. */
export const segmentName = (number: number): string => String(number).padStart(8, '0')

const HEAD_BYTES = 16
const MAX_RECORD = 64 << 10
const LOST = 1

export interface LogPart {
  readonly records: readonly LogRecord[]
  /** Bytes that are done with; what follows is not whole yet. */
  readonly done: number
  /** It is no log of this form. */
  readonly malformed?: string
}

/**
 * The whole records at the beginning of `bytes`, which begin with a segment (`isFirst`) or behind a record. A head with a size of 0
 * belongs to one that is being written.
 */
export const decodeCompact = (bytes: Uint8Array, isFirst: boolean): LogPart => {
  const all = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (isFirst && all.length < LOG_MAGIC.length) return { records: [], done: 0 }
  if (isFirst && all.toString('latin1', 0, LOG_MAGIC.length) !== LOG_MAGIC)
    return { records: [], done: 0, malformed: 'no segment of a compact log' }
  const records: LogRecord[] = []
  let at = isFirst ? LOG_MAGIC.length : 0
  while (at + HEAD_BYTES <= all.length) {
    const size = all.readUInt32LE(at)
    if (size > MAX_RECORD) return { records, done: at, malformed: `a record of ${size} bytes` }
    if (size === 0 || at + HEAD_BYTES + size > all.length) break
    records.push(recordAt(all, at, size))
    at += HEAD_BYTES + size
  }
  return { records, done: at }
}

const recordAt = (all: Buffer, at: number, size: number): LogRecord => {
  const body = all.subarray(at + HEAD_BYTES, at + HEAD_BYTES + size)
  const isLost = (all.readUInt8(at + 5) & LOST) !== 0
  const about = {
    stream: all.readUInt8(at + 4) === 2 ? ('stderr' as const) : ('stdout' as const),
    timeNs: all.readBigInt64LE(at + 8),
  }
  return isLost
    ? { ...about, bytes: new Uint8Array(0), lostBytes: Number(body.readBigUInt64LE(0)) }
    : { ...about, bytes: body }
}
