// Log segments as a monitor writes them, from records: both forms, and rotation by size.
import type { LogRecord } from '../../src/model/log.ts'
import { COMPACT_MAGIC } from '../../src/model/log-compact.ts'
import { formatRfc3339 } from '../../src/model/moment.ts'

export type LogForm = 'compact' | 'json'

const PART_BYTES = 16_384

/** Without what a segment begins with. */
export const encodeRecord = (form: LogForm, record: LogRecord): Buffer =>
  form === 'compact' ? compact(record) : Buffer.from(`${json(record)}\n`)

export const headOf = (form: LogForm): Buffer => (form === 'compact' ? COMPACT_MAGIC : Buffer.alloc(0))

/** One by one, each at most `mostBytes` unless it holds a single record. */
export const encodeSegments = (
  form: LogForm,
  records: readonly LogRecord[],
  mostBytes = Number.POSITIVE_INFINITY,
): readonly Buffer[] => {
  const segments: Buffer[][] = []
  let size = Number.POSITIVE_INFINITY
  for (const record of records) {
    const bytes = encodeRecord(form, record)
    if (size + bytes.length > mostBytes || segments.length === 0) {
      segments.push([headOf(form)])
      size = headOf(form).length
    }
    segments.at(-1)?.push(bytes)
    size += bytes.length
  }
  return segments.map((parts) => Buffer.concat(parts))
}

/** Docker's copier: a record for each line, and parts of long ones. Of text that is valid UTF-8. */
export const asDockerRecords = (records: readonly LogRecord[]): readonly LogRecord[] =>
  records.flatMap((record) =>
    (
      Buffer.from(record.bytes)
        .toString()
        .match(/[^\n]*\n|[^\n]+$/g) ?? []
    ).flatMap((line) =>
      Array.from({ length: Math.ceil(line.length / PART_BYTES) }, (_, part) => ({
        ...record,
        bytes: Buffer.from(line.slice(part * PART_BYTES, (part + 1) * PART_BYTES)),
      })),
    ),
  )

const compact = ({ stream, timeNs, bytes, lostBytes }: LogRecord): Buffer => {
  const head = Buffer.alloc(16)
  const body = lostBytes === undefined ? bytes : Buffer.alloc(8)
  if (lostBytes !== undefined) Buffer.from(body.buffer, body.byteOffset).writeBigUInt64LE(lostBytes)
  head.writeUInt32LE(body.length, 0)
  head[4] = stream === 'stdout' ? 1 : 2
  head[5] = lostBytes === undefined ? 0 : 1
  head.writeBigInt64LE(timeNs, 8)
  return Buffer.concat([head, body])
}

const json = ({ stream, timeNs, bytes }: LogRecord): string =>
  JSON.stringify({ log: Buffer.from(bytes).toString(), stream, time: formatRfc3339(timeNs) })
