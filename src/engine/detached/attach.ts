// attach: the streams of a container that runs, from now on.
import { pipe } from '#fp/function'
import type { TaskEither } from '#fp/TaskEither'
import * as TE from '#fp/TaskEither'
import type { ContainerDocument } from '../../model/container-document.ts'
import { allowed } from '../../model/container-status.ts'
import type { EngineError } from '../../model/errors.ts'
import type { AttachedStreams } from '../ports/detached.ts'
import type { Ports } from '../ports.ts'
import { heard } from './heard.ts'
import { asked, connected } from './stop.ts'

export interface AttachChoices {
  /** Take standard input, where the container has one open. Default false. */
  readonly stdin?: boolean
}

/** Fails: ContainerNotFound, WrongStatus; SyscallFailed with EBUSY where another one has its standard input. */
export const attachContainer =
  (id: string, { stdin = false }: AttachChoices = {}) =>
  (ports: Ports): TaskEither<EngineError, AttachedStreams> =>
    heard(ports, id, (container) => {
      const takes = stdin && hasInput(container.document)
      return pipe(
        TE.fromEither(allowed('attach', container)),
        TE.flatMap(() => connected(ports, container)),
        TE.tap((connection) =>
          asked(connection, {
            _tag: 'Attach',
            stdout: true,
            stderr: true,
            watch: true,
            ...(takes ? { stdin } : {}),
          }),
        ),
        TE.flatMap((connection) => ports.monitors.streams(connection, { stdin: takes })),
      )()
    })

/** Somebody can write to it. */
export const hasInput = ({ options: { tty }, policies }: ContainerDocument): boolean =>
  policies.stdin || (tty !== undefined && tty !== false)
