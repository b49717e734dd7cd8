// A start ends with its caller's patience: an abort, or the time limit, counts before the payload runs as well.
import * as E from '#fp/Either'
import type { TaskEither } from '#fp/TaskEither'
import { cancelled, onAbort } from '../model/abort.ts'
import type { EngineError } from '../model/errors.ts'

/** A time limit is the payload's. A start that hangs ends by it, too, but a busy machine must not turn a result into a failure. */
const LEAST_START_MS = 1000

export interface Limits {
  readonly signal?: AbortSignal
  readonly timeoutMs?: number
}

/** Gives `work` a signal that fires with the caller's own, or when the time is up. Afterwards it fires no more. */
export const limited = <A>(
  { signal, timeoutMs }: Limits,
  work: (signal: AbortSignal | undefined) => TaskEither<EngineError, A>,
): TaskEither<EngineError, A> => {
  if (timeoutMs === undefined) return work(signal)
  return async () => {
    const controller = new AbortController()
    const abort = (): void => controller.abort(signal?.reason)
    const limitMs = Math.max(timeoutMs, LEAST_START_MS)
    const late = (): void => controller.abort(new Error(`not started within ${limitMs} ms`))
    const timer = setTimeout(late, limitMs)
    const unlisten = signal === undefined ? () => {} : onAbort(signal, abort)
    if (signal?.aborted === true) abort()
    const result = await work(controller.signal)()
    clearTimeout(timer)
    unlisten()
    return result
  }
}

/** The task's result or the abort, whichever comes first. What the task still does then must concern nobody. */
export const abortable = <A>(
  signal: AbortSignal | undefined,
  task: TaskEither<EngineError, A>,
): TaskEither<EngineError, A> => {
  if (signal === undefined) return task
  return () =>
    new Promise((resolve) => {
      const abort = (): void => resolve(E.left(cancelled(signal.reason)))
      const unlisten = onAbort(signal, abort)
      if (signal.aborted) abort()
      task().then((result) => {
        unlisten()
        resolve(result)
      })
    })
}
