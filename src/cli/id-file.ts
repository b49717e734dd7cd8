// The file of --cidfile.
import { closeSync, openSync, unlinkSync, writeSync } from 'node:fs'
import * as E from '#fp/Either'
import { type EngineError, exitCodeOf } from '../model/errors.ts'
import { fileErrorText, inside } from './callers-files.ts'
import type { Context } from './command.ts'
import { reportError } from './report.ts'
import type { RunRequest } from './run-options.ts'

/** Creates the file of --cidfile before anything else, and takes it away again when no container came of it. */
export const withIdFile = async (
  context: Pick<Context, 'cwd' | 'stderr'>,
  request: Pick<RunRequest, 'cidfile'>,
  body: (record: (id: string) => void) => Promise<number>,
): Promise<number> => {
  if (request.cidfile === undefined) return body(() => {})
  const path = inside(context.cwd, request.cidfile)
  const file = createNew(path)
  if (E.isLeft(file)) {
    reportError(context.stderr, file.left)
    return exitCodeOf(file.left)
  }
  let written = false
  try {
    return await body((id) => {
      writeSync(file.right, id)
      written = true
    })
  } finally {
    closeSync(file.right)
    if (!written) unlinkSync(path)
  }
}

const createNew = (path: string): E.Either<EngineError, number> => {
  try {
    return E.right(openSync(path, 'wx', 0o644))
  } catch (error) {
    const exists = (error as NodeJS.ErrnoException).code === 'EEXIST'
    const why = exists ? 'exists already: it is the id of another container' : fileErrorText(error)
    return E.left({ _tag: 'InvalidOption', option: '--cidfile', value: path, why })
  }
}
