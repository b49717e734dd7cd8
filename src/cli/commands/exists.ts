// slipway image exists and slipway container exists, podman's words: the exit code alone tells.
import * as E from '#fp/Either'
import type { EngineError } from '../../model/errors.ts'
import { command } from '../command.ts'
import { refuse } from '../report.ts'

export const imageExists = command({
  name: 'image exists',
  summary: 'Exit with 0 when there is such an image, and with 1 when not',
  usage: 'IMAGE',
  positionals: { min: 1, max: 1 },
  flags: {},
  run: async (context) => {
    const { images } = await context.engine()
    return exitCode(context, await images.platforms(context.args.positionals[0] ?? '')())
  },
})

export const containerExists = command({
  name: 'container exists',
  summary: 'Exit with 0 when there is such a container, and with 1 when not',
  usage: 'CONTAINER',
  positionals: { min: 1, max: 1 },
  flags: {},
  run: async (context) => {
    const { inspect } = await context.engine()
    return exitCode(context, await inspect(context.args.positionals[0] ?? '')())
  },
})

/** What could not be looked at is neither: 125, as podman has it. */
const exitCode = (context: Parameters<typeof refuse>[0], found: E.Either<EngineError, unknown>): number => {
  if (E.isRight(found)) return 0
  if (ABSENT.has(found.left._tag)) return 1
  refuse(context, found.left)
  return 125
}
const ABSENT: ReadonlySet<EngineError['_tag']> = new Set(['ImageNotFound', 'ContainerNotFound'])
