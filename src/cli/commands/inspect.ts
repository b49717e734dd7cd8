// slipway inspect, container inspect and image inspect: what is known, in Docker's words, as JSON or through a template.
import * as E from '#fp/Either'
import type { ContainerInspect } from '../../model/container-inspect.ts'
import type { EngineError } from '../../model/errors.ts'
import type { ImageInspect } from '../../model/image-verbs.ts'
import type { Platform } from '../../model/platform.ts'
import { type Context, command, type FlagTable } from '../command.ts'
import type { EngineForCli } from '../engine.ts'
import { compileInspect } from '../format.ts'
import { platformOption } from '../image-flags.ts'
import { misuse, refuse } from '../report.ts'
import { showFound } from '../show-found.ts'

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

const inspectAs = async (
  context: Pick<Context, 'stdout' | 'stderr' | 'engine' | 'args'>,
  verb: string,
  type: Type,
  { format: text, platform: chosen, size: withSize }: Wanted,
): Promise<number> => {
  const options = platformOption(chosen)
  if (E.isLeft(options)) return refuse(context, options.left)
  return showFound(context, verb, { format: text, compile: compileInspect }, (engine, name) =>
    lookUp(engine, type, name, { ...options.right, size: withSize }),
  )
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
