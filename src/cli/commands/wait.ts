// slipway wait: blocks until containers have ended, and prints their exit codes.
import * as E from '#fp/Either'
import type { EngineError } from '../../model/errors.ts'
import { command } from '../command.ts'
import { interruptible } from '../image-flags.ts'

export const wait = command({
  name: 'wait',
  summary: 'Block until containers have ended, then print their exit codes',
  usage: 'CONTAINER [CONTAINER...]',
  positionals: { min: 1 },
  flags: {},
  run: async (context) => {
    const { positionals } = context.args
    const { containers } = await context.engine()
    let code = 0
    // All are waited for at once: one that has ended and is removed meanwhile would not be found any more.
    const ends = positionals.map((name) => containers.wait(name)())
    for (const end of ends) {
      const waited = await interruptible(
        context,
        async (signal) => () => Promise.race([end, interrupted(signal)]),
      )
      if (E.isRight(waited)) context.stdout.write(`${waited.right}\n`)
      else if (waited.left > 1) return waited.left
      else code = waited.left
    }
    return code
  },
})

const interrupted = (signal: AbortSignal): Promise<E.Either<EngineError, never>> =>
  new Promise((resolve) => {
    signal.addEventListener('abort', () =>
      resolve(E.left({ _tag: 'Cancelled', what: 'wait', why: 'a signal' })),
    )
  })
