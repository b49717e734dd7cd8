// Tells which of Node's own modules a process has loaded by its end.
import { writeFileSync } from 'node:fs'
import path from 'node:path'

/** Modules of Node that cost milliseconds: none is needed to refuse, and none to start from the store. */
export const DEAR = [
  'net',
  'tty',
  'stream',
  'http',
  'https',
  'zlib',
  'crypto',
  'child_process',
  'readline',
  'worker_threads',
]

/** A file for `node -r`: the process ends with a line on standard error that `modulesIn` reads. */
export const writeLoadProbe = (folder: string): string => {
  const probe = path.join(folder, 'probe.cjs')
  writeFileSync(
    probe,
    'process.on("exit", () => require("node:fs").writeSync(2, "\\nLOADED " + process.moduleLoadList.join(" ")))',
  )
  return probe
}

export const modulesIn = (stderr: string): ReadonlySet<string | undefined> =>
  new Set(
    [...(/LOADED (.*)$/.exec(stderr)?.[1] ?? '').matchAll(/NativeModule (\S+)/g)].map(([, name]) => name),
  )
