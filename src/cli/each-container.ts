// A verb on several containers, one after the other: each is told, each failure too, and one failure does not keep the others from it.
import * as E from '#fp/Either'
import type { TaskEither } from '#fp/TaskEither'
import type { EngineError } from '../model/errors.ts'
import type { Context } from './command.ts'
import type { EngineForCli } from './engine.ts'
import { reportError } from './report.ts'

/** Prints each name as it was written once that is done, as Docker does. Gives the exit code. */
export const eachContainer = async (
  { args, stdout, stderr, engine }: Context,
  verb: (containers: EngineForCli['containers'], name: string) => TaskEither<EngineError, unknown>,
): Promise<number> => {
  const { containers } = await engine()
  let code = 0
  for (const name of args.positionals) {
    const done = await verb(containers, name)()
    if (E.isRight(done)) stdout.write(`${name}\n`)
    else {
      reportError(stderr, done.left)
      code = 1
    }
  }
  return code
}
