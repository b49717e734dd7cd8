// What tells that a file of the host is still the one that was copied.
import { lstatSync } from 'node:fs'

/** ctime moves with every change of content, mode, owner or name, and nobody can set it back. */
export const seen = (hostRoot: string, at: string): string => {
  const found = lstatSync(`${hostRoot}/${at}`, { throwIfNoEntry: false })
  return found === undefined ? '-' : `${found.dev}:${found.ino}:${found.ctimeMs}`
}
