// An operation that changes a container: alone, and on the container as it is by then.
import * as E from '#fp/Either'
import type { EngineError } from '../../model/errors.ts'
import type { OciId } from '../../model/oci-container-id.ts'
import { allow, type OciContainer, type OciOperation } from '../../model/oci-status.ts'
import { withLock } from '../state-lock.ts'
import type { Parts } from './parts.ts'

/** Without an `operation` its status does not matter; in a wrong one nobody waits for the lock. Fails: ContainerNotFound, WrongStatus; whatever `body` fails with. */
export const locked = <A>(
  { state, addon }: Parts,
  id: OciId,
  operation: OciOperation | undefined,
  body: (container: OciContainer, directory: number) => Promise<E.Either<EngineError, A>>,
): Promise<E.Either<EngineError, A>> => {
  const find = (): E.Either<EngineError, OciContainer> =>
    E.flatMap((now: OciContainer) => (operation === undefined ? E.right(now) : allow(operation, now)))(
      state.load(id),
    )
  return withLock(state, addon.flock, id, find, async (directory) => {
    const found = find()
    return E.isLeft(found) ? found : body(found.right, directory)
  })
}
