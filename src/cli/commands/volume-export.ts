// slipway volume export: a volume's files as a tar.
import { command } from '../command.ts'
import { writeTar } from '../tar-output.ts'

export const volumeExport = command({
  name: 'volume export',
  summary: "Write a volume's files into a tar",
  usage: '[OPTIONS] VOLUME',
  positionals: { min: 1, max: 1 },
  flags: {
    output: { kind: 'text', short: 'o', value: 'FILE', help: 'Write there. Default: standard output' },
  },
  run: (context) => {
    const [name = ''] = context.args.positionals
    return writeTar(context, 'volume export', context.args.flags.output, async (target, signal) =>
      (await context.engine()).volumes.export(name, target, { signal }),
    )
  },
})
