// slipway stop and restart: the stop signal, and after a while the kill.
import * as E from '#fp/Either'
import type { TaskEither } from '#fp/TaskEither'
import type { EngineError } from '../../model/errors.ts'
import { type Context, command, type FlagTable } from '../command.ts'
import { allFlag, meantBy, RUN, tell } from '../each-name.ts'
import type { EngineForCli } from '../engine.ts'

const flags = {
  all: allFlag('All that run, in place of names'),
  signal: {
    kind: 'text',
    short: 's',
    value: 'SIGNAL',
    help: "Signal that asks it to end (default: the container's)",
  },
  timeout: {
    kind: 'integer',
    short: 't',
    value: 'SECONDS',
    aliases: ['time'],
    help: "Seconds until it is killed; -1 waits for ever (default: the container's, else 10)",
  },
} as const satisfies FlagTable

type Verb = (
  engine: EngineForCli,
  container: string,
  options: { readonly signal?: string; readonly timeout?: number },
) => TaskEither<EngineError, unknown>

/** All at once: each may take as long as its grace. */
const each = async (
  context: Context<typeof flags>,
  name: 'stop' | 'restart',
  verb: Verb,
): Promise<number> => {
  const { signal, timeout } = context.args.flags
  const options = {
    ...(signal === undefined ? {} : { signal }),
    ...(timeout === undefined ? {} : { timeout: timeout < 0 ? -1 : timeout * 1000 }),
  }
  const names = await meantBy(context, name, RUN)
  if (E.isLeft(names)) return names.left
  const engine = await context.engine()
  const codes = await Promise.all(
    names.right.map(async (container) => tell(context, container, await verb(engine, container, options)())),
  )
  return Math.max(0, ...codes)
}

export const stop = command({
  name: 'stop',
  summary: 'End containers, politely first',
  usage: '[OPTIONS] [CONTAINER...]',
  positionals: { min: 0 },
  flags,
  run: (context) => each(context, 'stop', (engine, name, options) => engine.containers.stop(name, options)),
})

export const restart = command({
  name: 'restart',
  summary: 'End containers and start them again',
  usage: '[OPTIONS] [CONTAINER...]',
  positionals: { min: 0 },
  flags,
  run: (context) =>
    each(context, 'restart', (engine, name, options) => engine.containers.restart(name, options)),
})
