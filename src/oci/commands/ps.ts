// slipway-oci ps: the processes of a container.
import * as E from '#fp/Either'
import { usage } from '../args.ts'
import { command } from '../command.ts'
import { named } from '../container.ts'
import { psTable } from '../ps-table.ts'

export const ps = command({
  name: 'ps',
  summary: 'Show the processes of a container',
  usage: '[OPTION...] ID [OPTION OF PS...]',
  flags: {
    format: { kind: 'text', short: 'f', value: 'FORMAT', help: 'table (default) or json' },
  },
  stopsAtPositional: true,
  positionals: { min: 1 },
  run: async (context) => {
    const { flags, positionals, world } = context
    const format = flags.format ?? 'table'
    const container = named(context)
    if (E.isLeft(container)) return container
    if (format !== 'table' && format !== 'json') return E.left(usage('invalid format option'))
    const pids = await (await context.runtime()).ps(container.right)
    if (E.isLeft(pids)) return pids
    const words = positionals.length > 1 ? positionals.slice(1) : ['-ef']
    const text =
      format === 'json' ? E.right(`${JSON.stringify(pids.right)}\n`) : table(words, pids.right, world)
    if (E.isLeft(text)) return text
    world.stdout(text.right)
    return E.right(0)
  },
})

/** As runc: whatever ps(1) of the host is asked for, it prints what the container has of it. */
const table = (
  words: readonly string[],
  pids: readonly number[],
  world: { readonly output: (program: string, args: readonly string[]) => { code: number; text: string } },
) => {
  const { code, text } = world.output('ps', words)
  return code === 0 ? psTable(text, pids) : E.left(usage(`ps: exit status ${code}: ${text.trim()}`))
}
