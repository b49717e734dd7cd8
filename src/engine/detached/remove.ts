// rm: a container that has ended goes, with all that is left of it.
import * as E from '#fp/Either'
import { pipe } from '#fp/function'
import type { TaskEither } from '#fp/TaskEither'
import * as TE from '#fp/TaskEither'
import type { ContainerDocument } from '../../model/container-document.ts'
import { allowed, runs, statusOf } from '../../model/container-status.ts'
import type { EngineError } from '../../model/errors.ts'
import { noteOf } from '../note.ts'
import type { DetachedContainer } from '../ports/detached.ts'
import type { Ports } from '../ports.ts'
import { heard } from './heard.ts'
import { dropVolumesOf } from './mounts.ts'
import { asked, connected, unwanted } from './stop.ts'
import { ended } from './wait.ts'

export interface RemoveChoices {
  /** One that runs is killed first. */
  readonly force?: boolean
  /** Also the volumes nobody gave a name. */
  readonly volumes?: boolean
}

/** Fails: ContainerNotFound, WrongStatus. */
export const removeContainer =
  (id: string, { force = false, volumes = false }: RemoveChoices = {}) =>
  (ports: Ports): TaskEither<EngineError, void> =>
    heard(ports, id, async (container) => {
      const isOver = !runs(statusOf(container))
      if (!isOver && !force) return E.map(() => undefined)(allowed('remove', container))
      const over = isOver ? E.right(undefined) : await end(ports, container)()
      if (E.isLeft(over)) return over
      return removeEnded(ports, container.document, volumes)
    })

/** Under its lock. Fails: SyscallFailed. */
export const removeEnded = async (
  ports: Ports,
  document: ContainerDocument,
  volumes: boolean,
): Promise<E.Either<EngineError, void>> => {
  const removed = await ports.detached.remove(document)
  if (E.isLeft(removed)) return removed
  // One that removes itself may have done so: then its monitor has told it.
  if (removed.right) await noteOf(ports, 'destroy', document)()
  await dropVolumesOf(ports, document, volumes)
  return E.right(undefined)
}

/**
 * One whose document cannot be read. Its monitor ends it where there is one; volumes of its own are found by a prune. Fails:
 * ContainerNotFound, SyscallFailed.
 */
export const removeDamaged =
  (id: string) =>
  (ports: Ports): TaskEither<EngineError, void> =>
    ports.detached.held(id, async () => {
      const connection = await ports.monitors.connect(id)()
      if (E.isRight(connection) && connection.right !== undefined) {
        const killed = await asked(connection.right, { _tag: 'Kill' })()
        if (E.isRight(killed)) await ended(connection.right)()
      }
      const left = ports.detached.list(id).damaged.find((each) => each.id === id)
      if (left === undefined) return E.right(undefined)
      const removed = await ports.detached.removeDamaged(left)
      ports.host.state.change(id, undefined)
      return E.map(() => undefined)(removed)
    })

/** Resolves when nobody of it is left. */
const end = (ports: Ports, container: DetachedContainer): TaskEither<EngineError, void> =>
  pipe(
    TE.fromIO(() => unwanted(ports, container)),
    TE.flatMap(() => connected(ports, container)),
    TE.tap((connection) => asked(connection, { _tag: 'Kill' })),
    TE.flatMap(ended),
  )
