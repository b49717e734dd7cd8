// slipway logout: forgets what opens a registry.
import * as E from '#fp/Either'
import { command } from '../command.ts'
import { refuse } from '../report.ts'

const HUB = 'docker.io'

export const logout = command({
  name: 'logout',
  summary: 'Forget the password of a registry',
  usage: '[HOST]',
  positionals: { min: 0, max: 1 },
  flags: {},
  run: async (context) => {
    const [registry = HUB] = context.args.positionals
    const done = await (await context.engine()).images.logout(registry)()
    if (E.isLeft(done)) return refuse(context, done.left)
    context.stdout.write(
      done.right ? `Removing login credentials for ${registry}\n` : `Not logged in to ${registry}\n`,
    )
    return 0
  },
})
