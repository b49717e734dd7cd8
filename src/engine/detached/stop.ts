// stop and kill: what is asked of a monitor, or done in place of one that died.
import * as E from '#fp/Either'
import { pipe } from '#fp/function'
import type { TaskEither } from '#fp/TaskEither'
import * as TE from '#fp/TaskEither'
import { allowed, isOrphan } from '../../model/container-status.ts'
import type { EngineError } from '../../model/errors.ts'
import type { MonitorRequest } from '../../model/monitor-frames.ts'
import { signalNumber } from '../../model/signals.ts'
import { noteOf } from '../note.ts'
import type { DetachedContainer, MonitorConnection } from '../ports/detached.ts'
import type { Ports } from '../ports.ts'
import { adopt } from './adopt.ts'
import { heard } from './heard.ts'
import { ended } from './wait.ts'

export interface StopChoices {
  /** Name or number; default: the container's own. */
  readonly signal?: string
  /** Until SIGKILL; -1: never. Default: the container's own. */
  readonly timeoutMs?: number
}

/**
 * Resolves when it has ended; at once for one that has. It is not started again, whatever its policy. Once asked, the monitor carries
 * it to the end, whether the caller lives or not; that it has been stopped is told by the caller. Fails: ContainerNotFound, InvalidOption.
 */
export const stopContainer =
  (id: string, choices: StopChoices = {}) =>
  (ports: Ports): TaskEither<EngineError, void> =>
    pipe(
      heard(ports, id, async (container) => {
        const { document } = container
        const wanted = signalOf(choices.signal ?? document.stopSignal)
        if (E.isLeft(wanted)) return wanted
        unwanted(ports, container)
        if (E.isLeft(allowed('stop', container))) return E.right(undefined)
        const asked = await asking(ports, container, {
          _tag: 'Stop',
          signal: wanted.right,
          timeoutMs: choices.timeoutMs ?? document.policies.stopMs,
        })()
        return E.map((connection: MonitorConnection) => ({ connection, document }))(asked)
      }),
      TE.flatMap((asked) =>
        asked === undefined
          ? TE.right(undefined)
          : pipe(
              ended(asked.connection),
              TE.map(() => asked.document),
            ),
      ),
      // One that was killed in the middle of it takes its clock along.
      TE.flatMap((document) =>
        isLeftAlone(ports, id)
          ? stopContainer(id, choices)(ports)
          : pipe(
              TE.fromTask(() => ports.detached.thaw(id)),
              TE.flatMap(() =>
                document === undefined ? TE.right(undefined) : noteOf(ports, 'stop', document),
              ),
            ),
      ),
    )

/** It runs on, and nobody has asked for that since. */
const isLeftAlone = ({ detached }: Ports, id: string): boolean => {
  const found = detached.read(id)
  return E.isRight(found) && found.right !== undefined && isOrphan(found.right) && !found.right.isWanted
}

/** To the first process. Fails: ContainerNotFound, WrongStatus, InvalidOption. */
export const killContainer =
  (id: string, signal: string) =>
  (ports: Ports): TaskEither<EngineError, void> =>
    heard(ports, id, async (container) => {
      const number = signalOf(signal)
      if (E.isLeft(number)) return number
      // Between two runs there is nobody to signal, but there is somebody to keep from starting it again.
      const fit = allowed(number.right === SIGKILL ? 'kill' : 'signal', container)
      if (E.isLeft(fit)) return fit
      // As Docker: who kills does not want it back.
      if (number.right === SIGKILL) unwanted(ports, container)
      const request: MonitorRequest =
        number.right === SIGKILL ? { _tag: 'Kill' } : { _tag: 'Signal', signal: number.right }
      return E.map((connection: MonitorConnection) => connection.close())(
        await asking(ports, container, request)(),
      )
    })

const SIGKILL = 9

/**
 * Where nothing can be written it ends all the same, and a policy may start it after the next boot. Of one that removes itself the note
 * says that it has run: whoever finds it without a monitor removes it by that.
 */
export const unwanted = (ports: Ports, { document }: DetachedContainer): void => {
  if (!document.policies.autoRemove) ports.detached.want(document, false)
}

const signalOf = (signal: string): E.Either<EngineError, number> => {
  const number = signalNumber(signal)
  return number === undefined
    ? E.left({ _tag: 'InvalidOption', option: 'signal', value: signal, why: 'no such signal' })
    : E.right(number)
}

/** The connection that was asked, which hears of the end. */
const asking = (
  ports: Ports,
  container: DetachedContainer,
  request: MonitorRequest,
): TaskEither<EngineError, MonitorConnection> =>
  pipe(
    connected(ports, container),
    TE.tap((connection) => asked(connection, { _tag: 'Attach', watch: true })),
    TE.tap((connection) => asked(connection, request)),
  )

/** A connection that is refused something is of no use any more. */
export const asked = (
  connection: MonitorConnection,
  request: MonitorRequest,
): TaskEither<EngineError, void> =>
  pipe(
    connection.ask(request),
    TE.mapLeft((error) => {
      connection.close()
      return error
    }),
  )

/** Of one whose monitor died a new one is made. */
export const connected = (
  ports: Ports,
  container: DetachedContainer,
): TaskEither<EngineError, MonitorConnection> =>
  pipe(
    ports.monitors.connect(container.document.id),
    TE.flatMap((connection) => (connection === undefined ? adopt(ports, container) : TE.right(connection))),
  )
