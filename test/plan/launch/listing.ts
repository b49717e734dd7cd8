// A plan as text: one line for each operation, what `explain` shows of it.
import type { LaunchPlan, PlannedProgram } from '../../../src/plan/launch/index.ts'
import { type Arg, Data, Slot } from '../../../src/plan/program.ts'

const argument = (arg: Arg): string => {
  if (arg instanceof Slot) return `#${arg.index}`
  if (arg instanceof Data) return '&'
  return arg < 0 || arg < 10 ? String(arg) : `0x${arg.toString(16)}`
}

const lines = (title: string, { infos }: PlannedProgram): string[] => [
  `== ${title}`,
  ...infos.map(({ step, call, args, path }) => {
    const what = path === undefined ? '' : `  ${path}`
    return `${step}: ${call}(${args.map(argument).join(', ')})${what}`
  }),
]

export const listing = (plan: LaunchPlan): string =>
  [
    `clone flags 0x${plan.cloneFlags.toString(16)}${plan.cgroupSlot === undefined ? '' : ` into #${plan.cgroupSlot}`}`,
    ...lines('prepare', plan.prepare),
    ...(plan.join === undefined ? [] : lines('join', plan.join)),
    ...(plan.inChild === undefined ? [] : lines('in child', plan.inChild)),
    ...(plan.layers === undefined ? [] : lines('layers', plan.layers)),
    ...(plan.network === undefined ? [] : lines('network', plan.network)),
    ...lines('after', plan.after),
    ...plan.stages.flatMap((stage, index) =>
      lines(`stage ${index}, ${stage.when}, descriptors ${stage.fds.join(' ')} from #${stage.base}`, stage),
    ),
    '',
  ].join('\n')
