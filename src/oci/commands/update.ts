// slipway-oci update: other limits for a container that runs.
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import * as E from '#fp/Either'
import { pipe } from '#fp/function'
import type { LinuxResources } from '../../model/oci-spec.ts'
import { allow } from '../../model/oci-status.ts'
import { attempt } from '../attempt.ts'
import { type Context, command } from '../command.ts'
import { named } from '../container.ts'
import { decodeResourcesText, resourcesOfFlags, updateFlags } from '../update-resources.ts'
import type { Failure } from '../wording.ts'

export const update = command({
  name: 'update',
  summary: 'Change the limits of a container',
  usage: '[OPTION...] ID',
  flags: updateFlags,
  positionals: { min: 1, max: 1 },
  run: async (context) => {
    const request = pipe(
      named(context),
      E.flatMap((found) => allow('update', found)),
      E.bindTo('container'),
      E.bind('resources', () => resourcesOf(context)),
    )
    if (E.isLeft(request)) return request
    return E.map(() => 0)(await (await context.runtime()).update(request.right))
  },
})

/** A document takes the place of every flag, as in runc. */
const resourcesOf = ({ flags, world }: Context<typeof updateFlags>): E.Either<Failure, LinuxResources> => {
  if (!flags.resources) return resourcesOfFlags(flags)
  if (flags.resources === '-') return decodeResourcesText(world.readStdin(), 'standard input')
  const file = resolve(world.cwd, flags.resources)
  return pipe(
    attempt(() => readFileSync(file, 'utf8')),
    E.flatMap((text) => decodeResourcesText(text, file)),
  )
}
