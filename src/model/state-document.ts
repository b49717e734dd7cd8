// Documents of the engine's own state: JSON on disk, and what is wrong with one.
import type { Either } from '#fp/Either'
import * as E from '#fp/Either'
import { type Decoder, type Mismatch, show } from './decode.ts'
import type { EngineError } from './errors.ts'

/** `file`: for the error. Fails: StateDamaged naming what is wrong where. */
export const decodeDocument =
  <A>(decoder: Decoder<A>) =>
  (json: string, file: string): Either<EngineError, A> => {
    const damaged = (why: string): EngineError => ({ _tag: 'StateDamaged', path: file, why })
    let value: unknown
    try {
      value = JSON.parse(json)
    } catch (error) {
      return E.left(damaged(`is no JSON: ${(error as Error).message}`))
    }
    return E.mapLeft(({ where, why, value: found }: Mismatch) =>
      damaged(`$${where}: ${why}${found === undefined ? '' : `: ${show(found)}`}`),
    )(decoder(value))
  }
