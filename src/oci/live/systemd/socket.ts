// Where systemd's manager listens: the system's for root, the user's own for everybody else.
import { existsSync } from 'node:fs'
import * as E from '#fp/Either'
import { socketsOf } from '../../../dbus/address.ts'
import type { EngineError } from '../../../model/errors.ts'
import { inUserNamespace } from '../../user-namespace.ts'

export interface ManagerSocket {
  readonly address: string
  /** Its own socket has no bus behind it. */
  readonly isBus: boolean
}

type Env = Readonly<Record<string, string | undefined>>

/** There where systemd is the first process. sd_booted(3). */
const BOOTED = '/run/systemd/system'

/** The manager of the caller, not of the system. */
export const isUsers = (env: Env): boolean =>
  process.geteuid?.() !== 0 ||
  (inUserNamespace() && (env.XDG_RUNTIME_DIR ?? env.DBUS_SESSION_BUS_ADDRESS ?? '') !== '')

/** `booted`: what is there where systemd runs. Fails: HostUnfit. */
export const managerSocket = (env: Env, booted = BOOTED): E.Either<EngineError, ManagerSocket> => {
  if (!existsSync(booted)) return unfit(`systemd does not run here: there is no ${booted}`)
  const candidates = candidatesFor(env)
  const found = candidates.find(({ address }) => address.startsWith('\0') || existsSync(address))
  return found === undefined
    ? unfit(
        `there is no socket of it: ${candidates.map(({ address }) => address).join(', ') || 'XDG_RUNTIME_DIR is not set'}`,
      )
    : E.right(found)
}

const unfit = (why: string): E.Either<EngineError, never> =>
  E.left({
    _tag: 'HostUnfit',
    need: 'the systemd cgroup manager',
    why,
    remedy: 'make the groups without it: --cgroup-manager cgroupfs',
  })

/** A bus that was named; the manager's own socket, which is there without a bus; the bus where it usually is. */
const candidatesFor = (env: Env): readonly ManagerSocket[] => {
  const users = isUsers(env)
  const named = (users ? env.DBUS_SESSION_BUS_ADDRESS : env.DBUS_SYSTEM_BUS_ADDRESS) ?? ''
  const runtime = env.XDG_RUNTIME_DIR ?? ''
  const own = users ? (runtime === '' ? [] : [`${runtime}/systemd/private`]) : ['/run/systemd/private']
  const buses = users ? (runtime === '' ? [] : [`${runtime}/bus`]) : ['/run/dbus/system_bus_socket']
  return [
    ...socketsOf(named).map((address) => ({ address, isBus: true })),
    ...own.map((address) => ({ address, isBus: false })),
    ...buses.map((address) => ({ address, isBus: true })),
  ]
}
