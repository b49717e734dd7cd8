// Every operation of these starts fails once: the error names it, and the host is as it was before.
import { injectAll } from './inject.ts'

injectAll('fault/inject-directory', [
  'a directory as root, with everything one can ask for',
  'a terminal for a user',
])
