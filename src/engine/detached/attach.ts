// attach: the streams of a container that runs, from now on.
import { pipe } from '#fp/function'
import type { TaskEither } from '#fp/TaskEither'
import * as TE from '#fp/TaskEither'
import type { ContainerDocument } from '../../model/container-document.ts'
import { allowed } from '../../model/container-status.ts'
import type { EngineError } from '../../model/errors.ts'
import { noteOf } from '../note.ts'
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
        TE.flatMap((streams) => told(ports, container.document, streams)),
      )()
    })

/** Somebody can write to it. */
export const hasInput = ({ options: { tty }, policies }: ContainerDocument): boolean =>
  policies.stdin || (tty !== undefined && tty !== false)

/** The same streams, which the journal is told of: that somebody has them, resizes them, and leaves them while the container runs on. */
export const told = (
  ports: Ports,
  document: ContainerDocument,
  streams: AttachedStreams,
): TaskEither<EngineError, AttachedStreams> => {
  const note = (action: string, more?: Readonly<Record<string, string>>): void =>
    void noteOf(ports, action, document, more)()
  let isOver = false
  const end = (): void => {
    isOver = true
  }
  streams.exit.then(end)
  return pipe(
    noteOf(ports, 'attach', document),
    TE.map(() => ({
      stdin: streams.stdin,
      stdout: streams.stdout,
      stderr: streams.stderr,
      exit: streams.exit,
      get missedBytes() {
        return streams.missedBytes
      },
      resize: (columns, rows) => {
        streams.resize(columns, rows)
        note('resize', { height: String(rows), width: String(columns) })
      },
      signal: streams.signal,
      close: () => {
        streams.close()
        if (!isOver) note('detach')
        end()
      },
    })),
  )
}
