// Lays out the help of a verb and of the whole command, out of the same tables the parser reads.
import type { Command, FlagSpec, FlagTable } from './command.ts'

const NARROWEST = 60
const WIDEST = 110
/** A left column wider than this pushes its text to the next line instead of moving the whole column. */
const LEFT_LIMIT = 30

/** The longest name of a command. */
const MAIN_LEFT = 17

/** Breaks a text into lines of at most `width` characters at its blanks; a longer word stands alone. */
export const wrap = (text: string, width: number): readonly string[] => {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line)
      line = word
    } else line = line === '' ? word : `${line} ${word}`
  }
  lines.push(line)
  return lines
}

const clampWidth = (columns: number): number => Math.min(WIDEST, Math.max(NARROWEST, columns))

/** Two columns: names on the left, wrapped text on the right. */
export const twoColumns = (
  rows: readonly (readonly [left: string, right: string])[],
  columns: number,
  left = Math.min(LEFT_LIMIT, Math.max(0, ...rows.map(([name]) => name.length))),
): string => {
  const indent = left + 4
  const width = clampWidth(columns) - indent
  return rows
    .map(([name, text]) => {
      const [first = '', ...rest] = wrap(text, width)
      const head =
        name.length > left
          ? `  ${name}\n${' '.repeat(indent)}${first}`
          : `  ${name.padEnd(left)}  ${first}`.trimEnd()
      return [head, ...rest.map((line) => `${' '.repeat(indent)}${line}`)].join('\n')
    })
    .join('\n')
}

const flagName = (name: string, spec: FlagSpec): string => {
  const short = spec.short === undefined ? '    ' : `-${spec.short}, `
  const value = spec.kind === 'boolean' ? '' : ` ${spec.value ?? placeholder(spec.kind)}`
  return `${short}--${name}${value}`
}
const placeholder = (kind: Exclude<FlagSpec['kind'], 'boolean'>): string =>
  kind === 'integer' || kind === 'decimal' ? 'NUMBER' : 'VALUE'

const flagText = (spec: FlagSpec): string => {
  const notes = [
    spec.kind === 'boolean' && spec.on === true ? 'default: true' : undefined,
    spec.kind === 'list' ? 'repeatable' : undefined,
  ].filter((note) => note !== undefined)
  return notes.length === 0 ? spec.help : `${spec.help} (${notes.join(', ')})`
}

/** Groups in the order in which they first appear; flags without one come first. */
const grouped = (flags: FlagTable): ReadonlyMap<string, readonly (readonly [string, FlagSpec])[]> => {
  const groups = new Map<string, (readonly [string, FlagSpec])[]>([['Options', []]])
  for (const entry of Object.entries(flags)) {
    if (entry[1].unsupported !== undefined) continue
    const title = entry[1].group ?? 'Options'
    groups.set(title, [...(groups.get(title) ?? []), entry])
  }
  return groups
}

const unsupportedNames = (flags: FlagTable): readonly string[] =>
  Object.keys(flags).filter((name) => flags[name]?.unsupported !== undefined)

/** The text of `slipway VERB --help`, ending in a newline. */
export const commandHelp = (command: Command, columns: number): string => {
  const parts = [`Usage: slipway ${command.name} ${command.usage}`.trimEnd(), command.summary]
  const groups = grouped(command.flags)
  for (const [title, entries] of groups) {
    const rows = entries.map(([name, spec]) => [flagName(name, spec), flagText(spec)] as const)
    const all = title === 'Options' ? [...rows, ['    --help', 'Show this text'] as const] : rows
    if (all.length > 0) parts.push(`${title}:\n${twoColumns(all, columns, LEFT_LIMIT)}`)
  }
  const refused = unsupportedNames(command.flags)
  if (refused.length > 0)
    parts.push(
      `Known from Docker or podman, refused for now (using one says why):\n${wrap(
        refused.map((name) => `--${name}`).join(' '),
        clampWidth(columns) - 2,
      )
        .map((line) => `  ${line}`)
        .join('\n')}`,
    )
  return `${parts.join('\n\n')}\n`
}

export interface HelpGroup {
  readonly title: string
  readonly commands: readonly Pick<Command, 'name' | 'summary'>[]
}

/** The text of `slipway --help`. */
export const mainHelp = (groups: readonly HelpGroup[], columns: number): string => {
  const sections = groups.map(
    ({ title, commands }) =>
      `${title}:\n${twoColumns(
        commands.map(({ name, summary }) => [name, summary]),
        columns,
        MAIN_LEFT,
      )}`,
  )
  const options = twoColumns(
    [
      ['--root DIR', 'Keep images and containers below DIR (also: SLIPWAY_ROOT)'],
      ['--config DIR', "Read and keep logins in DIR's config.json (also: DOCKER_CONFIG)"],
      ['--version', 'Show the version'],
      ['--help', 'Show this text, or the help of a command'],
    ],
    columns,
    MAIN_LEFT,
  )
  return `${[
    'Usage: slipway [--root DIR] [--config DIR] COMMAND [ARG...]',
    'Runs containers without a daemon.',
    ...sections,
    `Options:\n${options}`,
    "See 'slipway COMMAND --help' for what a command takes.",
  ].join('\n\n')}\n`
}

/** The text of `slipway NOUN --help`. */
export const nounHelp = (noun: string, commands: HelpGroup['commands'], columns: number): string => {
  const rows = commands.map(({ name, summary }) => [name.slice(noun.length + 1), summary] as const)
  return `Usage: slipway ${noun} COMMAND\n\nCommands:\n${twoColumns(rows, columns)}\n\nRun 'slipway ${noun} COMMAND --help' for the flags of a command.\n`
}
