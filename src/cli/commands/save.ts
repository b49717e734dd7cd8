// slipway save: images into a file or to standard output.
import * as E from '#fp/Either'
import type { SaveFormat } from '../../model/image-verbs.ts'
import { command } from '../command.ts'
import { interruptible, platformOption } from '../image-flags.ts'
import { misuse, refuse } from '../report.ts'
import { tarOutput } from '../tar-output.ts'

const FORMATS: readonly string[] = ['docker-archive', 'oci-archive', 'oci-dir'] satisfies SaveFormat[]
const isFormat = (text: string): text is SaveFormat => FORMATS.includes(text)

export const save = command({
  name: 'save',
  summary: 'Write images into a file that docker and podman load',
  usage: '[OPTIONS] IMAGE [IMAGE...]',
  positionals: { min: 1 },
  flags: {
    output: { kind: 'text', short: 'o', value: 'PATH', help: 'Write there. Default: standard output' },
    format: {
      kind: 'text',
      value: 'docker-archive|oci-archive|oci-dir',
      help: 'Form of the file; docker-archive, the default, is an OCI layout as well',
    },
    platform: {
      kind: 'text',
      value: 'OS/ARCH',
      help: 'Only this one of the platforms. Default: all that are here',
    },
  },
  run: async (context) => {
    const { output: file, format = 'docker-archive', platform } = context.args.flags
    if (!isFormat(format))
      return misuse(context, 'save', `--format: ${JSON.stringify(format)} is none of ${FORMATS.join(', ')}`)
    if (format === 'oci-dir' && (file ?? '') === '')
      return misuse(context, 'save', '--format oci-dir needs a directory: name one with -o')
    const output = tarOutput(context, file)
    if (output === undefined)
      return misuse(context, 'save', 'standard output is a terminal: name a file with -o, or redirect it')
    const wanted = platformOption(platform)
    if (E.isLeft(wanted)) return refuse(context, wanted.left)
    const saved = await interruptible(
      context,
      async (signal) =>
        (await context.engine()).images.save(context.args.positionals, output.target, {
          ...wanted.right,
          format,
          signal,
        }),
      output.check,
    )
    return E.isLeft(saved) ? saved.left : 0
  },
})
