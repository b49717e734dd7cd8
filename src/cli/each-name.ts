// A verb on several things, one after the other: each is told, each failure too, and one failure does not keep the others from it.
import * as E from '#fp/Either'
import type { TaskEither } from '#fp/TaskEither'
import type { EngineError } from '../model/errors.ts'
import type { Context } from './command.ts'
import type { ContainerSummary, EngineForCli } from './engine.ts'
import { misuse, refuse } from './report.ts'

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

/** What podman has: the verb for all containers that it is for. */
export const allFlag = (help: string) => ({ kind: 'boolean', short: 'a', help }) as const

type Status = ContainerSummary['status']

/** The names that were written or, with `--all`, those of containers in one of these states. Left: the exit code of a refusal. */
export const meantBy = async (
  context: Pick<Context, 'args' | 'stdout' | 'stderr' | 'engine'>,
  verb: string,
  states: readonly Status[],
): Promise<E.Either<number, readonly string[]>> => {
  const { positionals, flags } = context.args
  if (flags.all !== true)
    return positionals.length > 0
      ? E.right(positionals)
      : E.left(misuse(context, verb, 'name a container, or use --all'))
  if (positionals.length > 0) return E.left(misuse(context, verb, '--all and names exclude each other'))
  const listed = await (await context.engine()).list()()
  if (E.isLeft(listed)) return E.left(refuse(context, listed.left))
  const chosen = listed.right.filter(({ status }) => states.includes(status))
  // What is left of a damaged one may have no name.
  return E.right(chosen.map(({ name, id }) => name || id))
}

/** `eachName` for those. */
export const eachMeant = async (
  context: Parameters<typeof eachName>[0],
  verb: string,
  states: readonly Status[],
  done: Parameters<typeof eachName>[1],
  isFine?: Parameters<typeof eachName>[2],
): Promise<number> => {
  const names = await meantBy(context, verb, states)
  if (E.isLeft(names)) return names.left
  return eachName({ ...context, args: { ...context.args, positionals: names.right } }, done, isFine)
}

export const RUN = ['running', 'paused', 'restarting'] as const satisfies readonly Status[]
export const REST = ['created', 'stopped', 'damaged'] as const satisfies readonly Status[]

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
