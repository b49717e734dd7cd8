// Every operation of these starts fails once: the error names it, and the host is as it was before.
import { injectAll } from './inject.ts'

injectAll('fault/inject-layers', ["Docker's default on image layers", 'a kept container without a filter'])
