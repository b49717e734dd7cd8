// logs: reads what a container's monitor has written, over segments that come and go, up to the end or as it is written.
import type { Found, LogDamaged, LogEntry, LogRequest } from '../model/log.ts'
import { LineAssembler } from '../model/log-lines.ts'
import { type SegmentCount, SegmentCounter, type TailStart, tailStart } from '../model/log-tail.ts'
import { LogCursor } from './log-cursor.ts'
import type { LogPort } from './ports/logs.ts'

/** Where the log ended when reading began: who does not follow stops there, however fast the container writes. */
interface LogEnd {
  readonly segment: number
  readonly at: number
}

/**
 * Entries in the order they were written, in batches that are there at once. With `follow` it ends when `ended` is aborted and everything
 * is read; a record that is only half written is waited for until then, and ignored afterwards. Throws a SlipwayError: SyscallFailed.
 */
export async function* readLog(
  port: LogPort,
  request: LogRequest,
  ended: AbortSignal | undefined,
): AsyncGenerator<readonly LogEntry[], void, undefined> {
  const { tail, follow, signal } = request
  // Watched from before the first look on: what is written in between is not missed.
  const watch = follow ? port.watch([ended, signal].filter((each) => each !== undefined)) : undefined
  try {
    const start = tail === undefined ? undefined : await startOfTail(port, request, tail)
    yield* entriesFrom(port, request, start, async () => {
      if (watch === undefined || signal?.aborted === true) return 'over'
      if (ended?.aborted === true) return 'ended'
      await watch.next()
      return 'again'
    })
  } finally {
    watch?.close()
  }
}

type Wait = () => Promise<'again' | 'ended' | 'over'>

/** From a place of a segment on, or from the oldest one. */
async function* entriesFrom(
  port: LogPort,
  request: LogRequest,
  start: TailStart | undefined,
  wait: Wait,
): AsyncGenerator<readonly LogEntry[], void, undefined> {
  const sieve = new Sieve(request, start?.skip ?? 0)
  const end = request.follow ? undefined : await endOf(port)
  let cursor: LogCursor | undefined
  let isLast = false
  try {
    while (request.signal?.aborted !== true) {
      const found = await cursor?.read(cursor.number === end?.segment ? end.at : undefined)
      if (found !== undefined && cursor !== undefined) {
        yield* filled(sieve.take(found, cursor.path))
        if (sieve.isOver) break
        continue
      }
      const before = cursor?.number ?? (start === undefined ? undefined : start.segment - 1)
      const next = await nextSegment(port, before ?? 0, end?.segment)
      if (next !== undefined) {
        // The writer has left this one for good: what it wrote last may have come since it was read.
        const rest = await cursor?.read()
        if (rest !== undefined && cursor !== undefined) yield* filled(sieve.take(rest, cursor.path))
        if (rest !== undefined) {
          await next.file.close()
          continue
        }
        yield* filled(before === undefined ? [] : removedBetween(before, next.number))
        await cursor?.close()
        if (cursor === undefined && next.number !== start?.segment) sieve.skipNoMore()
        cursor = new LogCursor(next.number, next.file, next.number === start?.segment ? start.at : 0)
        continue
      }
      if (isLast) break
      const word = await wait()
      if (word === 'over') break
      isLast = word === 'ended'
    }
    yield* filled(sieve.end())
  } finally {
    await cursor?.close()
  }
}

function* filled(entries: readonly LogEntry[]): Generator<readonly LogEntry[], void, undefined> {
  if (entries.length > 0) yield entries
}

/** The oldest after `number` that can be opened. */
const nextSegment = async (port: LogPort, number: number, last = Number.POSITIVE_INFINITY) => {
  for (const each of (await port.segments()) ?? []) {
    if (each <= number || each > last) continue
    const file = await port.open(each)
    if (file !== undefined) return { number: each, file }
  }
  return undefined
}

const removedBetween = (before: number, next: number): readonly LogEntry[] =>
  next - before <= 1 ? [] : [{ _tag: 'Removed', first: before + 1, last: next - 1 }]

const endOf = async (port: LogPort): Promise<LogEnd | undefined> => {
  const segment = (await port.segments())?.at(-1)
  const file = segment === undefined ? undefined : await port.open(segment)
  if (segment === undefined || file === undefined) return undefined
  try {
    return { segment, at: await file.size() }
  } finally {
    await file.close()
  }
}

/** What of the records is asked for, as lines. */
class Sieve {
  readonly #request: LogRequest
  readonly #lines = new LineAssembler()
  #skip: number
  /** Nothing later is asked for. */
  isOver = false

  constructor(request: LogRequest, skip: number) {
    this.#request = request
    this.#skip = skip
  }

  take(found: readonly Found[], path: string): readonly LogEntry[] {
    const entries: LogEntry[] = []
    for (const { at, record, why } of found) {
      if (record === undefined) {
        entries.push(damaged(path, at, why))
        continue
      }
      const { untilNs, streams } = this.#request
      this.isOver ||= untilNs !== undefined && record.timeNs > untilNs
      if (this.isOver) break
      if (streams.includes(record.stream)) this.#pass(this.#lines.take(record), entries)
    }
    return entries
  }

  /** What was to be passed over has gone already, or lies behind. */
  skipNoMore(): void {
    this.#skip = 0
  }

  end(): readonly LogEntry[] {
    const entries: LogEntry[] = []
    this.#pass(this.#lines.end(), entries)
    return entries
  }

  #pass(lines: ReturnType<LineAssembler['take']>, into: LogEntry[]): void {
    const { sinceNs } = this.#request
    for (const line of lines) {
      const isSkipped = this.#skip > 0
      if (isSkipped && line._tag === 'Line' && !line.continues) this.#skip--
      if (!isSkipped && (sinceNs === undefined || line.timeNs >= sinceNs)) into.push(line)
    }
  }
}

const damaged = (path: string, at: number, why: string): LogDamaged => ({
  _tag: 'Damaged',
  error: { _tag: 'StateDamaged', path, why: `at byte ${at}: ${why}` },
})

/** Undefined where there is no log. */
const startOfTail = async (
  port: LogPort,
  request: LogRequest,
  lines: number,
): Promise<TailStart | undefined> => {
  const segments = (await port.segments()) ?? []
  let counts: readonly SegmentCount[] = []
  for (const [index, number] of [...segments.entries()].reverse()) {
    const count = await countSegment(port, request, number)
    if (count === undefined) continue
    counts = count.isCut ? [count] : [count, ...counts]
    const start = tailStart(counts, lines, request.streams, index === 0)
    if (start !== undefined) return start
  }
  return tailStart(counts, lines, request.streams, true)
}

const countSegment = async (
  port: LogPort,
  { streams, untilNs }: LogRequest,
  number: number,
): Promise<SegmentCount | undefined> => {
  const file = await port.open(number)
  if (file === undefined) return undefined
  const cursor = new LogCursor(number, file)
  try {
    const counter = new SegmentCounter(number, streams, untilNs)
    for (let found = await cursor.read(); found !== undefined; found = await cursor.read())
      for (const { at, record } of found)
        if (record !== undefined && !counter.take(record, at)) return counter.count(at)
    return counter.count(cursor.at)
  } finally {
    await cursor.close()
  }
}
