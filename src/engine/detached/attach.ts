// attach: the streams of a container that runs, from now on.
import { pipe } from '#fp/function'
import type { TaskEither } from '#fp/TaskEither'
import * as TE from '#fp/TaskEither'
import { allowed } from '../../model/container-status.ts'
import type { EngineError } from '../../model/errors.ts'
import type { AttachedStreams } from '../ports/detached.ts'
import type { Ports } from '../ports.ts'
import { heard } from './heard.ts'
import { connected } from './stop.ts'

export interface AttachChoices {
  /** Take standard input, where the container has one open. Default false. */
  readonly stdin?: boolean
}

/** Fails: ContainerNotFound, WrongStatus; SyscallFailed with EBUSY where another one has its standard input. */
export const attachContainer =
  (id: string, { stdin = false }: AttachChoices = {}) =>
  (ports: Ports): TaskEither<EngineError, AttachedStreams> =>
    heard(ports, id, (container) =>
      pipe(
        TE.fromEither(allowed('attach', container)),
        TE.flatMap(() => connected(ports, container)),
        TE.tap((connection) =>
          connection.ask({
            _tag: 'Attach',
            stdout: true,
            stderr: true,
            watch: true,
            ...(stdin ? { stdin } : {}),
          }),
        ),
        TE.flatMap((connection) => ports.monitors.streams(connection, { stdin })),
      )(),
    )
