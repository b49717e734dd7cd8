// systemd's manager: the few calls a container's scope needs. org.freedesktop.systemd1(5).
import * as E from '#fp/Either'
import { DbusCallError, type DbusConnection, DbusLostError, openDbus } from '../../../dbus/connection.ts'
import type { Received } from '../../../dbus/message.ts'
import { DbusFormatError } from '../../../dbus/signature.ts'
import type { EngineError, SystemdFailed } from '../../../model/errors.ts'
import type { DbusValue, DbusVariant, UnitProperty } from '../../../model/unit-property.ts'
import { unitObject } from '../../../plan/systemd/unit.ts'
import { type ManagerSocket, managerSocket } from './socket.ts'

type Answer<A> = Promise<E.Either<EngineError, A>>

/** One of systemd's managers, connected. */
export interface Manager {
  /** E.g. 252. */
  readonly version: number
  /** That all its units are below; empty for the system's own. */
  readonly controlGroup: string
  /** Its only process is `pid`. Resolves when it is there. Fails: SystemdFailed. */
  readonly startScope: (unit: string, pid: number, properties: readonly UnitProperty[]) => Answer<void>
  /** Resolves when its group has them. Fails: SystemdFailed. */
  readonly setProperties: (unit: string, properties: readonly UnitProperty[]) => Answer<void>
  /** The unit's path below the mount point. Fails: SystemdFailed. */
  readonly groupOf: (unit: string) => Answer<string>
  /** `active`, `failed` …; undefined where there is no such unit. Fails: SystemdFailed. */
  readonly stateOf: (unit: string) => Answer<string | undefined>
  /** Resolves when it is gone; where there is none, too. Fails: SystemdFailed. */
  readonly stop: (unit: string) => Answer<void>
  /** It is no longer kept for somebody to see that it failed. Fails: SystemdFailed. */
  readonly forget: (unit: string) => Answer<void>
  readonly close: () => void
}

const NAME = 'org.freedesktop.systemd1'
const MANAGER = { path: '/org/freedesktop/systemd1', interface: `${NAME}.Manager` } as const
const PROPERTIES = 'org.freedesktop.DBus.Properties'
const NO_SUCH_UNIT = `${NAME}.NoSuchUnit`
/** As long as runc waits for a job. */
const TIMEOUT_MS = 30_000

/** Fails: HostUnfit where systemd does not run; SystemdFailed. */
export const openManager = async (
  env: Readonly<Record<string, string | undefined>>,
  booted?: string,
): Answer<Manager> => {
  const socket = managerSocket(env, booted)
  if (E.isLeft(socket)) return socket
  const opened = await told({ call: `connect to ${socket.right.address}` }, () =>
    openDbus({ ...socket.right, timeoutMs: TIMEOUT_MS }),
  )
  if (E.isLeft(opened)) return opened
  const manager = await told({ call: 'Subscribe' }, () => greet(opened.right, socket.right))
  if (E.isLeft(manager)) opened.right.close()
  return manager
}

const greet = async (connection: DbusConnection, { isBus }: ManagerSocket): Promise<Manager> => {
  const to = isBus ? { destination: NAME } : {}
  const property = async (path: string, of: string, name: string): Promise<DbusValue> => {
    const call = { ...to, path, interface: PROPERTIES, member: 'Get', signature: 'ss', values: [of, name] }
    const [variant] = await connection.call(call)
    return (variant as DbusVariant).value
  }
  const method: Method = (member, signature, ...values) =>
    connection.call({ ...to, ...MANAGER, member, signature, values })
  // Without a bus signals are sent to everybody who is connected.
  if (isBus) {
    await connection.call(MATCH)
    await method('Subscribe', '')
  }
  const [version, controlGroup] = await Promise.all(
    ['Version', 'ControlGroup'].map((name) => property(MANAGER.path, MANAGER.interface, name)),
  )
  return {
    version: Number(/\d+/.exec(String(version))?.[0] ?? 0),
    controlGroup: String(controlGroup),
    ...callsOf(connection, method, property),
  }
}

type Method = (member: string, signature: string, ...values: DbusValue[]) => Promise<readonly DbusValue[]>
type Property = (path: string, of: string, name: string) => Promise<DbusValue>

const MATCH = {
  destination: 'org.freedesktop.DBus',
  path: '/org/freedesktop/DBus',
  interface: 'org.freedesktop.DBus',
  member: 'AddMatch',
  signature: 's',
  values: [`type='signal',sender='${NAME}',interface='${MANAGER.interface}',member='JobRemoved'`],
} as const

const callsOf = (
  connection: DbusConnection,
  method: Method,
  property: Property,
): Omit<Manager, 'version' | 'controlGroup'> => ({
  startScope: (unit, pid, properties) =>
    told({ call: 'StartTransientUnit', unit }, async () => {
      const all = [{ name: 'PIDs', signature: 'au', value: [pid] }, ...properties]
      const args = [unit, 'fail', all.map(asPair), []] as const
      await job(connection, () => method('StartTransientUnit', 'ssa(sv)a(sa(sv))', ...args))
    }),
  setProperties: (unit, properties) =>
    told({ call: 'SetUnitProperties', unit }, async () => {
      await method('SetUnitProperties', 'sba(sv)', unit, true, properties.map(asPair))
      // It writes the files after it has answered, and before it reads another call: src/core/manager.c, manager_loop.
      await property(MANAGER.path, MANAGER.interface, 'Version')
    }),
  groupOf: (unit) =>
    told({ call: 'Get ControlGroup', unit }, async () =>
      String(await property(unitObject(unit), `${NAME}.Scope`, 'ControlGroup')),
    ),
  stateOf: (unit) =>
    told({ call: 'GetUnit', unit }, () =>
      withoutUnit(async () => {
        const [path] = await method('GetUnit', 's', unit)
        return String(await property(String(path), `${NAME}.Unit`, 'ActiveState'))
      }),
    ),
  stop: (unit) =>
    told({ call: 'StopUnit', unit }, async () => {
      await withoutUnit(() => job(connection, () => method('StopUnit', 'ss', unit, 'replace')))
    }),
  forget: (unit) =>
    told({ call: 'ResetFailedUnit', unit }, async () => {
      await withoutUnit(() => method('ResetFailedUnit', 's', unit))
    }),
  close: () => connection.close(),
})

const asPair = ({ name, signature, value }: UnitProperty): DbusValue => [name, { signature, value }]

/** Undefined where it is not there, or not any more. */
const withoutUnit = async <A>(body: () => Promise<A>): Promise<A | undefined> => {
  try {
    return await body()
  } catch (error) {
    if (error instanceof DbusCallError && error.errorName === NO_SUCH_UNIT) return undefined
    throw error
  }
}

/** A job that came to another end than `done`: systemctl(1), `--wait`; org.freedesktop.systemd1(5), JobRemoved. */
class JobFailed extends Error {}

/** `begin` gives the job's path. Resolves when the job is done. */
const job = async (connection: DbusConnection, begin: () => Promise<readonly DbusValue[]>): Promise<void> => {
  // The signal may come together with the answer that names the job.
  const ends = new Map<string, string>()
  let look: () => void = () => {}
  const stop = connection.listen((signal) => {
    const [path, result] = removedJob(signal)
    if (path === undefined) return
    ends.set(path, result ?? '')
    look()
  })
  try {
    const [path] = await begin()
    const result = await connection.within<string>('its job', ({ resolve }) => {
      look = () => {
        const end = ends.get(String(path))
        if (end !== undefined) resolve(end)
      }
      look()
    })
    if (result !== 'done') throw new JobFailed(`its job ended with ${JSON.stringify(result)}`)
  } finally {
    stop()
  }
}

const removedJob = ({
  interface: of,
  member,
  values,
}: Received): readonly [path?: string, result?: string] => {
  if (of !== MANAGER.interface || member !== 'JobRemoved') return []
  const [, path, , result] = values
  return [String(path), String(result)]
}

/** What the connection throws, as an error. */
const told = async <A>(
  what: Pick<SystemdFailed, 'call' | 'unit'>,
  body: () => Promise<A>,
): Promise<E.Either<EngineError, A>> => {
  try {
    return E.right(await body())
  } catch (error) {
    if (error instanceof DbusCallError)
      return E.left({ _tag: 'SystemdFailed', ...what, name: error.errorName, why: error.message })
    if (error instanceof DbusLostError || error instanceof DbusFormatError || error instanceof JobFailed)
      return E.left({ _tag: 'SystemdFailed', ...what, why: error.message })
    throw error
  }
}
