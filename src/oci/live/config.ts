// The document a container was made of.
import * as E from '#fp/Either'
import type { EngineError } from '../../model/errors.ts'
import type { Spec } from '../../model/oci-spec.ts'
import type { OciRecord } from '../../model/oci-state.ts'
import type { OciContainer } from '../../model/oci-status.ts'
import { remember } from '../../model/remember.ts'
import { keptConfig } from '../kept-config.ts'
import type { Parts } from './parts.ts'

/** Read once for each container: its copy never changes. Fails: InvalidSpec, SyscallFailed. */
export const configOf = (parts: Parts, container: OciContainer): E.Either<EngineError, Spec> => {
  const known = parts.configs.get(keyOf(container.record))
  if (known !== undefined) return E.right(known)
  const kept = keptConfig(container)
  if (E.isRight(kept)) rememberConfig(parts, container.record, kept.right)
  return kept
}

export const rememberConfig = ({ configs }: Parts, record: OciRecord, config: Spec): void =>
  remember(configs, keyOf(record), config)

/** What tells a container from a later one of its name. */
export const keyOf = ({ id, created, init }: OciRecord): string =>
  [id, created, init?.pid, init?.startTime].join(' ')
