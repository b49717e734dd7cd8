// slipway start: starts containers that were made before, or have ended.
import * as E from '#fp/Either'
import { stayWith } from '../attached-run.ts'
import { command } from '../command.ts'
import { chosenDetachKeys } from '../detach-keys.ts'
import { eachMeant } from '../each-name.ts'
import { misuse, refuse } from '../report.ts'

export const start = command({
  name: 'start',
  summary: 'Start containers that do not run',
  usage: '[OPTIONS] [CONTAINER...]',
  positionals: { min: 0 },
  flags: {
    all: { kind: 'boolean', help: 'All that were made or have ended, in place of names' },
    attach: { kind: 'boolean', short: 'a', help: 'Stay with it: its output is ours, its exit code, too' },
    interactive: { kind: 'boolean', short: 'i', help: 'Hand our standard input to it' },
    'sig-proxy': { kind: 'boolean', on: true, help: 'With --attach, signals we get go to the container' },
    'detach-keys': { kind: 'text', value: 'KEYS', help: 'Keys that leave it running' },
  },
  run: async (context) => {
    const { flags, positionals } = context.args
    const keys = await chosenDetachKeys(context, flags['detach-keys'], flags.interactive)
    if (E.isLeft(keys)) return refuse(context, keys.left)
    if (!flags.attach && !flags.interactive)
      return eachMeant(context, 'start', ['created', 'stopped'], ({ containers }, name) =>
        containers.start(name),
      )
    const [first, ...others] = positionals
    if (first === undefined || flags.all) return misuse(context, 'start', 'name the container to attach to')
    if (others.length > 0) return misuse(context, 'start', 'only one container can be attached at once')
    const { containers } = await context.engine()
    const found = await containers.inspect(first)()
    const tty = E.isRight(found) && Boolean(found.right.document.options.tty)
    return stayWith(context, containers.startAttached(first, { stdin: flags.interactive }), {
      tty,
      stdin: flags.interactive,
      sigProxy: flags['sig-proxy'],
      keys: keys.right,
    })
  },
})
