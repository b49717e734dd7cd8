// A container's log as its reader gives it: lines, and what is known to be missing between them.
import type { StateDamaged } from './errors.ts'

export type LogStreamName = 'stdout' | 'stderr'

/** One line, or a piece of one that is longer than MAX_LINE_BYTES. */
export interface LogLine {
  readonly _tag: 'Line'
  readonly stream: LogStreamName
  /** When its first bytes were read from the container, in nanoseconds since 1970. */
  readonly timeNs: bigint
  /** As they were written, with the newline at the end where there is one. */
  readonly bytes: Uint8Array
  /** No newline is at its end: the line was never finished, or is longer than one entry. */
  readonly partial: boolean
  /** The next entry of this stream is the rest of the same line. */
  readonly continues: boolean
}
/** The monitor threw away what the disk did not take in time. */
export interface LogDropped {
  readonly _tag: 'Dropped'
  readonly stream: LogStreamName
  readonly timeNs: bigint
  readonly lostBytes: bigint
}
/** Segments that were removed, to keep the log's size, before they were read. */
export interface LogRemoved {
  readonly _tag: 'Removed'
  readonly first: number
  readonly last: number
}
/** A segment, or a line of one, that cannot be read. Reading goes on behind it. */
export interface LogDamaged {
  readonly _tag: 'Damaged'
  readonly error: StateDamaged
}
export type LogEntry = LogLine | LogDropped | LogRemoved | LogDamaged

export interface ReadLogOptions {
  /** Only the last so many lines of what else is asked for. Default: all. */
  readonly tail?: number
  /** Only lines from this time on, or up to it: RFC 3339, seconds since 1970, how long ago (`'10m'`), or nanoseconds. */
  readonly since?: string | number | bigint
  readonly until?: string | number | bigint
  /** Default: both. */
  readonly stdout?: boolean
  readonly stderr?: boolean
  /** Go on with what is written later, until the container is over and everything is read. */
  readonly follow?: boolean
  /** Ends the reading. */
  readonly signal?: AbortSignal
}

/** ReadLogOptions without a way to be wrong. */
export interface LogRequest {
  readonly tail?: number
  readonly sinceNs?: bigint
  readonly untilNs?: bigint
  readonly streams: readonly LogStreamName[]
  readonly follow: boolean
  readonly signal?: AbortSignal
}

/** What a segment holds: bytes of a stream as they came, or a count of bytes that were lost. */
export interface LogRecord {
  readonly stream: LogStreamName
  readonly timeNs: bigint
  readonly bytes: Uint8Array
  readonly lostBytes?: bigint
}
/** A record, or why there is none. `at`: where it begins in its segment. */
export type Found =
  | { readonly at: number; readonly record: LogRecord; readonly why?: never }
  | { readonly at: number; readonly why: string; readonly record?: never }

export interface Decoded {
  readonly found: readonly Found[]
  /** How many bytes were decoded: a record that is not whole yet is left. */
  readonly used: number
  /** Nothing of this segment can be read any more. */
  readonly stopped: boolean
}
/** `bytes` begin with a record, at offset `start` of the segment. Bytes of the result are views of them. */
export type DecodeRecords = (bytes: Buffer, start?: number) => Decoded

/** Name of segment `number`. */
export const segmentName = (number: number): string => String(number).padStart(8, '0')
/** Their numbers, ascending; another file's name is none. */
export const segmentNumbers = (names: readonly string[]): readonly number[] =>
  names
    .filter((name) => /^\d{8}$/.test(name))
    .map(Number)
    .sort((a, b) => a - b)
