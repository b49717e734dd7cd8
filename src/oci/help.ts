// The help of the command and of its commands.
import type { FlagTable } from './args.ts'
import type { Command } from './command.ts'
import { globalFlags } from './globals.ts'

export const mainHelp = (commands: readonly Command[]): string =>
  [
    'Usage: slipway-oci [OPTION...] COMMAND [OPTION...] [ARG...]',
    '',
    'An OCI runtime with the command line of runc. A container is made from a bundle: a directory with a config.json.',
    '',
    'Commands:',
    ...columns(commands.map(({ name, summary }) => [name, summary])),
    '',
    'Options before the command:',
    ...columns(flagRows(globalFlags)),
    '',
  ].join('\n')

export const commandHelp = ({ name, usage, summary, flags }: Command): string =>
  [
    `Usage: slipway-oci [OPTION...] ${name} ${usage}`.trimEnd(),
    '',
    `${summary}.`,
    ...(Object.keys(flags).length === 0 ? [] : ['', 'Options:', ...columns(flagRows(flags))]),
    '',
  ].join('\n')

const flagRows = (flags: FlagTable): readonly (readonly [string, string])[] =>
  Object.entries(flags).map(([name, { short, kind, value = 'VALUE', help }]) => {
    const letter = short === undefined ? '    ' : `-${short}, `
    return [`${letter}--${name}${kind === 'boolean' ? '' : ` ${value}`}`, help]
  })

const columns = (rows: readonly (readonly [string, string])[]): readonly string[] => {
  const width = Math.max(...rows.map(([left]) => left.length))
  return rows.map(([left, right]) => `  ${left.padEnd(width)}   ${right}`)
}
