// slipway container prune: removes containers that have ended, after a question.
import * as E from '#fp/Either'
import { command } from '../command.ts'
import { confirmed, containersText, pruneContainers, pruneForce, reclaimedText } from '../prune.ts'
import { pruneFilters } from '../prune-filters.ts'
import { misuse, refuse } from '../report.ts'

export const containerPrune = command({
  name: 'container prune',
  summary: 'Remove containers that have ended',
  usage: '[OPTIONS]',
  flags: {
    filter: {
      kind: 'list',
      value: 'KEY=VALUE',
      help: 'Only containers by until=24h (made before that), label=KEY[=VALUE] or label!=KEY[=VALUE]',
    },
    force: pruneForce,
  },
  run: async (context) => {
    const { filter, force } = context.args.flags
    const conditions = pruneFilters(filter, Date.now())
    if (E.isLeft(conditions)) return misuse(context, 'container prune', conditions.left)
    if (!force && !(await confirmed(context, 'WARNING! This will remove all stopped containers.\n'))) return 1
    const pruned = await pruneContainers(await context.engine(), conditions.right)
    if (E.isLeft(pruned)) return refuse(context, pruned.left)
    context.stdout.write(containersText(pruned.right) + reclaimedText(pruned.right.reclaimedBytes))
    return 0
  },
})
