// A verb on several things, one after the other: each is told, each failure too, and one failure does not keep the others from it.
import * as E from '#fp/Either'
import type { TaskEither } from '#fp/TaskEither'
import type { EngineError } from '../model/errors.ts'
import type { Context } from './command.ts'
import type { EngineForCli } from './engine.ts'
import { refuse } from './report.ts'

/** `isFine`: a failure that is none. Gives the exit code. */
export const eachName = async (
  context: Pick<Context, 'args' | 'stdout' | 'stderr' | 'engine'>,
  verb: (engine: EngineForCli, name: string) => TaskEither<EngineError, unknown>,
  isFine: (error: EngineError) => boolean = () => false,
): Promise<number> => {
  const engine = await context.engine()
  let code = 0
  for (const name of context.args.positionals) {
    const done = await verb(engine, name)()
    if (E.isRight(done) || !isFine(done.left)) code = Math.max(code, tell(context, name, done))
  }
  return code
}

/** Prints the name as it was written once that is done, as Docker does, or what failed. Gives the exit code. */
export const tell = (
  { stdout, stderr }: Pick<Context, 'stdout' | 'stderr'>,
  name: string,
  done: E.Either<EngineError, unknown>,
): number => {
  if (E.isLeft(done)) return refuse({ stderr }, done.left)
  stdout.write(`${name}\n`)
  return 0
}
