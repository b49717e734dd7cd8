// The embedding matrix: which runtimes, which cases, and what cannot work where. docs/embedding.md shows this table.
import path from 'node:path'

/** Where the runtimes are installed; git ignores it. */
export const CACHE = path.join('.cache', 'runtimes')

const MACHINE = { x64: 'x64', arm64: 'arm64' }[process.arch]
const BUN_MACHINE = { x64: 'x64', arm64: 'aarch64' }[process.arch]

/** `package`: on npm, with the program inside; `args` come before the script. */
const node = (major, version) => ({
  id: `node-${major}`,
  title: 'Node',
  version,
  package: `node-linux-${MACHINE}`,
  program: 'bin/node',
  args: [],
  command: 'node program.mjs',
})

export const RUNTIMES = [
  node(20, '20.20.2'),
  node(22, '22.23.3'),
  node(24, '24.21.0'),
  {
    id: 'bun',
    title: 'Bun',
    version: '1.4.5',
    package: `@oven/bun-linux-${BUN_MACHINE}`,
    program: 'bin/bun',
    args: [],
    command: 'bun program.mjs',
  },
  {
    id: 'deno',
    title: 'Deno',
    version: '2.9.6',
    package: `@deno/linux-${MACHINE}-glibc`,
    program: 'deno',
    // slipway is a native addon and needs the whole machine: finer permissions would promise what they cannot keep.
    args: ['run', '--allow-all', '--node-modules-dir=manual', '--no-lock', '--quiet'],
    // By another spelling of its path: Deno adds -A wherever it finds its own among the words of a command it starts.
    withoutRights: (program, args) => [
      `${path.dirname(program)}/./${path.basename(program)}`,
      ...args.filter((arg) => arg !== '--allow-all'),
      '--no-prompt',
    ],
    command: 'deno run --allow-all --node-modules-dir=manual program.mjs',
  },
]

/** The command of a process of this runtime that may not make containers. */
export const withoutRights = ({ withoutRights: own }, program, args) =>
  own?.(program, args) ?? ['setpriv', '--bounding-set=-sys_admin', '--inh-caps=-sys_admin', program, ...args]

/** The names of the cases of subset.ts, in the order in which they run. */
export const CASES = [
  'output, exit code and usage come back',
  'input goes in and output comes out while it runs',
  'eight megabytes pass through byte for byte',
  'a payload has a terminal',
  'signals, an abort and a time limit end a container',
  'limits of memory and processes hold',
  'eight containers run side by side',
  'a pool serves starts',
  'an image is loaded from an archive and run',
  'a layer compressed with zstd is unpacked',
  'wrong input is refused by its name',
  'a start that fails says at which step',
  'nothing is left of a container, nor of its engine',
  'a process without the rights says what it lacks',
  'a process that closes nothing ends by itself',
  'a process that is killed takes its container along',
  'a worker thread that is terminated takes its container along',
]

/**
 * What cannot work, and the error that must say so: a case fails when it works after all, or fails in any other way.
 * @type {readonly { runtime: string, case: string, tag: string, message: RegExp, why: string }[]}
 */
export const EXCEPTIONS = []

/** `id` of the runtime, also for one that is not of the table, e.g. the host's. */
export const exceptionFor = (id, name) =>
  EXCEPTIONS.find((exception) => exception.runtime === id && exception.case === name)
