// From an argument list to an exit code: reads the flags, finds the command, runs it, and tells a failure where callers look.
import * as E from '#fp/Either'
import { version } from '../model/version.ts'
import { type Args, parseArgs, type UsageError, usage } from './args.ts'
import { attempt } from './attempt.ts'
import type { Command, Context, World } from './command.ts'
import type { CommandEntry } from './commands/index.ts'
import { decodeGlobals, type Globals, globalFlags } from './globals.ts'
import { commandHelp, mainHelp } from './help.ts'
import { type Log, openLog } from './log.ts'
import type { OciRuntime } from './runtime.ts'
import { SPEC_VERSIONS } from './spec-version.ts'
import { openStateDir } from './state-dir.ts'
import { wording } from './wording.ts'

export const dispatch = async (world: World, commands: readonly CommandEntry[]): Promise<number> => {
  const front = parseArgs({ flags: globalFlags, stopsAtPositional: true }, world.argv)
  if (E.isLeft(front)) return misused(world, plainLog(world), front.left, await mainHelpOf(commands))
  const { flags, positionals, help } = front.right
  const [name, ...rest] = positionals
  if (flags.version) return show(world, versionText)
  if (help || name === undefined) return show(world, await mainHelpOf(commands))
  if (name === 'help') return show(world, await helpOf(commands, rest[0]))
  const globals = decodeGlobals(front.right, world)
  if (E.isLeft(globals)) return failed(plainLog(world), globals.left.message)
  const log = logOf(world, globals.right)
  if (E.isLeft(log)) return failed(plainLog(world), wording(log.left))
  const found = commands.find((command) => command.name === name)
  if (found === undefined) return failed(log.right, `unknown command ${JSON.stringify(name)}`)
  return runCommand(world, globals.right, log.right, await found.load(), rest)
}

/** dockerd takes the words before and after `version` for the name and the version: the word must not be on another line. */
const versionText = `slipway-oci version ${version}\nspec: ${SPEC_VERSIONS.max}\n`

const show = ({ stdout }: World, text: string): number => {
  stdout(text)
  return 0
}

const mainHelpOf = async (commands: readonly CommandEntry[]): Promise<string> =>
  mainHelp(await Promise.all(commands.map(({ load }) => load())))

const helpOf = async (commands: readonly CommandEntry[], name: string | undefined): Promise<string> => {
  const found = commands.find((command) => command.name === name)
  return found === undefined ? mainHelpOf(commands) : commandHelp(await found.load())
}

/** Until the flags of the log are known, and when they are wrong. */
const plainLog = ({ stderr, now }: World): Log => openLog({ format: 'text', level: 'error' }, stderr, now)

const logOf = ({ stderr, now }: World, { logFile, logFormat, logLevel }: Globals) => {
  const file = logFile === undefined ? {} : { file: logFile }
  return attempt(() => openLog({ ...file, format: logFormat, level: logLevel }, stderr, now))
}

const failed = (log: Log, message: string, code = 1): number => {
  log.error(message)
  return code
}

/** As runc: the help goes to standard output, the reason to the log. */
const misused = ({ stdout }: World, log: Log, { message }: UsageError, help: string): number => {
  stdout(`Incorrect Usage: ${message}\n\n${help}`)
  return failed(log, message)
}

const runCommand = async (
  world: World,
  globals: Globals,
  log: Log,
  command: Command,
  argv: readonly string[],
): Promise<number> => {
  const args = parseArgs(command, command.anyArguments ? [] : argv)
  if (E.isLeft(args)) return misused(world, log, args.left, commandHelp(command))
  if (args.right.help) return show(world, commandHelp(command))
  const wrong = wrongCount(command, args.right.positionals.length)
  if (wrong !== undefined) return misused(world, log, wrong, commandHelp(command))
  const { prefix, exitCode } = command.failure ?? { prefix: '', exitCode: 1 }
  const outcome = await withContext(world, globals, log, args.right, command.run)
  if (E.isRight(outcome)) return outcome.right
  return failed(log, `${prefix}${wording(outcome.left)}`, exitCode)
}

const wrongCount = ({ name, positionals }: Command, given: number): UsageError | undefined => {
  const { min, max = Number.POSITIVE_INFINITY } = positionals
  if (given >= min && given <= max) return undefined
  const bound = min === max ? 'exactly' : given < min ? 'a minimum of' : 'a maximum of'
  return usage(`slipway-oci: "${name}" requires ${bound} ${given < min ? min : max} argument(s)`)
}

const withContext = async (
  world: World,
  globals: Globals,
  log: Log,
  { flags, positionals }: Args,
  run: Command['run'],
): ReturnType<Command['run']> => {
  const state = openStateDir(globals.root)
  let runtime: Promise<OciRuntime> | undefined
  const context: Context = {
    world,
    globals,
    log,
    state,
    flags,
    positionals,
    runtime: () => {
      runtime ??= world.openRuntime({ globals, state, log, env: world.env })
      return runtime
    },
  }
  try {
    return await run(context)
  } finally {
    await (await runtime)?.close()
  }
}
