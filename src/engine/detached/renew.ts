// What of a container was changed while it runs reaches its monitor: for the next start, and for what is told from now on.
import { pipe } from '#fp/function'
import type { TaskEither } from '#fp/TaskEither'
import * as TE from '#fp/TaskEither'
import type { ContainerDocument } from '../../model/container-document.ts'
import type { EngineError } from '../../model/errors.ts'
import type { DetachedContainer } from '../ports/detached.ts'
import type { Ports } from '../ports.ts'
import { wholePlan } from './whole-plan.ts'

/**
 * The new document on file, and its monitor's, where one lives; in any failure the old one. Under the container's lock. Fails:
 * SyscallFailed; as a start is planned.
 */
export const rewrite = (
  ports: Ports,
  { document: before, hasMonitor }: DetachedContainer,
  document: ContainerDocument,
): TaskEither<EngineError, void> =>
  pipe(
    TE.right<EngineError, void>(undefined),
    TE.flatMapEither(() => ports.detached.write(document)),
    TE.flatMap(() =>
      hasMonitor
        ? pipe(
            wholePlan(ports, document),
            TE.flatMap((start) => ports.monitors.renew(document, start)),
            TE.tapError(() => TE.fromEither(ports.detached.write(before))),
          )
        : TE.right(undefined),
    ),
  )
