// The port to one container's log segments.

export interface OpenSegment {
  readonly path: string
  /** Bytes from an offset on; 0 at the end of what is written. Rejects with a SlipwayError. */
  readonly read: (into: Uint8Array, at: number) => Promise<number>
  readonly size: () => Promise<number>
  readonly close: () => Promise<void>
}

export interface LogWatch {
  /** Resolves when something may have been written since the last call, or the log is to be looked at anyway. */
  readonly next: () => Promise<void>
  readonly close: () => void
}

export interface LogPort {
  /** Numbers of the segments there are, ascending; undefined where the whole log is gone. Rejects with a SlipwayError. */
  readonly segments: () => Promise<readonly number[] | undefined>
  /** Undefined where it is gone. */
  readonly open: (number: number) => Promise<OpenSegment | undefined>
  /** Woken by changes of the log, and by either signal. */
  readonly watch: (signals: readonly AbortSignal[]) => LogWatch
}
