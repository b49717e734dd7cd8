// Log segments of Docker's json-file form: one object a line, `{"log":"…\n","stream":"stdout","time":"…"}` (moby jsonlog.go).
import type { DecodeRecords, Found, LogRecord } from './log.ts'
import { parseRfc3339 } from './moment.ts'

/** 16 KiB of bytes, each of which may have become six characters, and the rest of the object; docker writes labels, too. */
export const MAX_JSON_LINE_BYTES = 1 << 20
const NEWLINE = 10

/** A line that is none is passed over; of several in a row the first is told. */
export const decodeJson: DecodeRecords = (bytes, start = 0) => {
  const found: Found[] = []
  let damaged = false
  let at = 0
  for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, at)) {
    const record = recordOf(bytes.toString('utf8', at, end))
    if (record !== undefined) found.push({ at: start + at, record })
    else if (!damaged) found.push({ at: start + at, why: 'a line that is not of the json-file form' })
    damaged = record === undefined
    at = end + 1
  }
  const tooLong = bytes.length - at > MAX_JSON_LINE_BYTES
  if (tooLong) found.push({ at: start + at, why: `a line of more than ${MAX_JSON_LINE_BYTES} bytes` })
  return { found, used: at, stopped: tooLong }
}

const recordOf = (line: string): LogRecord | undefined => {
  try {
    const value = JSON.parse(line) as { log?: unknown; stream?: unknown; time?: unknown } | null
    const { log, stream, time } = value ?? {}
    const timeNs = typeof time === 'string' ? parseRfc3339(time) : undefined
    if (typeof log !== 'string' || (stream !== 'stdout' && stream !== 'stderr')) return undefined
    return timeNs === undefined ? undefined : { stream, timeNs, bytes: Buffer.from(log) }
  } catch {
    return undefined
  }
}
