// events: what happened on this root, what is kept of it and what happens from now on.
import type { EngineEvent, EventRequest } from '../model/events.ts'
import { nsOfMs } from '../model/moment.ts'
import type { JournalPort } from './ports/journal.ts'

/** Longest timer of Node's. */
const MAX_TIMER_MS = 2 ** 31 - 1

/** Ends at `until`, where that is given, or with the signal. `nowMs`: the clock that moments are told by. Throws a SlipwayError: SyscallFailed. */
export async function* readEvents(
  journal: Pick<JournalPort, 'read'>,
  { sinceNs, untilNs, passes, follow, signal }: EventRequest,
  nowMs: () => number,
): AsyncGenerator<EngineEvent, void, undefined> {
  const reader = journal.read(sinceNs === undefined)
  const isAsked = (event: EngineEvent): boolean =>
    (sinceNs === undefined || event.timeNano >= sinceNs) &&
    (untilNs === undefined || event.timeNano <= untilNs) &&
    passes(event)
  try {
    while (signal?.aborted !== true) {
      // Looked at before: what was written up to then is read below.
      const isOver = !follow || (untilNs !== undefined && nsOfMs(nowMs()) > untilNs)
      for await (const events of reader.next()) yield* events.filter(isAsked)
      if (isOver) return
      await waited(reader, untilNs === undefined ? undefined : untilNs - nsOfMs(nowMs()), signal)
    }
  } finally {
    reader.close()
  }
}

const waited = async (
  reader: ReturnType<JournalPort['read']>,
  leftNs: bigint | undefined,
  signal: AbortSignal | undefined,
): Promise<void> => {
  const late = new AbortController()
  const ms =
    leftNs === undefined ? MAX_TIMER_MS : Math.min(MAX_TIMER_MS, Math.max(0, Number(leftNs / 1_000_000n) + 1))
  const timer = leftNs === undefined ? undefined : setTimeout(() => late.abort(), ms)
  try {
    await reader.wait([late.signal, ...(signal === undefined ? [] : [signal])])
  } finally {
    clearTimeout(timer)
  }
}
