// slipway pause and unpause: containers that run are held still, and let go on.
import { command } from '../command.ts'
import { allFlag, eachMeant } from '../each-name.ts'

export const pause = command({
  name: 'pause',
  summary: 'Hold all processes of containers still',
  usage: '[OPTIONS] [CONTAINER...]',
  positionals: { min: 0 },
  flags: { all: allFlag('All that run, in place of names') },
  run: (context) =>
    eachMeant(context, 'pause', ['running'], ({ containers }, name) => containers.pause(name)),
})

export const unpause = command({
  name: 'unpause',
  summary: 'Let paused containers go on',
  usage: '[OPTIONS] [CONTAINER...]',
  positionals: { min: 0 },
  flags: { all: allFlag('All that are paused, in place of names') },
  run: (context) =>
    eachMeant(context, 'unpause', ['paused'], ({ containers }, name) => containers.unpause(name)),
})
