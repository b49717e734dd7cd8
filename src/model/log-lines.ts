// Lines out of a log's records, each stream for itself: records hold whatever a read(2) returned.
import type { LogDropped, LogLine, LogRecord, LogStreamName } from './log.ts'

/** A longer line is given in pieces: what is held of a log is bounded. */
export const MAX_LINE_BYTES = 1 << 20
const NEWLINE = 10

/** The beginning of a line whose rest is not there yet. */
interface Open {
  readonly timeNs: bigint
  readonly parts: Uint8Array[]
  size: number
}

export class LineAssembler {
  readonly #open = new Map<LogStreamName, Open>()
  readonly #most: number

  constructor(mostBytes = MAX_LINE_BYTES) {
    this.#most = mostBytes
  }

  /** What a record completes, in the order of its bytes. */
  take(record: LogRecord): readonly (LogLine | LogDropped)[] {
    const { stream, timeNs, bytes, lostBytes } = record
    if (lostBytes !== undefined)
      return [...this.#flush(stream), { _tag: 'Dropped', stream, timeNs, lostBytes }]
    const lines: LogLine[] = []
    for (let at = 0; at < bytes.length; ) {
      const open = this.#open.get(stream)
      const room = this.#most - (open?.size ?? 0)
      const newline = bytes.indexOf(NEWLINE, at)
      const isWhole = newline >= 0 && newline < at + room
      const end = isWhole ? newline + 1 : Math.min(bytes.length, at + room)
      const piece = bytes.subarray(at, end)
      if (isWhole) lines.push(this.#complete(record, piece, false))
      else if (piece.length === room) lines.push(this.#complete(record, piece, true))
      else this.#keep(record, piece)
      at = end
    }
    return lines
  }

  /** Lines that were begun and never finished, the oldest first. */
  end(): readonly LogLine[] {
    const streams = [...this.#open].sort(([, a], [, b]) => (a.timeNs < b.timeNs ? -1 : 1))
    return streams.flatMap(([stream]) => this.#flush(stream))
  }

  #complete({ stream, timeNs }: LogRecord, piece: Uint8Array, continues: boolean): LogLine {
    const open = this.#open.get(stream)
    this.#open.delete(stream)
    const bytes = open === undefined ? piece : Buffer.concat([...open.parts, piece])
    const line = { _tag: 'Line', stream, bytes, partial: continues, continues } as const
    return { ...line, timeNs: open?.timeNs ?? timeNs }
  }

  /** A copy: the record's bytes are a view of a much larger piece of the file. */
  #keep({ stream, timeNs }: LogRecord, piece: Uint8Array): void {
    const open = this.#open.get(stream) ?? { timeNs, parts: [], size: 0 }
    open.parts.push(Uint8Array.from(piece))
    open.size += piece.length
    this.#open.set(stream, open)
  }

  #flush(stream: LogStreamName): readonly LogLine[] {
    const open = this.#open.get(stream)
    if (open === undefined) return []
    this.#open.delete(stream)
    const bytes = Buffer.concat(open.parts)
    return [{ _tag: 'Line', stream, timeNs: open.timeNs, bytes, partial: true, continues: false }]
  }
}
