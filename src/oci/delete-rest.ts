// A delete where there may be no container any more, or only what a `create` that was killed at its beginning leaves.
import * as E from '#fp/Either'
import type { EngineError } from '../model/errors.ts'
import type { OciId } from '../model/oci-container-id.ts'
import type { OciRuntime, Outcome } from './runtime.ts'
import type { StateDir } from './state-dir.ts'

/** A directory without a state. It goes, whatever the answer is. `missing`: why there is no container, which with `force` is no failure. */
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

/** With `force` it is no failure that somebody else was faster. */
export const deleteFound = async (
  runtime: Pick<OciRuntime, 'delete'>,
  id: OciId,
  force: boolean,
): Outcome<void> => {
  const deleted = await runtime.delete({ id, force })
  const isGone = E.isLeft(deleted) && deleted.left._tag === 'ContainerNotFound'
  return force && isGone ? E.right(undefined) : deleted
}
