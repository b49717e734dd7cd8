// slipway rm: removes containers with their writable layers.
import { command } from '../command.ts'
import { allFlag, eachMeant, REST, RUN } from '../each-name.ts'

export const rm = command({
  name: 'rm',
  summary: 'Remove containers',
  usage: '[OPTIONS] [CONTAINER...]',
  positionals: { min: 0 },
  flags: {
    all: allFlag('All, in place of names; without --force those that run are told and stay'),
    force: { kind: 'boolean', short: 'f', help: 'End running ones first; a missing one is no failure' },
    link: {
      kind: 'boolean',
      short: 'l',
      help: '',
      unsupported: { yet: false, why: 'links are superseded by networks' },
    },
    volumes: { kind: 'boolean', short: 'v', help: 'Also remove its volumes that nobody gave a name' },
  },
  run: (context) => {
    const { force, volumes } = context.args.flags
    return eachMeant(
      context,
      'rm',
      [...RUN, ...REST],
      (engine, name) => engine.remove(name, { force, volumes }),
      ({ _tag }) => force && _tag === 'ContainerNotFound',
    )
  },
})
