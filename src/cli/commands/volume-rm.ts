// slipway volume rm: removes volumes that no container has.
import { command } from '../command.ts'
import { eachName } from '../each-name.ts'

export const volumeRm = command({
  name: 'volume rm',
  summary: 'Remove volumes',
  usage: '[OPTIONS] VOLUME [VOLUME...]',
  positionals: { min: 1 },
  flags: {
    force: {
      kind: 'boolean',
      short: 'f',
      help: 'A missing one is no failure, and a damaged one is removed, too',
    },
  },
  run: (context) => {
    const { force } = context.args.flags
    return eachName(context, ({ volumes }, name) => volumes.remove(name, { force }))
  },
})
