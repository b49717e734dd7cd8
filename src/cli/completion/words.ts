// What can stand where on a command line, out of the tables the parser and the help read.
import type { Command, FlagSpec } from '../command.ts'
import type { CommandGroup } from '../commands/index.ts'

/** Things whose names are asked of the engine when Tab is pressed. */
export const NAMED = ['image', 'container', 'any', 'registry', 'place', 'volume'] as const
export type Named = (typeof NAMED)[number]
/** What a word may be: a name, a path, a container's name with a colon or a path, or nothing that could be guessed. */
export type Kind = Named | 'file' | 'directory' | 'none'
/** Also one of a few words. */
export type ValueKind = Kind | readonly string[]

export interface FlagWords {
  /** Without dashes. */
  readonly names: readonly string[]
  readonly short?: string
  readonly help: string
  /** What the next word is; undefined for a flag that takes none. */
  readonly value?: ValueKind
}
export interface CommandWords {
  /** Every name of it, e.g. `images`, `image ls`, `image list`. */
  readonly names: readonly string[]
  readonly summary: string
  readonly flags: readonly FlagWords[]
  /** Kinds of its words in turn; the last one is that of all further words where `repeats`. */
  readonly positionals: readonly ValueKind[]
  readonly repeats: boolean
  /** Behind its first word nothing is ours. */
  readonly stopsAtPositional: boolean
}

export const HELP_FLAG: FlagWords = { names: ['help'], help: 'Show its help' }
export const FRONT_FLAGS: readonly FlagWords[] = [
  { names: ['root'], help: 'Keep images and containers below this directory', value: 'directory' },
  { names: ['config'], help: "Read and keep logins in this directory's config.json", value: 'directory' },
  { names: ['version'], help: 'Show the version' },
  { names: ['help'], help: 'Show the help' },
]

export const commandWords = async (groups: readonly CommandGroup[]): Promise<readonly CommandWords[]> =>
  Promise.all(
    groups.flatMap(({ commands }) =>
      commands.map(async ({ name, aliases = [], load }) => wordsOf([name, ...aliases], await load())),
    ),
  )

const wordsOf = (names: readonly string[], command: Command): CommandWords => ({
  names,
  summary: command.summary,
  flags: [...Object.entries(command.flags).flatMap(([name, spec]) => flagWords(name, spec)), HELP_FLAG],
  ...positionalsIn(command.usage),
  stopsAtPositional: command.stopsAtPositional === true,
})

const flagWords = (name: string, spec: FlagSpec): readonly FlagWords[] => {
  if (spec.unsupported !== undefined) return []
  const takesNext = spec.kind !== 'boolean' && spec.bare === undefined
  return [
    {
      names: [name],
      ...(spec.short === undefined ? {} : { short: spec.short }),
      help: spec.help,
      ...(takesNext ? { value: valueKind(spec.value ?? '') } : {}),
    },
  ]
}

/** The placeholder in the help says what a value is. */
const valueKind = (placeholder: string): ValueKind => {
  if (/^[a-z-]+(\|[a-z-]+)*$/.test(placeholder)) return placeholder.split('|')
  if (placeholder === 'OS/ARCH') return PLATFORMS
  if (placeholder === 'DIR') return 'directory'
  if (placeholder.startsWith('CONTAINER')) return 'container'
  const words = WORDS.get(placeholder)
  if (words !== undefined) return words
  return ['FILE', 'PATH', 'HOST:PATH[:OPTIONS]', 'HOST[:PATH][:rwm]'].includes(placeholder) ? 'file' : 'none'
}
const WORDS: ReadonlyMap<string, readonly string[]> = new Map([
  ['POLICY', ['no', 'on-failure', 'always', 'unless-stopped']],
  ['ACTION', ['none', 'stop', 'restart', 'kill']],
  ['DRIVER', ['compact', 'json-file', 'none']],
  ['STREAM', ['stdin', 'stdout', 'stderr']],
  ['SIGNAL', ['HUP', 'INT', 'QUIT', 'KILL', 'USR1', 'USR2', 'TERM', 'CONT', 'STOP', 'WINCH']],
])
const PLATFORMS = ['amd64', 'arm64', 'arm/v7', '386', 'ppc64le', 'riscv64', 's390x'].map(
  (arch) => `linux/${arch}`,
)

/** The usage line says what each word is, as in `[OPTIONS] CONTAINER [REPOSITORY[:TAG]]`. */
const positionalsIn = (usage: string): Pick<CommandWords, 'positionals' | 'repeats'> => {
  const words = usage.split(' ').filter((word) => word !== '[OPTIONS]' && word !== '')
  const own = words.slice(
    0,
    indexOrEnd(words, (word) => word.includes('COMMAND')),
  )
  const single = own.filter((word) => !word.includes('...'))
  const listed = single.length === 0 ? own.slice(0, 1) : single
  return { positionals: listed.map(kindOf), repeats: own.some((word) => word.includes('...')) }
}
const indexOrEnd = (words: readonly string[], test: (word: string) => boolean): number => {
  const at = words.findIndex(test)
  return at < 0 ? words.length : at
}

const kindOf = (word: string): ValueKind => {
  if (word.includes('CONTAINER:PATH')) return 'place'
  if (word.includes('CONTAINER')) return word.includes('IMAGE') ? 'any' : 'container'
  if (word.includes('VOLUME')) return 'volume'
  // A new name is nobody's yet.
  if (['NEW_NAME', '[NAME]'].includes(word)) return 'none'
  if (/IMAGE|REPOSITORY|NAME/.test(word)) return 'image'
  if (word.includes('TERM')) return 'none'
  if (word.includes('HOST')) return 'registry'
  if (/FILE|PATH/.test(word)) return 'file'
  return valueKind(word)
}

/** Words that begin commands of two words: `image`, `container`, `system`. */
export const nounsIn = (commands: readonly CommandWords[]): readonly string[] => [
  ...new Set(
    commands
      .flatMap(({ names }) => names.filter((name) => name.includes(' ')))
      .map((name) => name.replace(/ .*/, '')),
  ),
]

/** Every first word with what it does. */
export const firstWords = (commands: readonly CommandWords[]): readonly (readonly [string, string])[] => [
  ...commands.flatMap(({ names, summary }) =>
    names.filter((name) => !name.includes(' ')).map((name): readonly [string, string] => [name, summary]),
  ),
  ...nounsIn(commands).map((noun): readonly [string, string] => [noun, `Commands about ${noun}s`]),
  ['help', 'Show the help of a command'],
]

/** Every word behind a noun with what it does. */
export const secondWords = (
  commands: readonly CommandWords[],
  noun: string,
): readonly (readonly [string, string])[] =>
  commands.flatMap(({ names, summary }) =>
    names
      .filter((name) => name.startsWith(`${noun} `))
      .map((name): readonly [string, string] => [name.slice(noun.length + 1), summary]),
  )

export const dashed = ({ names, short }: FlagWords): readonly string[] => [
  ...names.map((name) => `--${name}`),
  ...(short === undefined ? [] : [`-${short}`]),
]

/** A text as one word of any of the three shells. */
export const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`

/** As the tables of bash and zsh have it: `file`, `words:linux/amd64|linux/arm64`. */
export const kindText = (value: ValueKind): string =>
  typeof value === 'string' ? value : `words:${value.join('|')}`
