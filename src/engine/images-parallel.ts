// Several programs at once, but not too many; the first failure ends them all.
import * as E from '#fp/Either'
import type { TaskEither } from '#fp/TaskEither'

/**
 * Runs `program` for every item, at most `limit` at a time, and gives the results in the order of the items. After a failure
 * nothing new starts, the signal given to the running ones fires, and the first error is the answer once all have ended.
 */
export const parallel =
  <A, L, B>(
    limit: number,
    items: readonly A[],
    signal: AbortSignal | undefined,
    program: (item: A, signal: AbortSignal) => TaskEither<L, B>,
  ): TaskEither<L, readonly B[]> =>
  async () => {
    const stop = new AbortController()
    const onAbort = () => stop.abort(signal?.reason)
    if (signal?.aborted) onAbort()
    signal?.addEventListener('abort', onAbort)
    const results: B[] = []
    let failure: E.Left<L> | undefined
    const queue = [...items.entries()]
    const worker = async (): Promise<void> => {
      for (let next = queue.shift(); next !== undefined && failure === undefined; next = queue.shift()) {
        const result = await program(next[1], stop.signal)()
        if (E.isRight(result)) results[next[0]] = result.right
        else {
          failure ??= result
          stop.abort()
        }
      }
    }
    await Promise.all(Array.from({ length: Math.min(limit, items.length) }, worker))
    signal?.removeEventListener('abort', onAbort)
    return failure ?? E.right(results)
  }

/** Runs both; the first one's value, or its failure before the second one's. Ends when both have. */
export const beside =
  <A, L>(first: TaskEither<L, A>, second: TaskEither<L, unknown>): TaskEither<L, A> =>
  async () => {
    const [one, other] = await Promise.all([first(), second()])
    return E.isRight(one) && E.isLeft(other) ? other : one
  }

export interface Arrivals<L> {
  readonly came: (name: string) => void
  /** What has not come never will. */
  readonly failed: (error: L) => void
  /** Waits until it has come. */
  readonly of: (name: string) => TaskEither<L, void>
}

/** For work that can begin with some of what another program still gets. */
export const awaitArrivals = <L>(): Arrivals<L> => {
  const here = new Set<string>()
  const waiting = new Map<string, (result: E.Either<L, void>) => void>()
  let failure: E.Left<L> | undefined
  const settle = (name: string, result: E.Either<L, void>): void => {
    waiting.get(name)?.(result)
    waiting.delete(name)
  }
  return {
    came: (name) => {
      here.add(name)
      settle(name, E.right(undefined))
    },
    failed: (error) => {
      failure = { _tag: 'Left', left: error }
      for (const name of waiting.keys()) settle(name, failure)
    },
    of: (name) => () => {
      if (here.has(name)) return Promise.resolve(E.right(undefined))
      if (failure !== undefined) return Promise.resolve(failure)
      return new Promise((resolve) => waiting.set(name, resolve))
    },
  }
}
