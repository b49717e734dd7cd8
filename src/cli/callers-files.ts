// Files the caller names on the command line, taken relative to the caller's own directory.
import { readFileSync } from 'node:fs'
import * as E from '#fp/Either'
import { errnoText } from '../model/errno.ts'
import type { ReadFile } from './key-value-files.ts'

/** `ENOENT (no such file or directory)`, for an error of node:fs. */
export const fileErrorText = (error: unknown): string => {
  const { errno } = error as NodeJS.ErrnoException
  return errno === undefined ? String(error) : errnoText(Math.abs(errno))
}

export const inside = (cwd: string, path: string): string => (path.startsWith('/') ? path : `${cwd}/${path}`)

export const readCallersFile =
  (cwd: string): ReadFile =>
  (path) => {
    try {
      return E.right(readFileSync(inside(cwd, path), 'utf8'))
    } catch (error) {
      return E.left(fileErrorText(error))
    }
  }
