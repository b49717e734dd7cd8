// slipway load: images from a file, a directory or standard input.
import * as E from '#fp/Either'
import { inside } from '../callers-files.ts'
import { command } from '../command.ts'
import { transfer } from '../image-flags.ts'
import { misuse } from '../report.ts'

export const load = command({
  name: 'load',
  summary: 'Load images from an OCI layout or a docker-save archive',
  usage: '[OPTIONS]',
  flags: {
    input: {
      kind: 'text',
      short: 'i',
      value: 'PATH',
      help: 'A tar (may be gzip-compressed) or the directory of an OCI layout. Default: standard input',
    },
    name: { kind: 'text', value: 'NAME', help: 'A name for the one image in it, whatever the file says' },
    quiet: { kind: 'boolean', short: 'q', help: 'No progress' },
    platform: {
      kind: 'text',
      value: 'OS/ARCH',
      help: "Which of an image's platforms to load. Default: this machine's",
    },
  },
  run: async (context) => {
    const { quiet, platform, name, input } = context.args.flags
    if (input === undefined && context.stdin.isTTY())
      return misuse(context, 'load', 'standard input is a terminal: name a file with -i')
    const source =
      input === undefined ? { stream: context.stdin.stream() } : { path: inside(context.cwd, input) }
    // Docker tells of layers on a terminal only.
    const isSilent = quiet || !context.stdout.isTTY()
    const loaded = await transfer(context, { quiet: isSilent, platform }, async (options) =>
      (await context.engine()).images.load(source, { ...options, ...(name === undefined ? {} : { name }) }),
    )
    if (E.isLeft(loaded)) return loaded.left
    for (const { reference, id } of loaded.right)
      context.stdout.write(
        reference === undefined ? `Loaded image ID: ${id}\n` : `Loaded image: ${reference}\n`,
      )
    return 0
  },
})
