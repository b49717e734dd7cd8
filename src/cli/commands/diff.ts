// slipway diff and slipway image diff: what was added, changed and deleted, a line for each.
import * as E from '#fp/Either'
import type { FileChange } from '../../model/image-verbs.ts'
import { command, type Output } from '../command.ts'
import { refuse } from '../report.ts'
import { printable } from '../table.ts'

export const diff = command({
  name: 'diff',
  summary: 'Show what a container changed of its image',
  usage: 'CONTAINER',
  positionals: { min: 1, max: 1 },
  flags: {},
  run: async (context) => {
    const changes = await (await context.engine()).diff(context.args.positionals[0] ?? '')()
    return E.isLeft(changes) ? refuse(context, changes.left) : show(context.stdout, changes.right)
  },
})

export const imageDiff = command({
  name: 'image diff',
  summary: 'Show what differs between two images',
  usage: 'IMAGE IMAGE',
  positionals: { min: 2, max: 2 },
  flags: {},
  run: async (context) => {
    const [before = '', after = ''] = context.args.positionals
    const changes = await (await context.engine()).images.diff(before, after)()
    return E.isLeft(changes) ? refuse(context, changes.left) : show(context.stdout, changes.right)
  },
})

const LETTERS = { added: 'A', changed: 'C', deleted: 'D' } as const

const show = (stdout: Output, changes: readonly FileChange[]): number => {
  stdout.write(changes.map(({ kind, path }) => `${LETTERS[kind]} ${printable(path)}\n`).join(''))
  return 0
}
