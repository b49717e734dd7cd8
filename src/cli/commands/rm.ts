// slipway rm: removes containers with their writable layers.
import * as E from '#fp/Either'
import { command } from '../command.ts'
import { reportError } from '../report.ts'

export const rm = command({
  name: 'rm',
  summary: 'Remove containers',
  usage: '[OPTIONS] CONTAINER [CONTAINER...]',
  positionals: { min: 1 },
  flags: {
    force: { kind: 'boolean', short: 'f', help: 'End running ones first; a missing one is no failure' },
    link: {
      kind: 'boolean',
      short: 'l',
      help: '',
      unsupported: { yet: false, why: 'links are superseded by networks' },
    },
    volumes: { kind: 'boolean', short: 'v', help: 'Also remove its volumes that nobody gave a name' },
  },
  run: async ({ args, stdout, stderr, engine }) => {
    const { force, volumes } = args.flags
    const live = await engine()
    let code = 0
    for (const name of args.positionals) {
      const removed = await live.remove(name, { force, volumes })()
      if (E.isRight(removed)) stdout.write(`${name}\n`)
      else if (!(force && removed.left._tag === 'ContainerNotFound')) {
        reportError(stderr, removed.left)
        code = 1
      }
    }
    return code
  },
})
