// slipway save: images into a file or to standard output.
import * as E from '#fp/Either'
import type { SaveFormat } from '../../model/image-verbs.ts'
import { command } from '../command.ts'
import { platformOption } from '../image-flags.ts'
import { misuse } from '../report.ts'
import { writeTar } from '../tar-output.ts'

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
    return writeTar(context, 'save', file, async (target, signal) => {
      const wanted = platformOption(platform)
      if (E.isLeft(wanted)) return async () => wanted
      const { images } = await context.engine()
      return images.save(context.args.positionals, target, { ...wanted.right, format, signal })
    })
  },
})
