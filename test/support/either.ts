// Looking into an Either in a test: the wrong side fails the test and shows what was there.

import type { Either } from '#fp/Either'
import * as E from '#fp/Either'
import type { EngineError } from '../../src/model/errors.ts'
import { message } from '../../src/model/errors.ts'

export const expectRight = <A>(result: Either<EngineError | string, A>): A => {
  if (E.isRight(result)) return result.right
  const { left } = result
  throw new Error(`expected success, got: ${typeof left === 'string' ? left : message(left)}`)
}

export const expectLeft = <Failure, A>(result: Either<Failure, A>): Failure => {
  if (E.isLeft(result)) return result.left
  throw new Error('expected a failure, got success')
}

/** The one line people would read. */
export const expectMessage = <A>(result: Either<EngineError, A>): string => message(expectLeft(result))
