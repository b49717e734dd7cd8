// slipway volume create: a place for data that outlives containers.
import * as E from '#fp/Either'
import { command } from '../command.ts'
import { pairs } from '../mount-flags.ts'
import { misuse, refuse } from '../report.ts'

export const volumeCreate = command({
  name: 'volume create',
  summary: 'Make a volume',
  usage: '[OPTIONS] [NAME]',
  positionals: { min: 0, max: 1 },
  flags: {
    driver: { kind: 'text', short: 'd', value: 'local', help: 'Only local, the default' },
    label: { kind: 'list', value: 'KEY=VALUE', help: 'Put a label on it' },
    opt: {
      kind: 'list',
      short: 'o',
      value: 'KEY=VALUE',
      help: 'type, o and device of what is mounted where the volume is',
    },
  },
  run: async (context) => {
    const { positionals, flags } = context.args
    const { driver = 'local', label, opt } = flags
    if (driver !== 'local')
      return misuse(context, 'volume create', `--driver ${driver}: volumes have the driver local alone`)
    const [name] = positionals
    const made = await (await context.engine()).volumes.create({
      ...(name === undefined || name === '' ? {} : { name }),
      ...(opt.length === 0 ? {} : { driverOptions: pairs(opt) }),
      ...(label.length === 0 ? {} : { labels: pairs(label) }),
    })()
    if (E.isLeft(made)) return refuse(context, made.left)
    context.stdout.write(`${made.right.name}\n`)
    return 0
  },
})
