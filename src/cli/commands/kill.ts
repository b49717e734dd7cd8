// slipway kill: a signal to containers that run.
import { command } from '../command.ts'
import { allFlag, eachMeant } from '../each-name.ts'

export const kill = command({
  name: 'kill',
  summary: 'Send a signal to running containers',
  usage: '[OPTIONS] [CONTAINER...]',
  positionals: { min: 0 },
  flags: {
    all: allFlag('All that run, in place of names'),
    signal: { kind: 'text', short: 's', value: 'SIGNAL', help: 'By name or number. Default: KILL' },
  },
  run: async (context) => {
    const { signal } = context.args.flags
    return eachMeant(context, 'kill', ['running', 'paused'], ({ containers }, name) =>
      containers.kill(name, signal),
    )
  },
})
