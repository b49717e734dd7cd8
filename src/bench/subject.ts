// Something that is measured: how one start of it is made and timed.

/** Durations in nanoseconds. */
export interface Sample {
  readonly ns: number
  /** Until nothing of the container is left, where that is later. */
  readonly removedNs?: number
}

export interface Subject {
  readonly id: string
  readonly title: string
  /** Counted starts in a row, in each round. */
  readonly block: number
  /** One start. Rejects when it failed: a failed start must never count as a fast one. */
  readonly once: () => Promise<Sample>
}

/** A start that did not do what it should, in words. */
export class StartFailed extends Error {}
export const failed = (why: string): StartFailed => new StartFailed(why)
