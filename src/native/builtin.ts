// Node's own modules, loaded when they are used: a short-lived command line pays 1–3 ms for each one it touches.
import { createRequire } from 'node:module'

interface Builtins {
  'node:child_process': typeof import('node:child_process')
  'node:net': typeof import('node:net')
  'node:stream': typeof import('node:stream')
  'node:stream/promises': typeof import('node:stream/promises')
}

let load: NodeJS.Require | undefined

export const builtin = <Name extends keyof Builtins>(name: Name): Builtins[Name] => {
  load ??= createRequire(import.meta.url)
  return load(name) as Builtins[Name]
}
