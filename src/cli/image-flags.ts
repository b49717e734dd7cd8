// What pull, push and load share: the platform flag, progress, and what a signal in the middle means.
import { constants } from 'node:os'
import * as E from '#fp/Either'
import type { TaskEither } from '#fp/TaskEither'
import type { EngineError, InvalidOption } from '../model/errors.ts'
import type { ImageProgress, PushProgress } from '../model/image-verbs.ts'
import { type Platform, parsePlatform } from '../model/platform.ts'
import type { Context, FlagTable } from './command.ts'
import { invalidPlatform } from './platform-flag.ts'
import { progressDisplay } from './progress.ts'
import { refuse } from './report.ts'
import { cancelOnSignals } from './signals.ts'

/** What podman has for every command that asks a registry. */
export const registryFlags = {
  'tls-verify': {
    kind: 'boolean',
    on: true,
    help: '',
    unsupported: {
      yet: false,
      why: 'a registry is called insecure in /etc/slipway/registries.json: { "reg.lan": { "insecure": true } }',
    },
  },
  creds: {
    kind: 'text',
    help: '',
    unsupported: {
      yet: false,
      why: 'others can see it in the list of processes; slipway login keeps a login',
    },
  },
  authfile: {
    kind: 'text',
    help: '',
    unsupported: {
      yet: false,
      why: 'slipway --config DIR, before the command, names the folder of config.json',
    },
  },
} as const satisfies FlagTable

/** Added to the number of a signal that ended a program. */
const SIGNAL_BASE = 128

export interface TransferOptions {
  readonly platform?: Platform
  readonly onProgress?: (progress: ImageProgress | PushProgress) => void
  readonly signal: AbortSignal
}

/** `--platform linux/arm64`, as options; none when the flag is absent. */
export const platformOption = (
  flag: string | undefined,
): E.Either<InvalidOption, { readonly platform?: Platform }> => {
  if (flag === undefined) return E.right({})
  const platform = parsePlatform(flag)
  if (platform !== undefined) return E.right({ platform })
  return E.left(invalidPlatform(flag))
}

/** Runs a program that a signal ends; gives its result, or the exit code. An interrupt needs no message. */
export const interruptible = async <A>(
  context: Pick<Context, 'stderr' | 'onSignal'>,
  program: (signal: AbortSignal) => Promise<TaskEither<EngineError, A>>,
  /** Throws what is to be told in place of the failure. */
  beforeFailure: () => void = () => {},
): Promise<E.Either<number, A>> => {
  const signals = cancelOnSignals(context.onSignal, 0)
  try {
    const run = await program(signals.cancel)
    const result = await run()
    if (E.isRight(result)) return result
    beforeFailure()
    const signal = signals.cancelledBy()
    return E.left(
      signal === undefined ? refuse(context, result.left) : SIGNAL_BASE + constants.signals[signal],
    )
  } finally {
    signals.stop()
  }
}

/** The same for a transfer, with its progress on standard output. */
export const transfer = async <A>(
  context: Pick<Context, 'stdout' | 'stderr' | 'onSignal'>,
  flags: { readonly quiet: boolean; readonly platform: string | undefined },
  program: (options: TransferOptions) => Promise<TaskEither<EngineError, A>>,
): Promise<E.Either<number, A>> => {
  const platform = platformOption(flags.platform)
  if (E.isLeft(platform)) return E.left(refuse(context, platform.left))
  const display = flags.quiet ? undefined : progressDisplay(context.stdout)
  const progress = display === undefined ? {} : { onProgress: display.update }
  return interruptible(context, async (signal) => {
    const run = await program({ ...platform.right, ...progress, signal })
    return () => run().finally(() => display?.finish())
  })
}
