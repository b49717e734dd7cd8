// Every operation of these starts fails once: the error names it, and the host is as it was before.
import { injectAll } from './inject.ts'

injectAll('fault/inject-userns', ['a user namespace over image layers', 'behind a small init'])
