// What commit and import share: flags that become options, and the id that is printed.
import * as E from '#fp/Either'
import type { TaskEither } from '#fp/TaskEither'
import type { EngineError } from '../model/errors.ts'
import type { MadeImage, MakeImageOptions } from '../model/image-verbs.ts'
import type { Context } from './command.ts'
import { refuse, transfer } from './image-flags.ts'

/**
 * SOURCE_DATE_EPOCH, where it is set, is the time of the image's making, in seconds since 1970 (reproducible-builds.org): the same
 * content then is the same image. Left: the exit code.
 */
export const madeOptions = (
  context: Pick<Context, 'env' | 'stderr'>,
  { change, message }: { readonly change: readonly string[]; readonly message: string | undefined },
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
  const made = await transfer(context, { quiet: true, platform: undefined }, ({ signal }) => program(signal))
  if (E.isLeft(made)) return made.left
  context.stdout.write(`${made.right.id}\n`)
  return 0
}
