// A container whose monitor died runs on; a new monitor takes it over.
import { pipe } from '#fp/function'
import type { TaskEither } from '#fp/TaskEither'
import * as TE from '#fp/TaskEither'
import { statusOf } from '../../model/container-status.ts'
import type { EngineError } from '../../model/errors.ts'
import type { DetachedContainer, MonitorConnection } from '../ports/detached.ts'
import type { Ports } from '../ports.ts'
import { wholePlan } from './whole-plan.ts'

/** Log, attach, exit record and restarts go on. Under the container's lock. Fails: WrongStatus where it ended meanwhile; as a start does. */
export const adopt = (
  ports: Ports,
  container: DetachedContainer,
): TaskEither<EngineError, MonitorConnection> => {
  const { document, state } = container
  return state === undefined || statusOf(container) === 'restarting'
    ? TE.left({ _tag: 'WrongStatus', container: document.name, status: 'exited', wanted: 'running' })
    : pipe(
        wholePlan(ports, document),
        TE.flatMap((plan) => ports.monitors.begin().launch(document, plan, { adopts: state })),
      )
}
