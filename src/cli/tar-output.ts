// Bytes of an archive to a file or to standard output, which must then be no terminal.
import { Writable } from 'node:stream'
import * as E from '#fp/Either'
import type { TaskEither } from '#fp/TaskEither'
import type { EngineError } from '../model/errors.ts'
import { inside } from './callers-files.ts'
import type { Context } from './command.ts'
import { interruptible } from './image-flags.ts'
import { misuse } from './report.ts'

interface TarOutput {
  readonly target: { readonly path: string } | { readonly stream: Writable }
  /** Throws what ended the output, e.g. that nobody reads it any more. To be called before a failure is reported. */
  readonly check: () => void
}

/** Runs what writes there until a signal ends it; gives the exit code. */
export const writeTar = async (
  context: Pick<Context, 'stdout' | 'stderr' | 'cwd' | 'onSignal'>,
  verb: string,
  file: string | undefined,
  write: (target: TarOutput['target'], signal: AbortSignal) => Promise<TaskEither<EngineError, unknown>>,
): Promise<number> => {
  const output = tarOutput(context, file)
  if (output === undefined)
    return misuse(context, verb, 'standard output is a terminal: name a file with -o, or redirect it')
  const written = await interruptible(context, (signal) => write(output.target, signal), output.check)
  return E.isLeft(written) ? written.left : 0
}

/** Undefined: there is no file, and standard output is a terminal. */
const tarOutput = (
  { stdout, cwd }: Pick<Context, 'stdout' | 'cwd'>,
  file: string | undefined,
): TarOutput | undefined => {
  if (file !== undefined && file !== '' && file !== '-')
    return { target: { path: inside(cwd, file) }, check: () => {} }
  if (stdout.isTTY()) return undefined
  let failure: unknown
  const stream = new Writable({
    write: (chunk, _encoding, done) => {
      try {
        stdout.write(chunk)
        done()
      } catch (error) {
        failure = error
        done(error as Error)
      }
    },
  })
  return {
    target: { stream },
    check: () => {
      if (failure !== undefined) throw failure
    },
  }
}
