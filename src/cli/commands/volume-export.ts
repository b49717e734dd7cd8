// slipway volume export: a volume's files as a tar.
import * as E from '#fp/Either'
import { command } from '../command.ts'
import { interruptible } from '../image-flags.ts'
import { misuse } from '../report.ts'
import { tarOutput } from '../tar-output.ts'

export const volumeExport = command({
  name: 'volume export',
  summary: "Write a volume's files into a tar",
  usage: '[OPTIONS] VOLUME',
  positionals: { min: 1, max: 1 },
  flags: {
    output: { kind: 'text', short: 'o', value: 'FILE', help: 'Write there. Default: standard output' },
  },
  run: async (context) => {
    const [name = ''] = context.args.positionals
    const output = tarOutput(context, context.args.flags.output)
    if (output === undefined)
      return misuse(
        context,
        'volume export',
        'standard output is a terminal: name a file with -o, or redirect it',
      )
    const exported = await interruptible(
      context,
      async (signal) => (await context.engine()).volumes.export(name, output.target, { signal }),
      output.check,
    )
    return E.isLeft(exported) ? exported.left : 0
  },
})
