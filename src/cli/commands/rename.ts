// slipway rename: another name for a container.
import * as E from '#fp/Either'
import { command } from '../command.ts'
import { refuse } from '../report.ts'

export const rename = command({
  name: 'rename',
  summary: 'Give a container another name',
  usage: 'CONTAINER NEW_NAME',
  positionals: { min: 2, max: 2 },
  flags: {},
  run: async (context) => {
    const [container = '', name = ''] = context.args.positionals
    const { containers } = await context.engine()
    const renamed = await containers.rename(container, name)()
    return E.isLeft(renamed) ? refuse(context, renamed.left) : 0
  },
})
