// Measures subjects in interleaved rounds: whatever slows the machine down for a moment hits all alike.
import type { Rounds } from './statistics.ts'
import type { Sample, Subject } from './subject.ts'

export interface Measured {
  readonly id: string
  readonly title: string
  /** Nanoseconds, by round. */
  readonly ns: Rounds
  /** Until nothing of the container was left; the same as `ns` where that was never told. */
  readonly removedNs: Rounds
  /** Why it was given up; its samples up to then are of no use. */
  readonly failure?: string
}

export interface Progress {
  /** What is measured now. */
  readonly title: string
  readonly round: number
  readonly elapsedMs: number
  /** Undefined before the first round has ended. */
  readonly leftMs: number | undefined
}

export interface MeasureOptions {
  readonly maxRounds: number
  /** No round begins after so long, but for the first. */
  readonly budgetMs: number
  /** Starts before each block that are not counted: they find the caches of the subject before. */
  readonly lead: number
  readonly signal: AbortSignal
  readonly nowMs: () => number
  /** From 0 to 1. */
  readonly random: () => number
  /** What a failure is in words. */
  readonly describe: (error: unknown) => string
  readonly onProgress: (progress: Progress) => void
}

interface Running {
  readonly subject: Subject
  readonly rounds: Sample[][]
  failure?: string
}

export const measure = async (
  subjects: readonly Subject[],
  options: MeasureOptions,
): Promise<readonly Measured[]> => {
  const { maxRounds, budgetMs, signal, nowMs } = options
  const running = subjects.map((subject): Running => ({ subject, rounds: [] }))
  const beginMs = nowMs()
  for (let round = 0; round < maxRounds && !signal.aborted; round++) {
    const elapsedMs = nowMs() - beginMs
    if (round > 0 && elapsedMs >= budgetMs) break
    const leftMs = round === 0 ? undefined : leftOf(round, elapsedMs, maxRounds, budgetMs)
    for (const each of running) each.rounds.push([])
    const alive = running.filter(({ failure }) => failure === undefined)
    for (const each of shuffled(alive, options.random)) {
      if (signal.aborted) break
      options.onProgress({
        title: each.subject.title,
        round,
        elapsedMs: nowMs() - beginMs,
        leftMs: leftMs && leftMs - (nowMs() - beginMs - elapsedMs),
      })
      await block(each, options)
    }
  }
  return running.map(measuredOf)
}

/** The time as the rounds so far tell it, at most what is left of the budget and a round that has begun. */
const leftOf = (done: number, elapsedMs: number, maxRounds: number, budgetMs: number): number => {
  const perRound = elapsedMs / done
  return Math.min(perRound * (maxRounds - done), Math.max(0, budgetMs - elapsedMs) + perRound / 2)
}

const block = async (each: Running, { lead, signal, describe }: MeasureOptions): Promise<void> => {
  const samples = each.rounds.at(-1) ?? []
  for (let start = -lead; start < each.subject.block && !signal.aborted; start++) {
    try {
      const sample = await each.subject.once()
      if (start >= 0) samples.push(sample)
    } catch (error) {
      each.failure = describe(error)
      return
    }
  }
}

const measuredOf = ({ subject, rounds, failure }: Running): Measured => ({
  id: subject.id,
  title: subject.title,
  ns: rounds.map((samples) => samples.map(({ ns }) => ns)),
  removedNs: rounds.map((samples) => samples.map(({ ns, removedNs }) => removedNs ?? ns)),
  ...(failure === undefined ? {} : { failure }),
})

/** Fisher and Yates. */
export const shuffled = <A>(items: readonly A[], random: () => number): readonly A[] => {
  const order = [...items]
  for (let i = order.length - 1; i > 0; i--) {
    const other = Math.floor(random() * (i + 1))
    const kept = order[i] as A
    order[i] = order[other] as A
    order[other] = kept
  }
  return order
}

/** xorshift64* from a seed that is told in the results: the order of a run can be had again. */
export const seededRandom = (seed: bigint): (() => number) => {
  let state = BigInt.asUintN(64, seed) || 1n
  return () => {
    state ^= state >> 12n
    state = BigInt.asUintN(64, state ^ (state << 25n))
    state ^= state >> 27n
    return Number(BigInt.asUintN(64, state * 0x2545f4914f6cdd1dn) >> 11n) / 2 ** 53
  }
}
