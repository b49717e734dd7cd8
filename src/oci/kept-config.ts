// The copy of config.json beside a container's state. Apart from the rest: most commands do without, and its decoders take their time.
import { readFileSync } from 'node:fs'
import type { Either } from '#fp/Either'
import * as E from '#fp/Either'
import { pipe } from '#fp/function'
import type { EngineError } from '../model/errors.ts'
import type { Spec } from '../model/oci-spec.ts'
import { decodeSpecText } from '../model/oci-spec-decode.ts'
import type { OciContainer } from '../model/oci-status.ts'
import { attempt } from './attempt.ts'
import { CONFIG } from './state-dir.ts'

/** As it was when the container was made. Fails: InvalidSpec, SyscallFailed. */
export const keptConfig = ({ directory }: OciContainer): Either<EngineError, Spec> => {
  const file = `${directory}/${CONFIG}`
  return pipe(
    attempt(() => readFileSync(file, 'utf8')),
    E.flatMap((text) => decodeSpecText(text, file)),
  )
}
