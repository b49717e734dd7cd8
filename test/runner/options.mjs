// The runner's command line.
import { availableParallelism } from 'node:os'

export const USAGE = `usage: node test/run.mjs [options] [words]
  words              only files whose path contains one of them
  --unit             only files that need no privilege and no addon
  --file=PATH        this very file; may be repeated
  --list=PATH        only the files named in PATH, one per line
  --jobs=N           files at a time
  --timeout=SECONDS  limit for one file
  --again            files that fail are run once more, alone, and named if they pass then
  --sanitize         the tests of the addon and the helper, with both built for address,undefined
  --bundle-to=DIR    write the bundled test files there and run nothing
  --prebuilt=DIR     run what --bundle-to wrote`

const TIMEOUT_S = 300

const positive = (value) => {
  const number = Number(value)
  if (!(number > 0)) throw new Error(`not a positive number: ${JSON.stringify(value)}`)
  return number
}
const VALUES = {
  file: (options, value) => ({ files: [...options.files, value] }),
  list: (_, list) => ({ list }),
  jobs: (_, value) => ({ jobs: Math.ceil(positive(value)) }),
  timeout: (_, value) => ({ timeoutMs: positive(value) * 1000 }),
  'bundle-to': (_, bundleTo) => ({ bundleTo }),
  prebuilt: (_, prebuilt) => ({ prebuilt }),
}
const SWITCHES = { '--unit': 'unit', '--sanitize': 'sanitize', '--again': 'again' }

/** What the words ask for; `error` says why they make no sense. An unknown option must not run everything. */
export const parseOptions = (args) => {
  let options = {
    words: [],
    files: [],
    unit: false,
    sanitize: false,
    again: false,
    jobs: availableParallelism(),
    timeoutMs: TIMEOUT_S * 1000,
  }
  for (const arg of args) {
    try {
      options = { ...options, ...parseWord(options, arg) }
    } catch (error) {
      return { ...options, error: `${arg}: ${error.message}` }
    }
  }
  return options
}

const parseWord = (options, arg) => {
  const [, name, value] = /^--([a-z-]+)=(.+)$/s.exec(arg) ?? []
  if (name !== undefined && Object.hasOwn(VALUES, name)) return VALUES[name](options, value)
  if (Object.hasOwn(SWITCHES, arg)) return { [SWITCHES[arg]]: true }
  if (arg.startsWith('-')) throw new Error('unknown option')
  return { words: [...options.words, arg] }
}
