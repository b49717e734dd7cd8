// slipway kill: a signal to containers that run.
import { command } from '../command.ts'
import { eachName } from '../each-name.ts'

export const kill = command({
  name: 'kill',
  summary: 'Send a signal to running containers',
  usage: '[OPTIONS] CONTAINER [CONTAINER...]',
  positionals: { min: 1 },
  flags: {
    signal: { kind: 'text', short: 's', value: 'SIGNAL', help: 'By name or number. Default: KILL' },
  },
  run: async (context) => {
    const { signal } = context.args.flags
    return eachName(context, ({ containers }, name) => containers.kill(name, signal))
  },
})
