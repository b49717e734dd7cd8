// slipway-oci kill: a signal to a container's first process, or to all of them.
import * as E from '#fp/Either'
import { pipe } from '#fp/function'
import type { EngineError } from '../../model/errors.ts'
import { allow, type OciContainer } from '../../model/oci-status.ts'
import { parseSignal } from '../../model/signals.ts'
import { type Context, command } from '../command.ts'
import { matching, named } from '../container.ts'
import type { Failure } from '../wording.ts'

const killFlags = {
  all: { kind: 'boolean', short: 'a', help: 'To every process of the container' },
  regex: { kind: 'boolean', short: 'r', help: 'To all containers whose id matches ID' },
} as const

export const kill = command({
  name: 'kill',
  summary: "Send a signal (default: TERM) to a container's first process",
  usage: '[OPTION...] ID [SIGNAL]',
  flags: killFlags,
  positionals: { min: 1, max: 2 },
  run: async (context) => {
    const { regex } = context.flags
    const chosen = regex ? matching(context) : E.map((one: OciContainer) => [one])(named(context))
    if (E.isLeft(chosen)) return chosen
    const signal = signalOf(context.positionals[1] || 'SIGTERM')
    if (E.isLeft(signal)) return signal
    for (const container of chosen.right) {
      const killed = await killOne(context, container, signal.right)
      if (E.isLeft(killed)) return killed
    }
    return E.right(0)
  },
})

/** kill(2) takes 0 to ask only. */
const signalOf = (text: string): E.Either<EngineError, number> =>
  text === '0' ? E.right(0) : parseSignal(text, 'signal')

/** With `--all` a container that has ended already is no failure, as in runc. */
const killOne = async (
  context: Context<typeof killFlags>,
  container: OciContainer,
  signal: number,
): Promise<E.Either<Failure, void>> => {
  const all = context.flags.all === true
  if (all && container.status === 'stopped') return E.right(undefined)
  const allowed = allow('kill', container)
  if (E.isLeft(allowed)) return allowed
  const runtime = await context.runtime()
  return pipe(await runtime.kill({ container, signal, all }))
}
