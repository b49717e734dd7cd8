// slipway commit: an image out of a container.
import * as E from '#fp/Either'
import { command } from '../command.ts'
import { madeFlags, madeImage, madeOptions } from '../made-image.ts'

export const commit = command({
  name: 'commit',
  summary: 'Make an image of what a container changed',
  usage: '[OPTIONS] CONTAINER [REPOSITORY[:TAG]]',
  positionals: { min: 1, max: 2 },
  flags: {
    author: { kind: 'text', short: 'a', value: 'NAME', help: 'Who made it, e.g. "Ada <ada@example.org>"' },
    ...madeFlags,
    pause: { kind: 'boolean', short: 'p', on: true, help: 'Hold a running container still meanwhile' },
    'no-pause': { kind: 'boolean', help: 'Do not: as --pause=false' },
  },
  run: async (context) => {
    const [container = '', name] = context.args.positionals
    const { author, pause, 'no-pause': noPause, ...flags } = context.args.flags
    const options = madeOptions(context, flags, name)
    if (E.isLeft(options)) return options.left
    return madeImage(context, async (signal) =>
      (await context.engine()).commit(container, {
        ...options.right,
        ...(author === undefined ? {} : { author }),
        pause: pause && !noPause,
        signal,
      }),
    )
  },
})
