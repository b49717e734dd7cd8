// slipway-oci create: everything but the program, which waits for `start`.

import * as E from '#fp/Either'
import { pipe } from '#fp/function'
import { bundleFlags, createRequest } from '../bundle.ts'
import { command } from '../command.ts'
import { namedId } from '../container.ts'

export const create = command({
  name: 'create',
  summary: 'Make a container of a bundle, up to the moment before its program is executed',
  usage: '[OPTION...] ID',
  flags: bundleFlags,
  positionals: { min: 1, max: 1 },
  failure: { prefix: 'create failed: ', exitCode: 1 },
  run: async (context) => {
    const request = pipe(
      namedId(context),
      E.flatMap((id) => createRequest(id, context.flags, true, context.world)),
    )
    if (E.isLeft(request)) return request
    return E.map(() => 0)(await (await context.runtime()).create(request.right))
  },
})
