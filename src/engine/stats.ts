// stats: what containers use, from two samples a while apart, once or again and again.
import * as E from '#fp/Either'
import type { EngineError } from '../model/errors.ts'
import type { ContainerRecord } from '../model/record.ts'
import { type ContainerStats, type GroupSample, type StatsOptions, statsOf } from '../model/stats.ts'
import { type ContainerSummary, findAmong, hasProcesses, listContainers } from './containers.ts'
import type { Living } from './living.ts'

const INTERVAL_MS = 1000

/** One answer: what each container used at that moment, in the order they were asked for, newest first where none was named. */
export interface StatsRound {
  readonly stats: readonly ContainerStats[]
  /** Asked for, and not running now. */
  readonly stopped: readonly ContainerSummary[]
}

/**
 * Rounds for the named containers, or for all that run at that moment where none is named. The first round of a stream has no CPU share
 * yet. A stream over named containers ends with the last of them. Throws nothing: who ends while it is read is left out.
 */
export async function* statsRounds(
  { ports, living }: Living,
  names: readonly string[],
  { stream = false, intervalMs = INTERVAL_MS, all = names.length > 0, signal }: StatsOptions,
): AsyncGenerator<StatsRound, void, undefined> {
  let before: ReadonlyMap<string, GroupSample> = new Map()
  for (let round = 0; signal?.aborted !== true; round++) {
    const there = listContainers(ports)
    const asked = names.length === 0 ? there : names.flatMap((name) => foundIn(there, name))
    const running = asked.filter(hasProcesses)
    const samples = new Map(running.map((container) => [container.id, living.sample(container)]))
    const isAnswer = stream || round === 1 || running.length === 0
    if (isAnswer) yield roundOf(living.nowMs(), asked, all, samples, before)
    if ((isAnswer && !stream) || (names.length > 0 && running.length === 0)) return
    before = samples
    await pause(intervalMs, signal)
  }
}

const foundIn = (there: readonly ContainerSummary[], name: string): readonly ContainerSummary[] => {
  const found = findAmong(there, name)
  return E.isRight(found) ? [found.right] : []
}

const roundOf = (
  atMs: number,
  asked: readonly ContainerSummary[],
  withStopped: boolean,
  samples: ReadonlyMap<string, GroupSample>,
  before: ReadonlyMap<string, GroupSample>,
): StatsRound => ({
  stats: asked.flatMap((container) => {
    const sample = samples.get(container.id)
    return sample === undefined ? [] : [statsOf(container, atMs, sample, before.get(container.id))]
  }),
  stopped: withStopped ? asked.filter(({ id }) => !samples.has(id)) : [],
})

const pause = (ms: number, signal: AbortSignal | undefined): Promise<void> =>
  new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    signal?.addEventListener('abort', done)
  })

/** All must be there when it begins. Fails: ContainerNotFound, AmbiguousContainer. */
export const checkNames = (
  { ports }: Living,
  names: readonly string[],
): E.Either<EngineError, readonly ContainerRecord[]> => {
  const there = names.length === 0 ? [] : listContainers(ports)
  return E.traverseArray((name: string) => findAmong(there, name))(names)
}
