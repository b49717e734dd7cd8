// slipway image prune: removes images nobody asks for any more, after a question.
import * as E from '#fp/Either'
import { command } from '../command.ts'
import { confirmed, imagesText, POSTPONED, pruneForce, reclaimedText, tellDamaged } from '../prune.ts'
import { pruneFilters } from '../prune-filters.ts'
import { misuse, refuse } from '../report.ts'

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
    force: pruneForce,
  },
  run: async (context) => {
    const { stdout, stderr, args } = context
    const { all, filter, force } = args.flags
    const conditions = pruneFilters(filter, Date.now())
    if (E.isLeft(conditions)) return misuse(context, 'image prune', conditions.left)
    const what = all ? 'all images without at least one container associated to them' : 'all dangling images'
    if (!force && !(await confirmed(context, `WARNING! This will remove ${what}.\n`))) return 1
    const engine = await context.engine()
    const pruned = await engine.images.prune({ all, ...conditions.right })()
    if (E.isLeft(pruned)) return refuse(context, pruned.left)
    stdout.write(imagesText(pruned.right) + reclaimedText(pruned.right.reclaimedBytes))
    if (pruned.right.postponed) stderr.write(POSTPONED)
    await tellDamaged(context, engine, false)
    return 0
  },
})
