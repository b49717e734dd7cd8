// Promises become TaskEithers here: whatever is thrown turns into a tagged error, so a program never rejects.
import * as E from '#fp/Either'
import * as TE from '#fp/TaskEither'
import { type EngineError, SlipwayError } from '../model/errors.ts'

/**
 * Runs an asynchronous body. A thrown SlipwayError keeps its tagged error; Node's system errors become SyscallFailed with
 * the call's name as step and its path; an aborted operation becomes Cancelled.
 */
export const attempt = <A>(what: string, body: () => Promise<A>): TE.TaskEither<EngineError, A> =>
  TE.tryCatch(body, (thrown) => engineErrorOf(what, thrown))

/** The same for a body that gives an Either. */
export const attemptEither = <A>(
  what: string,
  body: () => Promise<E.Either<EngineError, A>>,
): TE.TaskEither<EngineError, A> =>
  TE.flatMapEither((either: E.Either<EngineError, A>) => either)(attempt(what, body))

/** The same for a body that answers at once. */
export const attemptNow = <A>(what: string, body: () => A): E.Either<EngineError, A> =>
  E.tryCatch(body, (error) => engineErrorOf(what, error))

/** What a look at the disk throws in the middle of a program, Node's system error, is its failure. Anything else is a bug, and thrown on. */
export const failing =
  <A>(what: string, task: TE.TaskEither<EngineError, A>): TE.TaskEither<EngineError, A> =>
  async () => {
    try {
      return await task()
    } catch (error) {
      const { errno, syscall } = error as SystemError
      if (error instanceof SlipwayError || (typeof errno === 'number' && syscall !== undefined))
        return E.left(engineErrorOf(what, error))
      throw error
    }
  }

/** Makes a tagged error throwable. */
export const thrown = (error: EngineError): SlipwayError => new SlipwayError(error)

/** Calls on an open descriptor do not say which file it was: their errors get its path. For `.catch`. */
export const located =
  (path: string) =>
  (error: unknown): never => {
    if (error instanceof Error && 'syscall' in error && !('path' in error)) Object.assign(error, { path })
    throw error
  }

/** The same for a body that answers at once. */
export const locatedNow = <A>(path: string, body: () => A): A => {
  try {
    return body()
  } catch (error) {
    return located(path)(error)
  }
}

/** The file that an error of Node's is about: of a link that could not be made not what it was to lead to. */
export const pathOf = ({ syscall, path, dest }: SystemError): string | undefined =>
  syscall === 'symlink' ? dest : path

export interface SystemError extends NodeJS.ErrnoException {
  readonly dest?: string
}

/** Throws a system error as the failure of this step at this path, and what is none as it is. For `.catch`. */
export const failedAt =
  (step: string, path: string) =>
  (error: unknown): never => {
    const { errno } = error as NodeJS.ErrnoException
    if (errno === undefined) throw error
    throw thrown({ _tag: 'SyscallFailed', step, errno: Math.abs(errno), path })
  }

/** The value of a program, or its error thrown: for loops and streams, inside a body given to {@link attempt}. */
export const orThrow = async <A>(program: TE.TaskEither<EngineError, A>): Promise<A> => {
  const result = await program()
  if (result._tag === 'Left') throw thrown(result.left)
  return result.right
}

export const engineErrorOf = (what: string, error: unknown): EngineError => {
  if (error instanceof SlipwayError) return error.error
  if (!(error instanceof Error)) return { _tag: 'StateDamaged', path: what, why: String(error) }
  if (error.name === 'AbortError') return { _tag: 'Cancelled', what, why: 'aborted' }
  const system = error as SystemError
  // zlib's errors have a number, too, but it is no errno.
  if (typeof system.errno !== 'number' || system.syscall === undefined)
    return { _tag: 'StateDamaged', path: what, why: error.message }
  return {
    _tag: 'SyscallFailed',
    step: system.syscall,
    errno: Math.abs(system.errno),
    ...(pathOf(system) === undefined ? {} : { path: pathOf(system) as string }),
  }
}
