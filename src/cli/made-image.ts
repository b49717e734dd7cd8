// What commit and import share: flags that become options, and the id that is printed.
import * as E from '#fp/Either'
import type { TaskEither } from '#fp/TaskEither'
import type { EngineError } from '../model/errors.ts'
import type { MadeImage, MakeImageOptions } from '../model/image-verbs.ts'
import type { Args, Context, FlagTable } from './command.ts'
import { interruptible } from './image-flags.ts'
import { refuse } from './report.ts'

export const madeFlags = {
  change: {
    kind: 'list',
    short: 'c',
    value: 'LINE',
    help: "Line of a Dockerfile that changes the image's configuration, e.g. 'CMD [\"a\"]'",
  },
  message: { kind: 'text', short: 'm', value: 'TEXT', help: 'Comment on this step' },
} as const satisfies FlagTable

/**
 * SOURCE_DATE_EPOCH, where it is set, is the time of the image's making, in seconds since 1970 (reproducible-builds.org): the same
 * content then is the same image. Left: the exit code.
 */
export const madeOptions = (
  context: Pick<Context, 'env' | 'stderr'>,
  { change, message }: Args<typeof madeFlags>['flags'],
  name: string | undefined,
): E.Either<number, Omit<MakeImageOptions, 'signal'>> => {
  const { SOURCE_DATE_EPOCH: epoch = '' } = context.env
  if (!/^\d{0,12}$/.test(epoch))
    return E.left(
      refuse(context, {
        _tag: 'InvalidOption',
        option: 'SOURCE_DATE_EPOCH',
        value: epoch,
        why: 'is not a number of seconds',
      }),
    )
  return E.right({
    ...(name === undefined ? {} : { name }),
    ...(message === undefined ? {} : { message }),
    ...(epoch === '' ? {} : { createdMs: Number(epoch) * 1000 }),
    changes: change,
  })
}

/** Prints the id, as Docker does. */
export const madeImage = async (
  context: Pick<Context, 'stdout' | 'stderr' | 'onSignal'>,
  program: (signal: AbortSignal) => Promise<TaskEither<EngineError, MadeImage>>,
): Promise<number> => {
  const made = await interruptible(context, program)
  if (E.isLeft(made)) return made.left
  context.stdout.write(`${made.right.id}\n`)
  return 0
}
