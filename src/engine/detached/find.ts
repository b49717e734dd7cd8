// Which container a word means: a name, an id, or the unique beginning of one.
import * as E from '#fp/Either'
import type { EngineError } from '../../model/errors.ts'
import { findRecord } from '../../model/record.ts'
import type { DetachedContainer } from '../ports/detached.ts'
import type { Ports } from '../ports.ts'

/** A full id is read alone; any other word is looked for among all. Fails: ContainerNotFound, StateDamaged. */
export const findContainer = (
  { detached }: Ports,
  wanted: string,
): E.Either<EngineError, DetachedContainer> => {
  if (/^[0-9a-f]{64}$/.test(wanted)) {
    const found = detached.read(wanted)
    if (E.isLeft(found)) return found
    if (found.right !== undefined) return E.right(found.right)
  }
  const { containers } = detached.list()
  const found = findRecord(
    containers.map((container) => ({ ...container.document, container })),
    wanted,
  )
  return '_tag' in found ? E.left(found) : E.right(found.container)
}
