// What becomes of a replacement that has come so far: finished once the new container has the name, undone before.
import * as E from '#fp/Either'
import type { ContainerDocument } from '../../model/container-document.ts'
import type { EngineError } from '../../model/errors.ts'
import type { NamedMount } from '../../model/options-decoded.ts'
import { ownVolumes } from '../../model/record.ts'
import type { Replacement } from '../../model/replacement.ts'
import { dropOwn } from '../own-volumes.ts'
import type { DetachedContainer } from '../ports/detached.ts'
import type { Ports } from '../ports.ts'
import { removeContainer } from './remove.ts'
import { startContainer } from './start.ts'
import type { Called } from './verbs.ts'

/** Those whose holder died. What cannot be settled now is left to the next command. Never fails. */
export const settleReplacements = async (ports: Ports): Promise<void> => {
  for (const old of ports.replacements.pending()) {
    const taken = await ports.replacements.takeOver(old)
    if (E.isLeft(taken) || taken.right === undefined) continue
    const lock = taken.right
    const settled = await settle(ports, lock.read())
    if (E.isLeft(settled)) lock.leave()
    else lock.done()
  }
}

const settle = async (
  ports: Ports,
  replacement: Replacement | undefined,
): Promise<E.Either<EngineError, unknown>> => {
  if (replacement === undefined) return E.right(undefined)
  const next = newOne(ports, replacement)
  if (next?.document.supersedes === replacement.old) return putInPlace(ports, next.document, replacement)
  return putBack(ports, replacement)
}

const newOne = (ports: Ports, { old, temporary }: Replacement): DetachedContainer | undefined =>
  ports.detached
    .list()
    .containers.find(({ document: { name, supersedes } }) => supersedes === old || name === temporary)

/** The new one has the name: the old one goes, without its volumes, which are the new one's. */
export const putInPlace = async (
  ports: Ports,
  { id, name }: ContainerDocument,
  { old, temporary }: Replacement,
): Promise<E.Either<EngineError, Called>> => {
  const given = ports.host.state.passName(name, id)
  if (E.isLeft(given)) return given
  ports.host.state.dropName(temporary)
  const removed = await removeContainer(old, { force: true })(ports)()
  if (E.isLeft(removed) && removed.left._tag !== 'ContainerNotFound') return removed
  ports.host.state.change(old, undefined)
  const written = await ports.detached.locked(id, async ({ document: { supersedes: _, ...document } }) =>
    ports.detached.write(document),
  )()
  return E.map(() => ({ id, name }))(written)
}

/** The new one goes, with what it has of volumes for itself alone; the old one runs again if it ran. */
export const putBack = async (
  ports: Ports,
  replacement: Replacement,
): Promise<E.Either<EngineError, unknown>> => {
  const next = newOne(ports, replacement)
  if (next !== undefined) {
    const removed = await removeContainer(next.document.id, { force: true })(ports)()
    if (E.isLeft(removed)) return removed
    // Those the old one has, too, stay.
    await dropOwn(
      ports,
      ownVolumes({ mounts: (next.document.options.mounts ?? []) as readonly NamedMount[] }),
    )
  }
  ports.host.state.dropName(replacement.temporary)
  if (!replacement.ran || !isThere(ports, replacement.old)) return E.right(undefined)
  const started = await startContainer(replacement.old)(ports)()
  if (E.isRight(started)) started.right.connection?.close()
  return started
}

/** Somebody may have removed it meanwhile. */
const isThere = (ports: Ports, id: string): boolean => {
  const found = ports.detached.read(id)
  return E.isLeft(found) || found.right !== undefined
}
