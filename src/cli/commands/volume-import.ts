// slipway volume import: a tar as the content of a volume.
import * as E from '#fp/Either'
import { inside } from '../callers-files.ts'
import { command } from '../command.ts'
import { interruptible } from '../image-flags.ts'
import { misuse } from '../report.ts'

export const volumeImport = command({
  name: 'volume import',
  summary: 'Make a tar the content of a volume that is new, or empty',
  usage: 'VOLUME [FILE|-]',
  positionals: { min: 1, max: 2 },
  flags: {},
  run: async (context) => {
    const { stdin, cwd } = context
    const [name = '', from = '-'] = context.args.positionals
    if (from === '-' && stdin.isTTY())
      return misuse(context, 'volume import', 'standard input is a terminal: name a file, or pipe one in')
    const source = from === '-' ? { stream: stdin.stream() } : { path: inside(cwd, from) }
    const imported = await interruptible(context, async (signal) =>
      (await context.engine()).volumes.import(name, source, { signal }),
    )
    if (E.isLeft(imported)) return imported.left
    context.stdout.write(`${imported.right.name}\n`)
    return 0
  },
})
