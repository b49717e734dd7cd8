// Which container a word means: a name, an id, or the unique beginning of one.
import * as E from '#fp/Either'
import type { EngineError } from '../../model/errors.ts'
import { findRecord } from '../../model/record.ts'
import type { DetachedContainer } from '../ports/detached.ts'
import type { Ports } from '../ports.ts'

/** What a word may mean is read alone, and all only where that is nothing. Fails: ContainerNotFound, StateDamaged. */
export const findContainer = (
  { detached }: Ports,
  wanted: string,
): E.Either<EngineError, DetachedContainer> => {
  if (/^[0-9a-f]{64}$/.test(wanted)) {
    const found = detached.read(wanted)
    if (E.isLeft(found)) return found
    if (found.right !== undefined) return E.right(found.right)
  }
  const among = ({ containers, damaged }: ReturnType<typeof detached.list>) =>
    findRecord(
      [
        ...containers.map((each) => ({ ...each.document, container: E.right(each) })),
        ...damaged.map((each) => ({ ...each, container: E.left(each.error) })),
      ],
      wanted,
    )
  const meant = among(detached.list(wanted))
  const found = isNobody(meant) ? among(detached.list()) : meant
  return '_tag' in found ? E.left(found) : found.container
}

const isNobody = (found: object): boolean => '_tag' in found && found._tag === 'ContainerNotFound'
