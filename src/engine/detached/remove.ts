// rm: a container that has ended goes, with all that is left of it.
import * as E from '#fp/Either'
import { pipe } from '#fp/function'
import type { TaskEither } from '#fp/TaskEither'
import * as TE from '#fp/TaskEither'
import { allowed, runs, statusOf } from '../../model/container-status.ts'
import type { EngineError } from '../../model/errors.ts'
import { noteOf } from '../note.ts'
import type { DetachedContainer } from '../ports/detached.ts'
import type { Ports } from '../ports.ts'
import { heard } from './heard.ts'
import { dropVolumesOf } from './mounts.ts'
import { asked, connected } from './stop.ts'
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
      // One that removes itself may have done so: then its monitor has told it.
      if (await ports.detached.remove(container.document))
        await noteOf(ports, 'destroy', container.document)()
      await dropVolumesOf(ports, container.document, volumes)
      return E.right(undefined)
    })

/** Resolves when nobody of it is left. */
const end = (ports: Ports, container: DetachedContainer): TaskEither<EngineError, void> =>
  pipe(
    TE.fromEither(ports.detached.want(container.document.id, false)),
    TE.flatMap(() => connected(ports, container)),
    TE.tap((connection) => asked(connection, { _tag: 'Kill' })),
    TE.flatMap(ended),
  )
