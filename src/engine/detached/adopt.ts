// A container whose monitor died runs on; a new monitor takes it over.
import * as E from '#fp/Either'
import { pipe } from '#fp/function'
import type { TaskEither } from '#fp/TaskEither'
import * as TE from '#fp/TaskEither'
import type { ContainerDocument } from '../../model/container-document.ts'
import { notRunning, statusOf } from '../../model/container-status.ts'
import type { EngineError } from '../../model/errors.ts'
import type { DetachedContainer, MonitorConnection } from '../ports/detached.ts'
import type { Ports } from '../ports.ts'
import { wholePlan } from './whole-plan.ts'

/** Log, attach, exit record and restarts go on. Under the container's lock. Fails: WrongStatus where it ends just now; as a start does. */
export const adopt = (
  ports: Ports,
  container: DetachedContainer,
): TaskEither<EngineError, MonitorConnection> => {
  const { document, state } = container
  return state === undefined || statusOf(container) === 'restarting'
    ? leaving(ports, document)
    : pipe(
        wholePlan(ports, document),
        TE.flatMap((plan) => ports.monitors.begin().launch(document, plan, { adopts: state })),
      )
}

/** Nobody knows of a process to take over, and its monitor listens no more: what is true is known when that is gone. */
const leaving =
  (ports: Ports, { id, name }: ContainerDocument): TaskEither<EngineError, never> =>
  async () => {
    await ports.detached.monitorGone(id)
    return E.left(notRunning(name, 'stopping'))
  }
