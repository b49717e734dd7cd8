// What a `create` that was killed at its beginning leaves: a directory without a state.
import * as E from '#fp/Either'
import type { EngineError } from '../model/errors.ts'
import type { OciId } from '../model/oci-container-id.ts'
import type { StateDir } from './state-dir.ts'

/** It goes, whatever the answer is. `missing`: why there is no container, which with `force` is no failure. */
export const deleteRest = (
  state: Pick<StateDir, 'remove'>,
  id: OciId,
  force: boolean,
  missing: EngineError,
): E.Either<EngineError, void> => {
  if (missing._tag !== 'ContainerNotFound') return E.left(missing)
  const removed = state.remove(id)
  if (E.isLeft(removed)) return removed
  return force ? E.right(undefined) : E.left(missing)
}
