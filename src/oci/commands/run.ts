// slipway-oci run: create, start, and the wait for the end.
import * as E from '#fp/Either'
import { pipe } from '#fp/function'
import { bundleFlags, createRequest } from '../bundle.ts'
import { command } from '../command.ts'
import { namedId } from '../container.ts'

const runFlags = {
  ...bundleFlags,
  detach: { kind: 'boolean', short: 'd', help: 'Return once it runs' },
  keep: { kind: 'boolean', help: 'Do not delete it when it has ended' },
} as const

export const run = command({
  name: 'run',
  summary: 'Make a container of a bundle, run its program, and exit with its exit code',
  usage: '[OPTION...] ID',
  flags: runFlags,
  positionals: { min: 1, max: 1 },
  failure: { prefix: 'run failed: ', exitCode: 1 },
  run: async (context) => {
    const { flags, world } = context
    const detach = flags.detach === true
    const request = pipe(
      namedId(context),
      E.flatMap((id) => createRequest(id, flags, detach, world)),
      E.map((created) => ({
        ...created,
        detach,
        keep: flags.keep === true,
        noSubreaper: flags['no-subreaper'] === true,
      })),
    )
    if (E.isLeft(request)) return request
    return (await context.runtime()).run(request.right)
  },
})
