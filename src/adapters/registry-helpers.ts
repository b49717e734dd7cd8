// Docker's credential helpers: programs `docker-credential-NAME` that keep passwords, asked by a verb and standard input.
import { spawn } from 'node:child_process'
import { thrown } from './attempt.ts'

type Environment = Readonly<Record<string, string | undefined>>

export interface HelperAnswer {
  readonly Username: string
  readonly Secret: string
}
export interface CredentialHelper {
  /** Undefined when it knows none. */
  readonly get: (server: string) => Promise<HelperAnswer | undefined>
  readonly store: (server: string, username: string, secret: string) => Promise<void>
  /** True when there was one. */
  readonly erase: (server: string) => Promise<boolean>
}

/** What every helper says on standard output when it has nothing (docker-credential-helpers, credentials/error.go). */
const NOT_FOUND = 'credentials not found in native keychain'
/** A keychain may ask its user first. Milliseconds. */
const PATIENCE_MS = 120_000
const MAX_OUTPUT = 1024 * 1024

/** Every failure is a HostUnfit that names the program. */
export const credentialHelper = (name: string, env: Environment, signal?: AbortSignal): CredentialHelper => {
  const program = `docker-credential-${name}`
  const ask = async (verb: string, input: string): Promise<string | undefined> => {
    if (!/^[A-Za-z0-9._-]+$/.test(name))
      throw unfit(program, 'its name must be letters, digits, dots and dashes')
    const { code, output, error } = await runProgram(program, verb, input, env, signal)
    if (code === 0) return output
    const words = (output.trim() || error.trim()).replace(/[^\x20-\x7e]+/g, ' ').slice(0, 200)
    if (words.includes(NOT_FOUND)) return undefined
    throw unfit(
      program,
      `${verb} ${code === undefined ? 'was killed' : `failed with code ${code}`}: ${words}`,
    )
  }
  return {
    get: async (server) => {
      const output = await ask('get', server)
      return output === undefined ? undefined : answerIn(program, output)
    },
    store: async (server, username, secret) => {
      const request = { ServerURL: server, Username: username, Secret: secret }
      if ((await ask('store', JSON.stringify(request))) === undefined)
        throw unfit(program, 'it did not store')
    },
    erase: async (server) => (await ask('erase', server)) !== undefined,
  }
}

const answerIn = (program: string, output: string): HelperAnswer => {
  let answer: Record<string, unknown> | undefined
  try {
    answer = JSON.parse(output) as Record<string, unknown>
  } catch {}
  const { Username, Secret } = answer ?? {}
  if (typeof Username === 'string' && typeof Secret === 'string') return { Username, Secret }
  throw unfit(program, 'its answer lacks Username or Secret')
}

const unfit = (need: string, why: string): Error =>
  thrown({
    _tag: 'HostUnfit',
    need,
    why,
    remedy: 'it is named by credsStore or credHelpers in the file config.json in $DOCKER_CONFIG or ~/.docker',
  })

interface Ran {
  readonly code: number | undefined
  readonly output: string
  readonly error: string
}

const runProgram = (
  program: string,
  verb: string,
  input: string,
  env: Environment,
  signal: AbortSignal | undefined,
): Promise<Ran> =>
  new Promise((resolve, reject) => {
    const child = spawn(program, [verb], {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: env as NodeJS.ProcessEnv,
      ...(signal === undefined ? {} : { signal }),
    })
    const texts = { output: '', error: '' }
    const collect = (name: keyof typeof texts) => (chunk: Buffer) => {
      if (texts[name].length < MAX_OUTPUT) texts[name] += chunk.toString('utf8')
    }
    child.stdout.on('data', collect('output'))
    child.stderr.on('data', collect('error'))
    // Not spawn's own limit: its timer outlives a program that could not be started.
    const limit = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS)
    child.on('error', (error: NodeJS.ErrnoException) => {
      clearTimeout(limit)
      if (error.name === 'AbortError') return reject(error)
      reject(unfit(program, error.code === 'ENOENT' ? 'it is not on the PATH' : error.message))
    })
    child.on('close', (code) => {
      clearTimeout(limit)
      resolve({ code: code ?? undefined, ...texts })
    })
    // A helper may answer without reading.
    child.stdin.on('error', () => {})
    child.stdin.end(input)
  })
