// slipway volume prune: removes volumes that no container has, after a question.
import * as E from '#fp/Either'
import { command } from '../command.ts'
import { confirmed, pruneForce, reclaimedText, tellDamaged, volumesText } from '../prune.ts'
import { pruneFilters } from '../prune-filters.ts'
import { misuse, refuse } from '../report.ts'

/** Docker has this one of `--all` among the filters. */
const isAll = (filter: string): boolean => filter === 'all=true' || filter === 'all=1'

export const volumePrune = command({
  name: 'volume prune',
  summary: 'Remove volumes that no container has',
  usage: '[OPTIONS]',
  flags: {
    all: { kind: 'boolean', short: 'a', help: 'Those that somebody gave a name, too' },
    filter: {
      kind: 'list',
      value: 'KEY=VALUE',
      help: 'Only volumes by until=24h (made before that), label=KEY[=VALUE] or label!=KEY[=VALUE]',
    },
    force: pruneForce,
  },
  run: async (context) => {
    const { filter, force, ...flags } = context.args.flags
    const all = flags.all || filter.some(isAll)
    const conditions = pruneFilters(
      filter.filter((each) => !isAll(each)),
      Date.now(),
    )
    if (E.isLeft(conditions)) return misuse(context, 'volume prune', conditions.left)
    const what = all ? 'all local volumes' : 'anonymous local volumes'
    const warning = `WARNING! This will remove ${what} not used by at least one container.\n`
    if (!force && !(await confirmed(context, warning))) return 1
    const engine = await context.engine()
    const pruned = await engine.volumes.prune({ all, ...conditions.right })()
    if (E.isLeft(pruned)) return refuse(context, pruned.left)
    context.stdout.write(volumesText(pruned.right) + reclaimedText(pruned.right.reclaimedBytes))
    await tellDamaged(context, engine, true)
    return 0
  },
})
