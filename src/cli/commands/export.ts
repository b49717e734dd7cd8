// slipway export: a container's files as a tar.
import * as E from '#fp/Either'
import { command } from '../command.ts'
import { transfer } from '../image-flags.ts'
import { reportUsage } from '../report.ts'
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
    if (output === undefined) {
      reportUsage(context.stderr, 'export', {
        _tag: 'UsageError',
        message: 'standard output is a terminal: name a file with -o, or redirect it',
      })
      return 1
    }
    const exported = await transfer(
      context,
      { quiet: true, platform: undefined },
      async ({ signal }) =>
        (await context.engine()).export(context.args.positionals[0] ?? '', output.target, { signal }),
      output.check,
    )
    return E.isLeft(exported) ? exported.left : 0
  },
})
