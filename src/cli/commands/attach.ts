// slipway attach: our streams become those of a container that runs.
import * as E from '#fp/Either'
import { stayWith } from '../attached-run.ts'
import { command } from '../command.ts'
import { chosenDetachKeys } from '../detach-keys.ts'
import { refuse } from '../report.ts'

export const attach = command({
  name: 'attach',
  summary: 'Join the streams of a container that runs',
  usage: '[OPTIONS] CONTAINER',
  positionals: { min: 1, max: 1 },
  flags: {
    'no-stdin': { kind: 'boolean', help: 'Leave its standard input alone' },
    'sig-proxy': { kind: 'boolean', on: true, help: 'Signals we get go to the container' },
    'detach-keys': { kind: 'text', value: 'KEYS', help: 'Keys that leave it running' },
  },
  run: async (context) => {
    const { flags, positionals } = context.args
    const keys = await chosenDetachKeys(context, flags['detach-keys'], !flags['no-stdin'])
    if (E.isLeft(keys)) return refuse(context, keys.left)
    const engine = await context.engine()
    const [name = ''] = positionals
    const found = await engine.containers.inspect(name)()
    // One that is none of these is told why by the verb itself.
    if (E.isLeft(found)) {
      const refused = await engine.containers.attach(name)()
      return refuse(context, E.isLeft(refused) ? refused.left : found.left)
    }
    const { options, policies } = found.right.document
    const stdin = policies.stdin && !flags['no-stdin']
    return stayWith(context, engine.containers.attach(name, { stdin }), {
      tty: Boolean(options.tty),
      stdin,
      sigProxy: flags['sig-proxy'],
      keys: keys.right,
    })
  },
})
