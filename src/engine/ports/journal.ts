// The port to the journal of events, which all engines of a root write and anyone may read.
import type { EngineEvent, NewEvent } from '../../model/events.ts'

export interface JournalReader {
  /** What was written since the last call, in pieces, each ordered by time. Rejects with a SlipwayError. */
  readonly next: () => AsyncIterable<readonly EngineEvent[]>
  /** Resolves when something may have been written since. */
  readonly wait: (signals: readonly AbortSignal[]) => Promise<void>
  readonly close: () => void
}

/** Of one actor, by its id. */
export interface ToldActions {
  readonly has: (action: string) => boolean
}

export interface JournalPort {
  /** Adds what happened just now. Never fails: what happened has happened, whether or not it can be told. */
  readonly note: (event: NewEvent) => void
  /** What has been told of an actor since a time, in nanoseconds since 1970. Nothing where the journal cannot be read. */
  readonly toldOf: (id: string, sinceNs: bigint) => ToldActions
  /** The same of many, by one reading. */
  readonly toldOfAll: (ids: readonly string[], sinceNs: bigint) => (id: string) => ToldActions
  /** From the beginning of what is kept, or from now on. */
  readonly read: (fromNow: boolean) => JournalReader
  readonly close: () => void
}
