// slipway export: a container's files as a tar.
import { command } from '../command.ts'
import { writeTar } from '../tar-output.ts'

export const exportCommand = command({
  name: 'export',
  summary: "Write a container's files into a tar",
  usage: '[OPTIONS] CONTAINER',
  positionals: { min: 1, max: 1 },
  flags: {
    output: { kind: 'text', short: 'o', value: 'FILE', help: 'Write there. Default: standard output' },
  },
  run: (context) => {
    const [container = ''] = context.args.positionals
    return writeTar(context, 'export', context.args.flags.output, async (target, signal) =>
      (await context.engine()).export(container, target, { signal }),
    )
  },
})
