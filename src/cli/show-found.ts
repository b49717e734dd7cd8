// What the inspect verbs share: names are looked up one after the other, and shown as JSON or through a template.
import * as E from '#fp/Either'
import type { EngineError } from '../model/errors.ts'
import type { UsageError } from './args.ts'
import type { Context } from './command.ts'
import type { EngineForCli } from './engine.ts'
import type { Format } from './format.ts'
import { misuse, refuse } from './report.ts'

export interface Wanted {
  /** Of --format. */
  readonly format: string | undefined
  readonly compile: (text: string) => E.Either<UsageError, Format>
}

/** What was found is shown although something else was not, as Docker does; the exit code tells. */
export const showFound = async (
  { stdout, stderr, engine, args }: Pick<Context, 'stdout' | 'stderr' | 'engine' | 'args'>,
  verb: string,
  { format = '', compile }: Wanted,
  lookUp: (engine: EngineForCli, name: string) => Promise<E.Either<EngineError, object>>,
): Promise<number> => {
  const template = format === '' || format === 'json' ? undefined : compile(format)
  if (template !== undefined && E.isLeft(template)) return misuse({ stderr }, verb, template.left)
  const live = await engine()
  const found: object[] = []
  let code = 0
  for (const name of args.positionals) {
    const inspected = await lookUp(live, name)
    if (E.isRight(inspected)) found.push(inspected.right)
    else code = refuse({ stderr }, inspected.left)
  }
  if (template === undefined) {
    stdout.write(`${format === 'json' ? JSON.stringify(found) : JSON.stringify(found, undefined, 4)}\n`)
    return code
  }
  for (const each of found) {
    const line = template.right.render(each)
    if (E.isLeft(line)) return misuse({ stderr }, verb, line.left)
    stdout.write(`${line.right}\n`)
  }
  return code
}
