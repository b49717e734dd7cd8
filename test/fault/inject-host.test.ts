// Every operation of these starts fails once: the error names it, and the host is as it was before.
import { injectAll } from './inject.ts'

injectAll('fault/inject-host', ['the host image', 'in the namespaces of the host, behind a small init'])
