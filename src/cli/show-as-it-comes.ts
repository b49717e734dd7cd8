// Verbs that show what comes until there is no more, or a signal ends them.
import * as E from '#fp/Either'
import type { TaskEither } from '#fp/TaskEither'
import { type EngineError, SlipwayError } from '../model/errors.ts'
import type { UsageError } from './args.ts'
import type { Context } from './command.ts'
import type { EngineForCli } from './engine.ts'
import { interruptible } from './image-flags.ts'
import { misuse } from './report.ts'

/** `show`: undefined, or what is wrong with the template, which turns up with the first record. Gives the exit code. */
export const showAsItComes = async <A>(
  context: Pick<Context, 'stderr' | 'onSignal' | 'engine'>,
  verb: string,
  source: (engine: EngineForCli, signal: AbortSignal) => TaskEither<EngineError, AsyncIterable<A>>,
  show: (item: A) => UsageError | undefined,
): Promise<number> => {
  const shown = await interruptible(context, async (signal) => {
    const items = await source(await context.engine(), signal)()
    if (E.isLeft(items)) return async () => items
    return async () => {
      const shown = await showAll(items.right, show)
      if (E.isLeft(shown)) return shown
      const problem = shown.right
      return signal.aborted && problem === undefined
        ? E.left({ _tag: 'Cancelled' as const, what: verb, why: 'a signal' })
        : E.right(problem)
    }
  })
  if (E.isLeft(shown)) return shown.left
  return shown.right === undefined ? 0 : misuse(context, verb, shown.right)
}

const showAll = async <A>(
  items: AsyncIterable<A>,
  show: (item: A) => UsageError | undefined,
): Promise<E.Either<EngineError, UsageError | undefined>> => {
  try {
    for await (const item of items) {
      const problem = show(item)
      if (problem !== undefined) return E.right(problem)
    }
    return E.right(undefined)
  } catch (error) {
    if (error instanceof SlipwayError) return E.left(error.error)
    throw error
  }
}
