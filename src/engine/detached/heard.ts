// What is asked of a monitor that ends, or is killed, in that moment: nobody answers, and what is true by then decides anew.
import * as E from '#fp/Either'
import type { TaskEither } from '#fp/TaskEither'
import type { EngineError } from '../../model/errors.ts'
import type { DetachedContainer } from '../ports/detached.ts'
import type { Ports } from '../ports.ts'

const ESRCH = 3
const ECONNRESET = 104
/** One end and one death after another: more are somebody's who kills monitors for a living. */
const MOST_TRIES = 5

/** As `locked`, `body` once more where its monitor did not hear it out. */
export const heard =
  <A>(
    ports: Ports,
    id: string,
    body: (container: DetachedContainer) => Promise<E.Either<EngineError, A>>,
  ): TaskEither<EngineError, A> =>
  async () => {
    for (let tries = 1; ; tries++) {
      const done = await ports.detached.locked(id, body)()
      if (E.isRight(done) || tries === MOST_TRIES || !isUnheard(done.left)) return done
    }
  }

const OF_AN_END: readonly string[] = ['open pidfd', 'ask monitor to signal', 'ask monitor to hold']

/** It listens no more, closed the connection without an answer, or what it was to signal, to adopt or to hold ended first. */
const isUnheard = (error: EngineError): boolean => {
  if (error._tag === 'LaunchDied') return error.step === 'start monitor'
  if (error._tag === 'WrongStatus') return error.status === 'stopping'
  if (error._tag !== 'SyscallFailed') return false
  const { step, errno } = error
  return (
    (errno === ECONNRESET && step.startsWith('ask monitor')) || (errno === ESRCH && OF_AN_END.includes(step))
  )
}
