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
