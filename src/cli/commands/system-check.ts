// slipway system check: whether the store is what it says, and what could be put right.
import * as E from '#fp/Either'
import type { StoreReport } from '../../model/image-verbs.ts'
import { command } from '../command.ts'
import { interruptible } from '../image-flags.ts'
import { printable } from '../table.ts'

export const systemCheck = command({
  name: 'system check',
  summary: 'Verify everything that is stored, and put right what can be',
  usage: '[OPTIONS]',
  flags: {
    'dry-run': { kind: 'boolean', help: 'Change nothing' },
    quick: { kind: 'boolean', help: 'Digests and records only: do not unpack every layer again to compare' },
  },
  run: async (context) => {
    const { quick, 'dry-run': dryRun } = context.args.flags
    const report = await interruptible(context, async (signal) =>
      (await context.engine()).images.check({ heal: !dryRun, trees: !quick, signal }),
    )
    if (E.isLeft(report)) return report.left
    context.stdout.write(reportText(report.right))
    return report.right.problems.some(({ healed }) => !healed) ? 1 : 0
  },
})

/** One line for each problem, and one with what was looked at. */
export const reportText = ({ checked, problems }: StoreReport): string => {
  const lines = problems.map(
    ({ what, why, healed, remedy }) =>
      `${healed ? 'healed' : 'BROKEN'}: ${printable(what)}: ${printable(why)}\n  ${printable(remedy)}\n`,
  )
  const { blobs, records, layers, stacks } = checked
  const broken = problems.filter(({ healed }) => !healed).length
  const found = problems.length === 0 ? 'all sound' : `${problems.length - broken} healed, ${broken} broken`
  return `${lines.join('')}${blobs} blobs, ${records} records, ${layers} layers, ${stacks} trees: ${found}\n`
}
