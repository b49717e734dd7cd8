// slipway inspect, container inspect and image inspect: what is known, in Docker's words, as JSON or through a template.
import * as E from '#fp/Either'
import type { ContainerInspect } from '../../model/container-inspect.ts'
import type { EngineError } from '../../model/errors.ts'
import type { ImageInspect } from '../../model/image-verbs.ts'
import type { Platform } from '../../model/platform.ts'
import { type Context, command, type FlagTable } from '../command.ts'
import type { EngineForCli } from '../engine.ts'
import { compileInspect, type Format } from '../format.ts'
import { platformOption } from '../image-flags.ts'
import { misuse, refuse, reportError } from '../report.ts'

const format = {
  kind: 'text',
  short: 'f',
  value: 'FORMAT',
  help: "'json', or a Go template such as '{{.Config.Labels}}'",
} as const
const platform = {
  kind: 'text',
  value: 'OS/ARCH',
  help: "Which of an image's platforms to show. Default: this machine's",
} as const
const size = { kind: 'boolean', short: 's', help: 'Of containers also what they take on disk' } as const

const imageFlags = { format, platform } as const satisfies FlagTable
const containerFlags = { format, size } as const satisfies FlagTable
const flags = {
  format,
  platform,
  size,
  type: { kind: 'text', value: 'container|image', help: 'What is meant by a name. Default: either' },
} as const satisfies FlagTable

export const imageInspect = command({
  name: 'image inspect',
  summary: 'Show everything that is known of images',
  usage: '[OPTIONS] IMAGE [IMAGE...]',
  positionals: { min: 1 },
  flags: imageFlags,
  run: (context) => inspectAs(context, 'image inspect', 'image', { ...context.args.flags, size: false }),
})

export const containerInspect = command({
  name: 'container inspect',
  summary: 'Show everything that is known of containers',
  usage: '[OPTIONS] CONTAINER [CONTAINER...]',
  positionals: { min: 1 },
  flags: containerFlags,
  run: (context) =>
    inspectAs(context, 'container inspect', 'container', { ...context.args.flags, platform: undefined }),
})

export const inspect = command({
  name: 'inspect',
  summary: 'Show everything that is known of containers or images',
  usage: '[OPTIONS] CONTAINER|IMAGE [CONTAINER|IMAGE...]',
  positionals: { min: 1 },
  flags,
  run: async (context) => {
    const { type = '' } = context.args.flags
    if (isType(type)) return inspectAs(context, 'inspect', type, context.args.flags)
    return misuse(
      context,
      'inspect',
      `--type: ${JSON.stringify(type)}: only container and image can be inspected so far`,
    )
  },
})

const TYPES = ['', 'container', 'image'] as const
type Type = (typeof TYPES)[number]
const isType = (text: string): text is Type => TYPES.some((type) => type === text)

type Found = ContainerInspect | ImageInspect
interface Wanted {
  readonly format: string | undefined
  readonly platform: string | undefined
  readonly size: boolean
}

/** What was found is shown although something else was not, as Docker does; the exit code tells. */
const inspectAs = async (
  { stdout, stderr, engine, args }: Pick<Context, 'stdout' | 'stderr' | 'engine' | 'args'>,
  verb: string,
  type: Type,
  wanted: Wanted,
): Promise<number> => {
  const { format: text = '' } = wanted
  const chosen = platformOption(wanted.platform)
  if (E.isLeft(chosen)) return refuse({ stderr }, chosen.left)
  const template = text === '' || text === 'json' ? undefined : compileInspect(text)
  if (template !== undefined && E.isLeft(template)) return misuse({ stderr }, verb, template.left)
  const live = await engine()
  const found: Found[] = []
  let code = 0
  for (const name of args.positionals) {
    const inspected = await lookUp(live, type, name, { ...chosen.right, size: wanted.size })
    if (E.isRight(inspected)) found.push(inspected.right)
    else {
      reportError(stderr, inspected.left)
      code = 1
    }
  }
  if (template === undefined) {
    stdout.write(`${text === 'json' ? JSON.stringify(found) : JSON.stringify(found, undefined, 4)}\n`)
    return code
  }
  return Math.max(code, showEach({ stdout, stderr }, verb, template.right, found))
}

/** As in Docker, a container comes before an image of the same name. */
const lookUp = async (
  { inspect: ofContainer, images }: EngineForCli,
  type: Type,
  name: string,
  { size: withSize, ...platformOnly }: { readonly size: boolean; readonly platform?: Platform },
): Promise<E.Either<EngineError, Found>> => {
  if (type !== 'image') {
    const container = await ofContainer(name, { size: withSize })()
    const isElsewhere = E.isLeft(container) && container.left._tag === 'ContainerNotFound'
    if (type === 'container' || !isElsewhere) return container
  }
  const image = await images.inspect(name, platformOnly)()
  return E.isLeft(image) && type === '' ? E.left(neither(image.left)) : image
}

const neither = (error: EngineError): EngineError =>
  error._tag === 'ImageNotFound'
    ? {
        ...error,
        hint: 'no container is called that either; slipway ps -a and slipway images tell what there is',
      }
    : error

const showEach = (
  { stdout, stderr }: Pick<Context, 'stdout' | 'stderr'>,
  verb: string,
  template: Format,
  found: readonly Found[],
): number => {
  for (const each of found) {
    const line = template.render(each)
    if (E.isLeft(line)) return misuse({ stderr }, verb, line.left)
    stdout.write(`${line.right}\n`)
  }
  return 0
}
