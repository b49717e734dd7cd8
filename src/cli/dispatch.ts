// From an argument list to an exit code: finds the verb, decodes its arguments, runs it. The outside comes in as a value.
import * as E from '#fp/Either'
import { version } from '../model/version.ts'
import { nearestWord, parseArgs, type UsageError } from './args.ts'
import type { Command, Context } from './command.ts'
import type { CommandEntry, CommandGroup } from './commands/index.ts'
import type { EngineForCli } from './engine.ts'
import { commandHelp, mainHelp } from './help.ts'
import { READER_GONE_EXIT, ReaderGone, WriteFailed } from './output-failures.ts'
import { reportUsage } from './report.ts'

export interface World extends Omit<Context, 'args' | 'engine'> {
  /** Everything after the program's name. */
  readonly argv: readonly string[]
  /** The engine of a root; `undefined` is the default root of this user. */
  readonly engineOf: (root: string | undefined) => Promise<EngineForCli>
}

export const dispatch = async (world: World, groups: readonly CommandGroup[]): Promise<number> => {
  try {
    return await route(world, groups)
  } catch (error) {
    if (error instanceof ReaderGone) return READER_GONE_EXIT
    if (error instanceof WriteFailed) return outputLost(world, error)
    throw error
  }
}

/** Standard error may be just as full: then the exit code is all there is to say. */
const outputLost = (world: World, error: WriteFailed): number => {
  try {
    world.stderr.write(`slipway: cannot write the output: ${error.message}\n`)
  } catch {}
  return 1
}

const route = async (world: World, groups: readonly CommandGroup[]): Promise<number> => {
  const front = frontArgs(world.argv)
  if (E.isLeft(front)) return usageFailure(world, undefined, front.left, 1)
  const { root, verb, rest } = front.right
  if (verb === undefined || verb === '--help') return showMainHelp(world, groups, verb !== undefined)
  if (verb === '--version') {
    world.stdout.write(`slipway ${version}\n`)
    return 0
  }
  if (verb === 'help') return showHelpOf(world, groups, rest[0])
  const entry = find(groups, verb)
  if (entry === undefined) return usageFailure(world, undefined, unknownVerb(groups, verb), 1)
  return runCommand(world, await entry.load(), rest, root ?? world.env.SLIPWAY_ROOT)
}

interface Front {
  readonly root: string | undefined
  readonly verb: string | undefined
  readonly rest: readonly string[]
}

/** The flags before the verb. Few enough to be read by hand, and on the start path of every command. */
const frontArgs = (argv: readonly string[]): E.Either<UsageError, Front> => {
  let root: string | undefined
  let at = 0
  for (; argv[at]?.startsWith('-') === true; at++) {
    const word = argv[at] ?? ''
    if (word === '--root') root = argv[++at]
    else if (word.startsWith('--root=')) root = word.slice(7)
    else if (word === '--help' || word === '-h') return E.right({ root, verb: '--help', rest: [] })
    else if (word === '--version' || word === '-v') return E.right({ root, verb: '--version', rest: [] })
    else return E.left({ _tag: 'UsageError', message: `unknown flag ${word} before the command` })
    if (root === undefined || root === '')
      return E.left({ _tag: 'UsageError', message: '--root needs a directory' })
  }
  return E.right({ root, verb: argv[at], rest: argv.slice(at + 1) })
}

const runCommand = async (
  world: World,
  command: Command,
  argv: readonly string[],
  root: string | undefined,
): Promise<number> => {
  const parsed = parseArgs(command, argv)
  if (E.isLeft(parsed)) return usageFailure(world, command.name, parsed.left, command.usageExitCode ?? 1)
  if (parsed.right._tag === 'Help') {
    world.stdout.write(commandHelp(command, world.stdout.columns()))
    return 0
  }
  let engine: Promise<EngineForCli> | undefined
  const context: Context = {
    ...world,
    args: parsed.right.args,
    engine: () => {
      engine ??= world.engineOf(root === '' ? undefined : root)
      return engine
    },
  }
  try {
    return await command.run(context)
  } finally {
    await (await engine)?.close()
  }
}

const usageFailure = (world: World, verb: string | undefined, error: UsageError, code: number): number => {
  reportUsage(world.stderr, verb, error)
  return code
}

const find = (groups: readonly CommandGroup[], verb: string): CommandEntry | undefined => {
  for (const group of groups) for (const entry of group.commands) if (entry.name === verb) return entry
  return undefined
}

const unknownVerb = (groups: readonly CommandGroup[], verb: string): UsageError => {
  const names = groups.flatMap((group) => group.commands.map((entry) => entry.name))
  const guess = nearestWord(verb, names)
  return {
    _tag: 'UsageError',
    message: `unknown command ${JSON.stringify(verb)}`,
    ...(guess === undefined ? {} : { hint: `did you mean '${guess}'?` }),
  }
}

/** Without a verb the help is an answer to a mistake: standard error and a failure. */
const showMainHelp = async (
  world: World,
  groups: readonly CommandGroup[],
  asked: boolean,
): Promise<number> => {
  const loaded = await Promise.all(
    groups.map(async (group) => ({
      title: group.title,
      commands: await Promise.all(group.commands.map((entry) => entry.load())),
    })),
  )
  const output = asked ? world.stdout : world.stderr
  output.write(mainHelp(loaded, output.columns()))
  return asked ? 0 : 1
}

const showHelpOf = async (
  world: World,
  groups: readonly CommandGroup[],
  verb: string | undefined,
): Promise<number> => {
  if (verb === undefined) return showMainHelp(world, groups, true)
  const entry = find(groups, verb)
  if (entry === undefined) return usageFailure(world, undefined, unknownVerb(groups, verb), 1)
  world.stdout.write(commandHelp(await entry.load(), world.stdout.columns()))
  return 0
}
