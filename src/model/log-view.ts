// A log as the bytes `docker logs` prints: each stream's own, with the time before each line where it is asked for.
import { message } from './errors.ts'
import type { LogEntry, LogStreamName } from './log.ts'
import { formatRfc3339 } from './moment.ts'

export interface LogBytes {
  /** `note`: text of ours about what is missing, for standard error. */
  readonly to: LogStreamName | 'note'
  readonly bytes: Uint8Array
}

/** Neighbours of one stream become one piece. `middle`: streams that were last left in the middle of a line; kept by the caller. */
export const bytesOfLog = (
  entries: readonly LogEntry[],
  timestamps: boolean,
  middle: Set<LogStreamName>,
): readonly LogBytes[] => {
  const pieces: { to: LogBytes['to']; parts: Uint8Array[] }[] = []
  const put = (to: LogBytes['to'], ...parts: readonly Uint8Array[]): void => {
    const last = pieces.at(-1)
    if (last?.to === to) last.parts.push(...parts)
    else pieces.push({ to, parts: [...parts] })
  }
  for (const entry of entries) {
    if (entry._tag !== 'Line') put('note', Buffer.from(`${noteOf(entry)}\n`))
    else if (timestamps && !middle.has(entry.stream))
      put(entry.stream, Buffer.from(`${formatRfc3339(entry.timeNs)} `), entry.bytes)
    else put(entry.stream, entry.bytes)
    if (entry._tag !== 'Line') continue
    if (entry.continues) middle.add(entry.stream)
    else middle.delete(entry.stream)
  }
  return pieces.map(({ to, parts }) => ({
    to,
    bytes: parts.length === 1 && parts[0] ? parts[0] : Buffer.concat(parts),
  }))
}

/** One line for people. */
export const noteOf = (entry: Exclude<LogEntry, { readonly _tag: 'Line' }>): string => {
  switch (entry._tag) {
    case 'Dropped':
      return `${entry.lostBytes} bytes of ${entry.stream} were lost here, at ${formatRfc3339(entry.timeNs)}: the disk did not keep up`
    case 'Removed':
      return entry.first === entry.last
        ? `segment ${entry.first} was removed before it was read`
        : `segments ${entry.first} to ${entry.last} were removed before they were read`
    case 'Damaged':
      return message(entry.error)
  }
}
