// slipway inspect and slipway image inspect: images in Docker's words, as JSON or through a template.
import * as E from '#fp/Either'
import type { ImageInspect } from '../../model/image-verbs.ts'
import { type Args, type Context, command, type FlagTable } from '../command.ts'
import { compileInspect, type Format } from '../format.ts'
import { platformOption, refuse } from '../image-flags.ts'
import { misuse, reportError } from '../report.ts'

const flags = {
  format: {
    kind: 'text',
    short: 'f',
    value: 'FORMAT',
    help: "'json', or a Go template such as '{{.Config.Cmd}}'",
  },
  platform: {
    kind: 'text',
    value: 'OS/ARCH',
    help: "Which of an image's platforms to show. Default: this machine's",
  },
} as const satisfies FlagTable

const inspectFlags = {
  ...flags,
  size: {
    kind: 'boolean',
    short: 's',
    help: '',
    unsupported: { yet: true, why: 'it concerns containers, which are not inspected so far' },
  },
  type: { kind: 'text', value: 'TYPE', help: "What is meant by a name: only 'image' so far" },
} as const satisfies FlagTable

export const imageInspect = command({
  name: 'image inspect',
  summary: 'Show everything that is known of images',
  usage: '[OPTIONS] IMAGE [IMAGE...]',
  positionals: { min: 1 },
  flags,
  run: (context) => show(context, 'image inspect', context.args),
})

export const inspect = command({
  name: 'inspect',
  summary: 'Show everything that is known of images',
  usage: '[OPTIONS] NAME [NAME...]',
  positionals: { min: 1 },
  flags: inspectFlags,
  run: async (context) => {
    const { type } = context.args.flags
    if (type === undefined || type === '' || type === 'image') return show(context, 'inspect', context.args)
    return misuse(context, 'inspect', `--type: ${JSON.stringify(type)}: only images can be inspected so far`)
  },
})

type Outside = Pick<Context, 'stdout' | 'stderr' | 'engine'>

/** What was found is shown although something else was not, as Docker does; the exit code tells. */
const show = async (
  { stdout, stderr, engine }: Outside,
  verb: string,
  { flags: { format = '', platform }, positionals }: Args<typeof flags>,
): Promise<number> => {
  const wanted = platformOption(platform)
  if (E.isLeft(wanted)) return refuse({ stderr }, wanted.left)
  const template = format === '' || format === 'json' ? undefined : compileInspect(format)
  if (template !== undefined && E.isLeft(template)) return misuse({ stderr }, verb, template.left)
  const { images } = await engine()
  const found: ImageInspect[] = []
  let code = 0
  for (const name of positionals) {
    const inspected = await images.inspect(name, wanted.right)()
    if (E.isRight(inspected)) found.push(inspected.right)
    else {
      reportError(stderr, inspected.left)
      code = 1
    }
  }
  if (template === undefined) {
    stdout.write(`${format === 'json' ? JSON.stringify(found) : JSON.stringify(found, undefined, 4)}\n`)
    return code
  }
  return Math.max(code, showEach({ stdout, stderr }, verb, template.right, found))
}

const showEach = (
  { stdout, stderr }: Pick<Outside, 'stdout' | 'stderr'>,
  verb: string,
  template: Format,
  found: readonly ImageInspect[],
): number => {
  for (const image of found) {
    const line = template.render(image)
    if (E.isLeft(line)) return misuse({ stderr }, verb, line.left)
    stdout.write(`${line.right}\n`)
  }
  return 0
}
