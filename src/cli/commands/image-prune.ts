// slipway image prune: removes images nobody asks for any more, after a question.
import { createInterface } from 'node:readline'
import * as E from '#fp/Either'
import { type Context, command } from '../command.ts'
import { humanBytes } from '../human.ts'
import { refuse } from '../image-flags.ts'
import { pruneFilters } from '../prune-filters.ts'
import { misuse } from '../report.ts'

export const imagePrune = command({
  name: 'image prune',
  summary: 'Remove images that have no name, or that nobody uses',
  usage: '[OPTIONS]',
  flags: {
    all: {
      kind: 'boolean',
      short: 'a',
      help: 'Every image no container was made of, not only nameless ones',
    },
    filter: {
      kind: 'list',
      value: 'KEY=VALUE',
      help: 'Only images by until=24h (made before that), label=KEY[=VALUE] or label!=KEY[=VALUE]',
    },
    force: { kind: 'boolean', short: 'f', help: 'Do not ask' },
  },
  run: async (context) => {
    const { stdout, stderr, args, engine } = context
    const { all, filter, force } = args.flags
    const conditions = pruneFilters(filter, Date.now())
    if (E.isLeft(conditions)) return misuse(context, 'image prune', conditions.left)
    const what = all ? 'all images without at least one container associated to them' : 'all dangling images'
    if (!force && !(await confirmed(context, `WARNING! This will remove ${what}.\n`))) return 1
    const pruned = await (await engine()).images.prune({ all, ...conditions.right })()
    if (E.isLeft(pruned)) return refuse(context, pruned.left)
    const { untagged, deleted, reclaimedBytes, postponed } = pruned.right
    if (untagged.length + deleted.length > 0) stdout.write('Deleted Images:\n')
    for (const name of untagged) stdout.write(`untagged: ${name}\n`)
    for (const digest of deleted) stdout.write(`deleted: ${digest}\n`)
    if (untagged.length + deleted.length > 0) stdout.write('\n')
    stdout.write(`Total reclaimed space: ${humanBytes(reclaimedBytes)}\n`)
    if (postponed)
      stderr.write('slipway: another process adds images: files that nobody needs go with a later command\n')
    return 0
  },
})

/** Only `y` is a yes; the end of the input is a no. */
const confirmed = async (
  { stdin, stdout }: Pick<Context, 'stdin' | 'stdout'>,
  text: string,
): Promise<boolean> => {
  stdout.write(`${text}Are you sure you want to continue? [y/N] `)
  const lines = createInterface({ input: stdin.stream() })
  try {
    for await (const line of lines) return /^y(es)?$/i.test(line.trim())
    return false
  } finally {
    lines.close()
  }
}
