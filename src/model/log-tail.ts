// Where to begin so that reading on gives the last lines and no more: segments are counted from the newest back, until there are enough.
//
// A segment can be decoded only forwards. So each is read once with nothing kept but marks, 64 KiB apart, that say how many lines have
// ended before them; the reading proper then begins at the best mark and passes over the few lines that are too many.
import type { LogRecord, LogStreamName } from './log.ts'

const MARK_BYTES = 65_536
const NEWLINE = 10

type PerStream<A> = Readonly<Record<LogStreamName, A>>

/** A place between two records. */
export interface Mark {
  readonly segment: number
  readonly at: number
  /** Lines of each stream that ended in this segment before it. */
  readonly ends: PerStream<number>
  /** Whether a line has been begun here; undefined where the segment has not told so far. */
  readonly open: PerStream<boolean | undefined>
}
export interface SegmentCount {
  /** The first is at the segment's beginning, the last behind its last record. */
  readonly marks: readonly Mark[]
  /** The segment holds what is later than what was asked for: newer ones do not count. */
  readonly isCut: boolean
}

/** Counts one segment's lines. */
export class SegmentCounter {
  readonly #segment: number
  readonly #streams: readonly LogStreamName[]
  readonly #untilNs: bigint | undefined
  readonly #marks: Mark[] = []
  readonly #ends = { stdout: 0, stderr: 0 }
  readonly #open: Record<LogStreamName, boolean | undefined> = { stdout: undefined, stderr: undefined }
  #isCut = false

  constructor(segment: number, streams: readonly LogStreamName[], untilNs: bigint | undefined) {
    this.#segment = segment
    this.#streams = streams
    this.#untilNs = untilNs
    this.#mark(0)
  }

  /** `at`: where the record begins. False when nothing behind it counts. */
  take(record: LogRecord, at: number): boolean {
    this.#isCut ||= this.#untilNs !== undefined && record.timeNs > this.#untilNs
    if (this.#isCut) return false
    if (at - (this.#marks.at(-1)?.at ?? 0) >= MARK_BYTES) this.#mark(at)
    const { stream, bytes, lostBytes } = record
    if (!this.#streams.includes(stream)) return true
    if (lostBytes !== undefined) {
      if (this.#open[stream] === true) this.#ends[stream]++
      this.#open[stream] = false
    } else if (bytes.length > 0) {
      for (let from = bytes.indexOf(NEWLINE); from >= 0; from = bytes.indexOf(NEWLINE, from + 1))
        this.#ends[stream]++
      this.#open[stream] = bytes[bytes.length - 1] !== NEWLINE
    }
    return true
  }

  /** `at`: behind the last record. */
  count(at: number): SegmentCount {
    this.#mark(at)
    return { marks: this.#marks, isCut: this.#isCut }
  }

  #mark(at: number): void {
    this.#marks.push({ segment: this.#segment, at, ends: { ...this.#ends }, open: { ...this.#open } })
  }
}

export interface TailStart {
  readonly segment: number
  readonly at: number
  /** Lines to pass over from there. */
  readonly skip: number
}

/** A mark with the lines that end behind it in everything counted, and before it. */
interface Place extends Mark {
  readonly after: number
  readonly linesAfter: PerStream<number>
  readonly endsBefore: PerStream<number>
}

/**
 * Undefined when older segments must be counted first. `counts`: oldest first. `isWhole`: there are no older ones. A line that was never
 * finished counts as one where its last bytes lie in what was counted.
 */
export const tailStart = (
  counts: readonly SegmentCount[],
  lines: number,
  streams: readonly LogStreamName[],
  isWhole: boolean,
): TailStart | undefined => {
  const places = placesOf(counts)
  const enough = places.findLastIndex(({ after }) => after >= lines)
  const [first] = places
  if (first === undefined) return undefined
  for (let index = enough; index >= 0; index--) {
    const place = places[index] as Place
    const last = places[enough] as Place
    const knows = (stream: LogStreamName): boolean =>
      last.linesAfter[stream] === 0 ||
      place.open[stream] === false ||
      last.endsBefore[stream] > place.endsBefore[stream]
    if (streams.every(knows)) return { segment: place.segment, at: place.at, skip: place.after - lines }
  }
  if (!isWhole) return undefined
  return { segment: first.segment, at: first.at, skip: Math.max(0, first.after - lines) }
}

const placesOf = (counts: readonly SegmentCount[]): readonly Place[] => {
  let stdout = 0
  let stderr = 0
  const open: Record<LogStreamName, boolean> = { stdout: false, stderr: false }
  const before = counts.flatMap(({ marks }) => {
    const base = { stdout, stderr }
    const last = marks.at(-1)
    stdout += last?.ends.stdout ?? 0
    stderr += last?.ends.stderr ?? 0
    open.stdout = last?.open.stdout ?? open.stdout
    open.stderr = last?.open.stderr ?? open.stderr
    return marks.map((mark) => ({
      ...mark,
      endsBefore: { stdout: base.stdout + mark.ends.stdout, stderr: base.stderr + mark.ends.stderr },
    }))
  })
  const total = { stdout: stdout + Number(open.stdout), stderr: stderr + Number(open.stderr) }
  return before.map((mark) => {
    const linesAfter = {
      stdout: total.stdout - mark.endsBefore.stdout,
      stderr: total.stderr - mark.endsBefore.stderr,
    }
    return { ...mark, linesAfter, after: linesAfter.stdout + linesAfter.stderr }
  })
}
