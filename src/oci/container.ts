// The container a command names.
import type { Either } from '#fp/Either'
import * as E from '#fp/Either'
import { pipe } from '#fp/function'
import type { EngineError } from '../model/errors.ts'
import { type OciId, parseOciId } from '../model/oci-container-id.ts'
import type { OciContainer } from '../model/oci-status.ts'
import type { Context } from './command.ts'
import { wording } from './wording.ts'

/** The one named by the first positional. Fails: InvalidOption, ContainerNotFound, StateDamaged, SyscallFailed. */
export const named = ({ positionals, state }: Context): Either<EngineError, OciContainer> =>
  pipe(parseOciId(positionals[0] ?? ''), E.flatMap(state.load))

export const namedId = ({ positionals }: Context): Either<EngineError, OciId> =>
  parseOciId(positionals[0] ?? '')

/** crun's `--regex`: every container whose id the first positional matches somewhere. Those that cannot be read are told. */
export const matching = (context: Context): Either<EngineError, readonly OciContainer[]> => {
  const text = context.positionals[0] ?? ''
  const pattern = toRegExp(text)
  if (pattern === undefined)
    return E.left({ _tag: 'InvalidOption', option: '--regex', value: text, why: 'is no regular expression' })
  return pipe(
    context.state.list(),
    E.map(({ found, bad }) => {
      for (const { name, error } of bad) context.log.warn(`load container ${name}: ${wording(error)}`)
      return found.map(({ container }) => container).filter(({ record }) => pattern.test(record.id))
    }),
  )
}

const toRegExp = (text: string): RegExp | undefined => {
  try {
    return new RegExp(text)
  } catch {
    return undefined
  }
}
