// Files of the host that say by being missing, or forbidden, that there is nothing to say.
import { readFileSync } from 'node:fs'

/** The file's text, or `''`. */
export const readText = (file: string): string => {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
