// slipway login: proves a password to a registry and keeps it where Docker does.
import { constants } from 'node:os'
import * as E from '#fp/Either'
import type { LoggedIn } from '../../model/image-verbs.ts'
import type { UsageError } from '../args.ts'
import { type Context, command, type FlagTable } from '../command.ts'
import { registryFlags, transfer } from '../image-flags.ts'
import { openPrompt } from '../prompt.ts'
import { reportUsage } from '../report.ts'

const loginFlags = {
  username: { kind: 'text', short: 'u', value: 'NAME', help: 'User name. Default: asked for on a terminal' },
  password: {
    kind: 'text',
    short: 'p',
    value: 'PASSWORD',
    help: 'Password or token; others can see it in the list of processes',
  },
  'password-stdin': { kind: 'boolean', help: 'Take the password from standard input' },
  'tls-verify': registryFlags['tls-verify'],
  authfile: registryFlags.authfile,
} as const satisfies FlagTable

type LoginContext = Context<typeof loginFlags>

/** A password is no longer than this, in bytes. */
const MAX_PASSWORD = 1024 * 1024
/** Added to the number of a signal that ended a program. */
const SIGNAL_BASE = 128
const HUB = 'docker.io'

export const login = command({
  name: 'login',
  summary: 'Log in to a registry',
  usage: '[OPTIONS] [HOST]',
  positionals: { min: 0, max: 1 },
  flags: loginFlags,
  run: async (context) => {
    const [registry = HUB] = context.args.positionals
    const problem = conflictIn(context)
    if (problem !== undefined) return refused(context, problem)
    if (context.args.flags.password !== undefined)
      context.stderr.write('slipway: --password can be seen by others; --password-stdin cannot\n')
    const given = await credentials(context)
    if (typeof given === 'number') return given
    if ('_tag' in given) return refused(context, given)
    const done = await transfer(context, { quiet: true, platform: undefined }, async ({ signal }) =>
      (await context.engine()).images.login(registry, { ...given, signal }),
    )
    if (E.isLeft(done)) return done.left
    if (done.right.plain) context.stderr.write(warning(done.right))
    context.stdout.write('Login Succeeded\n')
    return 0
  },
})

const warning = ({ where }: LoggedIn): string =>
  `slipway: whoever can read ${where} can read the password\n  hint: credsStore or credHelpers in that file name a program that keeps it\n`

const usage = (message: string): UsageError => ({ _tag: 'UsageError', message })

const refused = ({ stderr }: Pick<Context, 'stderr'>, error: UsageError): number => {
  reportUsage(stderr, 'login', error)
  return 1
}

const conflictIn = ({ args: { flags } }: LoginContext): UsageError | undefined => {
  if (!flags['password-stdin']) return undefined
  if (flags.password !== undefined) return usage('--password and --password-stdin exclude each other')
  return flags.username === undefined ? usage('--password-stdin needs --username') : undefined
}

interface Given {
  readonly username: string
  readonly password: string
}

/** A number is the exit code of who gave up. */
const credentials = async (context: LoginContext): Promise<Given | UsageError | number> => {
  const { username, password, 'password-stdin': fromStdin } = context.args.flags
  if (fromStdin) return fromInput(context, username ?? '')
  if (username !== undefined && password !== undefined) return { username, password }
  if (!context.stdin.isTTY())
    return usage('standard input is no terminal to ask on: give --username and --password-stdin')
  const prompt = openPrompt(context)
  try {
    const name = username ?? (await prompt.ask('Username: '))
    const secret = name === undefined ? undefined : (password ?? (await prompt.askSecret('Password: ')))
    if (name === undefined || secret === undefined)
      return SIGNAL_BASE + constants.signals[prompt.cancelledBy() ?? 'SIGINT']
    if (name.trim() === '') return usage('a user name is needed')
    return secret === '' ? usage('a password is needed') : { username: name.trim(), password: secret }
  } finally {
    prompt.close()
  }
}

/** As Docker: the end of the last line is no part of it. */
const fromInput = async ({ stdin }: LoginContext, username: string): Promise<Given | UsageError> => {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of stdin.stream()) {
    chunks.push(Buffer.from(chunk))
    size += chunks.at(-1)?.length ?? 0
    if (size > MAX_PASSWORD) return usage('standard input is too long for a password')
  }
  const password = Buffer.concat(chunks)
    .toString('utf8')
    .replace(/\r?\n$/, '')
  return password === '' ? usage('standard input holds no password') : { username, password }
}
