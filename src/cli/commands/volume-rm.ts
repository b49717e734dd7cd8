// slipway volume rm: removes volumes that no container has.
import * as E from '#fp/Either'
import { command } from '../command.ts'
import { reportError } from '../report.ts'

export const volumeRm = command({
  name: 'volume rm',
  summary: 'Remove volumes',
  usage: '[OPTIONS] VOLUME [VOLUME...]',
  positionals: { min: 1 },
  flags: { force: { kind: 'boolean', short: 'f', help: 'A missing one is no failure' } },
  run: async ({ args, stdout, stderr, engine }) => {
    const { volumes } = await engine()
    let code = 0
    for (const name of args.positionals) {
      const removed = await volumes.remove(name, { force: args.flags.force })()
      if (E.isRight(removed)) stdout.write(`${name}\n`)
      else {
        reportError(stderr, removed.left)
        code = 1
      }
    }
    return code
  },
})
