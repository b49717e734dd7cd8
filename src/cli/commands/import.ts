// slipway import: an image out of a tar of a root file system.
import * as E from '#fp/Either'
import { inside } from '../callers-files.ts'
import { command } from '../command.ts'
import { platformOption } from '../image-flags.ts'
import { madeFlags, madeImage, madeOptions } from '../made-image.ts'
import { misuse, refuse } from '../report.ts'

export const importCommand = command({
  name: 'import',
  summary: 'Make an image of a tar of a root file system',
  usage: '[OPTIONS] FILE|- [REPOSITORY[:TAG]]',
  positionals: { min: 1, max: 2 },
  flags: {
    ...madeFlags,
    platform: {
      kind: 'text',
      value: 'OS/ARCH',
      help: "What the files were built for. Default: this machine's",
    },
  },
  run: async (context) => {
    const [from = '', name] = context.args.positionals
    const { platform: given, ...flags } = context.args.flags
    const platform = platformOption(given)
    if (E.isLeft(platform)) return refuse(context, platform.left)
    const options = madeOptions(context, flags, name)
    if (E.isLeft(options)) return options.left
    if (from === '-' && context.stdin.isTTY())
      return misuse(context, 'import', 'standard input is a terminal: name a file, or pipe one in')
    const isUrl = /^[a-z][a-z0-9+.-]*:\/\//i.test(from)
    const source =
      from === '-' ? { stream: context.stdin.stream() } : { path: isUrl ? from : inside(context.cwd, from) }
    const message = options.right.message ?? `Imported from ${from}`
    return madeImage(context, async (signal) =>
      (await context.engine()).images.import(source, {
        ...options.right,
        message,
        ...platform.right,
        signal,
      }),
    )
  },
})
