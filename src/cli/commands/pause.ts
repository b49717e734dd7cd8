// slipway pause and unpause: containers that run are held still, and let go on.
import { command } from '../command.ts'
import { eachName } from '../each-name.ts'

export const pause = command({
  name: 'pause',
  summary: 'Hold all processes of containers still',
  usage: 'CONTAINER [CONTAINER...]',
  positionals: { min: 1 },
  flags: {},
  run: (context) => eachName(context, ({ containers }, name) => containers.pause(name)),
})

export const unpause = command({
  name: 'unpause',
  summary: 'Let paused containers go on',
  usage: 'CONTAINER [CONTAINER...]',
  positionals: { min: 1 },
  flags: {},
  run: (context) => eachName(context, ({ containers }, name) => containers.unpause(name)),
})
