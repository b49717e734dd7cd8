// slipway top: the processes of a container.
import * as E from '#fp/Either'
import { command } from '../command.ts'
import { refuse } from '../report.ts'
import { printable } from '../table.ts'

/** docker/cli container/top.go: tabwriter, cells of 20 and three blanks after them. */
const LEAST_WIDTH = 20
const GAP = 3

export const top = command({
  name: 'top',
  summary: 'Show the processes of a container',
  usage: 'CONTAINER [ps OPTIONS]',
  positionals: { min: 1 },
  stopsAtPositional: true,
  flags: {},
  run: async (context) => {
    const [container = '', ...words] = context.args.positionals
    const { containers } = await context.engine()
    const found = await containers.top(container, words)()
    if (E.isLeft(found)) return refuse(context, found.left)
    context.stdout.write(topTable([found.right.titles, ...found.right.processes]))
    return 0
  },
})

export const topTable = (rows: readonly (readonly string[])[]): string => {
  const shown = rows.map((row) => row.map(printable))
  const widths = (shown[0] ?? []).map((_, column) =>
    Math.max(LEAST_WIDTH, ...shown.map((row) => [...(row[column] ?? '')].length + GAP)),
  )
  const line = (row: readonly string[]): string =>
    row.map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(widths[column] ?? 0))).join('')
  return `${shown.map(line).join('\n')}\n`
}
