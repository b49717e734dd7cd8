// Node's synchronous file calls as values: what they throw becomes a tagged error.
import type { Either } from '#fp/Either'
import * as E from '#fp/Either'
import type { EngineError } from '../model/errors.ts'

/**
 * Fails: what is thrown as a tagged error, as adapters do; SyscallFailed, with the call's name as its step. Whatever else is thrown
 * is a bug, and thrown on.
 */
export const attempt = <A>(body: () => A): Either<EngineError, A> => {
  try {
    return E.right(body())
  } catch (error) {
    return E.left(asError(error))
  }
}

/** The same for a body that takes its time. */
export const attempted = async <A>(
  body: () => Promise<Either<EngineError, A>>,
): Promise<Either<EngineError, A>> => {
  try {
    return await body()
  } catch (error) {
    return E.left(asError(error))
  }
}

const asError = (error: unknown): EngineError => {
  if (typeof error === 'object' && error !== null && '_tag' in error) return error as EngineError
  const { syscall, errno, path } = error as NodeJS.ErrnoException
  if (syscall === undefined || errno === undefined) throw error
  const at = path === undefined ? {} : { path }
  return { _tag: 'SyscallFailed', step: syscall, errno: Math.abs(errno), ...at }
}

export { unless } from '../model/unless.ts'
