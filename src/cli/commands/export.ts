// slipway export: a container's files as a tar.
import * as E from '#fp/Either'
import { command } from '../command.ts'
import { interruptible } from '../image-flags.ts'
import { misuse } from '../report.ts'
import { tarOutput } from '../tar-output.ts'

export const exportCommand = command({
  name: 'export',
  summary: "Write a container's files into a tar",
  usage: '[OPTIONS] CONTAINER',
  positionals: { min: 1, max: 1 },
  flags: {
    output: { kind: 'text', short: 'o', value: 'FILE', help: 'Write there. Default: standard output' },
  },
  run: async (context) => {
    const output = tarOutput(context, context.args.flags.output)
    if (output === undefined)
      return misuse(context, 'export', 'standard output is a terminal: name a file with -o, or redirect it')
    const exported = await interruptible(
      context,
      async (signal) =>
        (await context.engine()).export(context.args.positionals[0] ?? '', output.target, { signal }),
      output.check,
    )
    return E.isLeft(exported) ? exported.left : 0
  },
})
