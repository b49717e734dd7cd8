// The end of a container, as its monitor tells it.
import * as E from '#fp/Either'
import type { TaskEither } from '#fp/TaskEither'
import { isSettled, runs, statusOf } from '../../model/container-status.ts'
import type { EngineError } from '../../model/errors.ts'
import type { WaitCondition } from '../../model/living.ts'
import { decodeExitRecord, type ExitRecord } from '../../model/monitor-state.ts'
import type { MonitorConnection } from '../ports/detached.ts'
import type { Ports } from '../ports.ts'

/** Resolves with the end of the connection, which a monitor closes when nothing is left to do. */
export const ended =
  (connection: MonitorConnection): TaskEither<EngineError, void> =>
  () =>
    new Promise((resolve) => {
      connection.listen((message) => {
        if (message === undefined) resolve(E.right(undefined))
      })
      connection.resume()
    })

/** The next end; undefined where the connection ends without one. */
const nextEnd = (connection: MonitorConnection): Promise<ExitRecord | undefined> =>
  new Promise((resolve) => {
    connection.listen((message) => {
      if (message === undefined) resolve(undefined)
      if (message?._tag !== 'Exit') return
      const record = decodeExitRecord(message.text)
      resolve(E.isRight(record) ? record.right : undefined)
    })
    connection.resume()
  })

/**
 * Its exit code: of a run that is over at once, unless the next one is asked for. Fails: ContainerNotFound.
 */
export const waitForContainer =
  (id: string, condition: WaitCondition = 'not-running') =>
  (ports: Ports): TaskEither<EngineError, number> =>
  async () => {
    // One that has just ended has its record in a moment, and has not ended with 0 before.
    const found = await ports.detached.settled(id)()
    if (E.isLeft(found)) return found
    if (!isSettled(found.right)) return again(ports, id, condition)
    const status = statusOf(found.right)
    // As Docker: one that never ran has ended with 0.
    if (condition === 'not-running' && !runs(status)) return E.right(found.right.exit?.exitCode ?? 0)
    const connection = await ports.monitors.connect(id)()
    if (E.isLeft(connection)) return connection
    if (connection.right === undefined) return again(ports, id, condition)
    const asked = await connection.right.ask({ _tag: 'Attach', watch: true })()
    if (E.isLeft(asked)) {
      connection.right.close()
      return again(ports, id, condition)
    }
    const end = await nextEnd(connection.right)
    if (condition === 'removed') await ended(connection.right)()
    connection.right.close()
    return end === undefined ? again(ports, id, condition) : E.right(end.exitCode)
  }

/** Between two looks at one that no monitor tells of: created, or orphaned. */
const LOOK_MS = 100

const again = async (
  ports: Ports,
  id: string,
  condition: WaitCondition,
): Promise<E.Either<EngineError, number>> => {
  await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
  return waitForContainer(id, condition)(ports)()
}
