// slipway create: makes a container for `start`.
import * as E from '#fp/Either'
import { readCallersFile } from '../callers-files.ts'
import { type Context, command } from '../command.ts'
import { withIdFile } from '../id-file.ts'
import { refuse, refuseProgram } from '../report.ts'
import { createDetached } from '../run-detached.ts'
import { type RunFlags, runFlags } from '../run-flags.ts'
import { runArgsToOptions } from '../run-options.ts'

/** Those of `run` that are about the time it stays. */
const STAYING = {
  detach: true,
  'detach-keys': undefined,
  'sig-proxy': true,
  timing: false,
  timeout: undefined,
} as const
const flags = Object.fromEntries(Object.entries(runFlags).filter(([name]) => !(name in STAYING)))

export const create = command({
  name: 'create',
  summary: 'Make a container, to be started later',
  usage: '[OPTIONS] IMAGE [COMMAND] [ARG...]',
  flags: flags as RunFlags,
  stopsAtPositional: true,
  positionals: { min: 0 },
  run: async (written) => {
    const context: Context<RunFlags> = {
      ...written,
      args: { ...written.args, flags: { ...written.args.flags, ...STAYING } },
    }
    const { env, cwd } = context
    const request = runArgsToOptions(context.args, { env, cwd, readFile: readCallersFile(cwd) })
    if (E.isLeft(request)) return refuse(context, request.left)
    return withIdFile(context, request.right, async (record) => {
      const engine = await context.engine()
      const created = await createDetached(context, engine, request.right, new AbortController().signal)
      if (E.isLeft(created)) return refuseProgram(context, created.left)
      record(created.right.id)
      context.stdout.write(`${created.right.id}\n`)
      return 0
    })
  },
})
