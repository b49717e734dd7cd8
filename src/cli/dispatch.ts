// From an argument list to an exit code: finds the verb, decodes its arguments, runs it. The outside comes in as a value.
import * as E from '#fp/Either'
import { version } from '../model/version.ts'
import { nearestWord, parseArgs, type UsageError } from './args.ts'
import type { Command, Context } from './command.ts'
import type { CommandEntry, CommandGroup } from './commands/index.ts'
import type { EngineForCli } from './engine.ts'
import { commandHelp, mainHelp, nounHelp } from './help.ts'
import { READER_GONE_EXIT, ReaderGone, WriteFailed } from './output-failures.ts'
import { reportUsage } from './report.ts'

export interface World extends Omit<Context, 'args' | 'engine'> {
  /** Everything after the program's name. */
  readonly argv: readonly string[]
  /** The engine of a root; `undefined` is the default root of this user. `config`: the folder of Docker's config.json. */
  readonly engineOf: (root: string | undefined, config: string | undefined) => Promise<EngineForCli>
  /** A command of this name has ended with 0. */
  readonly onSuccess?: (name: string) => void
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
  const { verb, rest } = front.right
  if (verb === undefined || verb === '--help') return showMainHelp(world, groups, verb !== undefined)
  if (verb === '--version') {
    world.stdout.write(`slipway ${version}\n`)
    return 0
  }
  if (verb === 'help') return showHelpOf(world, groups, rest)
  const found = find(groups, [verb, ...rest])
  if (found !== undefined) return runCommand(world, await found.entry.load(), found.rest, front.right)
  if (verbsOf(groups, verb).length > 0) return nounAlone(world, groups, verb, rest[0])
  return usageFailure(world, undefined, unknownVerb(groups, verb), 1)
}

/** `slipway image` and `slipway image --help` tell which verbs there are; a word that is none of them is a mistake. */
const nounAlone = async (
  world: World,
  groups: readonly CommandGroup[],
  noun: string,
  word: string | undefined,
): Promise<number> => {
  const asked = word === '--help' || word === '-h'
  if (word === undefined || asked) return showNounHelp(world, groups, noun, asked)
  const verbs = verbsOf(groups, noun).map((name) => name.slice(noun.length + 1))
  return usageFailure(world, undefined, unknownWord(`${noun} ${word}`, word, verbs, `${noun} `), 1)
}

const showNounHelp = async (
  world: World,
  groups: readonly CommandGroup[],
  noun: string,
  asked: boolean,
): Promise<number> => {
  const commands = await Promise.all(
    verbsOf(groups, noun).map(async (name) => {
      const { summary } = (await find(groups, name.split(' '))?.entry.load()) ?? { summary: '' }
      return { name, summary }
    }),
  )
  const output = asked ? world.stdout : world.stderr
  output.write(nounHelp(noun, commands, output.columns()))
  return asked ? 0 : 1
}

interface Front {
  readonly root: string | undefined
  /** Where Docker's config.json lies, in place of `$DOCKER_CONFIG`. */
  readonly config: string | undefined
  readonly verb: string | undefined
  readonly rest: readonly string[]
}

/** Docker's flags before the command, by what becomes of them: most are about a daemon, and there is none. */
const FRONT_FLAGS: Readonly<Record<string, 'directory' | 'value' | 'nothing' | 'context' | 'daemon'>> = {
  '--root': 'directory',
  '--config': 'directory',
  '--log-level': 'value',
  '-l': 'value',
  '--debug': 'nothing',
  '-D': 'nothing',
  '--context': 'context',
  '-c': 'context',
  '--host': 'daemon',
  '-H': 'daemon',
  '--tls': 'daemon',
  '--tlscacert': 'daemon',
  '--tlscert': 'daemon',
  '--tlskey': 'daemon',
  '--tlsverify': 'daemon',
}

/** Few enough to be read by hand, and on the start path of every command. */
const frontArgs = (argv: readonly string[]): E.Either<UsageError, Front> => {
  const given: { root: string | undefined; config: string | undefined } = {
    root: undefined,
    config: undefined,
  }
  let at = 0
  for (; argv[at]?.startsWith('-') === true; at++) {
    const word = argv[at] ?? ''
    if (word === '--help' || word === '-h') return E.right({ ...given, verb: '--help', rest: [] })
    if (word === '--version' || word === '-v') return E.right({ ...given, verb: '--version', rest: [] })
    const [, name = '', inline] = /^([^=]*)(?:=(.*))?$/s.exec(word) ?? []
    const kind = Object.hasOwn(FRONT_FLAGS, name) ? FRONT_FLAGS[name] : undefined
    if (kind === undefined) return wrongFront(`unknown flag ${word} before the command`)
    if (kind === 'daemon') return wrongFront(`${name} is not supported: there is no daemon to connect to`)
    if (kind === 'nothing') continue
    const value = inline ?? argv[++at] ?? ''
    if (value === '') return wrongFront(`${name} needs a ${kind === 'directory' ? kind : 'value'}`)
    if (kind === 'context' && value !== 'default')
      return wrongFront(
        `${name}: ${JSON.stringify(value)}: there is only the context default, which is this machine`,
      )
    if (name === '--root') given.root = value
    if (name === '--config') given.config = value
  }
  return E.right({ ...given, verb: argv[at], rest: argv.slice(at + 1) })
}

const wrongFront = (message: string): E.Either<UsageError, never> => E.left({ _tag: 'UsageError', message })

const runCommand = async (
  world: World,
  command: Command,
  argv: readonly string[],
  { root = world.env.SLIPWAY_ROOT, config }: Pick<Front, 'root' | 'config'>,
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
    env: config === undefined ? world.env : { ...world.env, DOCKER_CONFIG: config },
    args: parsed.right.args,
    engine: () => {
      engine ??= world.engineOf(root === '' ? undefined : root, config)
      return engine
    },
  }
  try {
    const code = await command.run(context)
    if (code === 0) world.onSuccess?.(command.name)
    return code
  } finally {
    await (await engine)?.close()
  }
}

const usageFailure = (world: World, verb: string | undefined, error: UsageError, code: number): number => {
  reportUsage(world.stderr, verb, error)
  return code
}

interface Found {
  readonly entry: CommandEntry
  readonly rest: readonly string[]
}

/** By the longest name the words begin with: `image prune` before `image`. */
const find = (groups: readonly CommandGroup[], words: readonly string[]): Found | undefined => {
  for (const length of [2, 1]) {
    const name = words.slice(0, length).join(' ')
    for (const group of groups)
      for (const entry of group.commands)
        if (entry.name === name || entry.aliases?.includes(name) === true)
          return { entry, rest: words.slice(length) }
  }
  return undefined
}

/** Every name that begins with this noun, the first one of each command. */
const verbsOf = (groups: readonly CommandGroup[], noun: string): readonly string[] =>
  groups.flatMap((group) =>
    group.commands.flatMap(({ name, aliases = [] }) =>
      [name, ...aliases].filter((each) => each.startsWith(`${noun} `)).slice(0, 1),
    ),
  )

const unknownVerb = (groups: readonly CommandGroup[], verb: string): UsageError => {
  const names = groups.flatMap((group) => group.commands.map((entry) => entry.name))
  return unknownWord(verb, verb, names, '')
}

const unknownWord = (
  whole: string,
  word: string,
  candidates: readonly string[],
  before: string,
): UsageError => {
  const guess = nearestWord(word, candidates)
  return {
    _tag: 'UsageError',
    message: `unknown command ${JSON.stringify(whole)}`,
    ...(guess === undefined ? {} : { hint: `did you mean '${before}${guess}'?` }),
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
  words: readonly string[],
): Promise<number> => {
  const [verb] = words
  if (verb === undefined) return showMainHelp(world, groups, true)
  const found = find(groups, words)
  if (found === undefined)
    return verbsOf(groups, verb).length > 0
      ? showNounHelp(world, groups, verb, true)
      : usageFailure(world, undefined, unknownVerb(groups, verb), 1)
  world.stdout.write(commandHelp(await found.entry.load(), world.stdout.columns()))
  return 0
}
