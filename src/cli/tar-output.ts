// Bytes of an archive to a file or to standard output, which must then be no terminal.
import { Writable } from 'node:stream'
import { inside } from './callers-files.ts'
import type { Context } from './command.ts'

export interface TarOutput {
  readonly target: { readonly path: string } | { readonly stream: Writable }
  /** Throws what ended the output, e.g. that nobody reads it any more. To be called before a failure is reported. */
  readonly check: () => void
}

/** Undefined: there is no file, and standard output is a terminal. */
export const tarOutput = (
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
