// The scope of a container: started before the container's process, which is put there as into any group, and stopped at its delete.
import * as E from '#fp/Either'
import type { EngineError } from '../../../model/errors.ts'
import type { Spec } from '../../../model/oci-spec.ts'
import type { OciCgroup } from '../../../model/oci-state.ts'
import type { UnitProperty } from '../../../model/unit-property.ts'
import { annotatedProperties } from '../../../plan/systemd/annotations.ts'
import { deviceProperties } from '../../../plan/systemd/devices.ts'
import { type Unit, unitOf } from '../../../plan/systemd/unit.ts'
import { devicesOf } from '../device-rules.ts'
import type { Parts } from '../parts.ts'
import { type Manager, openManager } from './manager.ts'
import { type Placeholder, startPlaceholder } from './placeholder.ts'
import { isUsers, managerSocket } from './socket.ts'

export interface Scope {
  readonly unit: Unit
  /** Of its group, below the mount point of each hierarchy. */
  readonly path: string
  /** It is a user's: the files that limit it are the manager's. */
  readonly isUsers: boolean
  /** Starts it, with a process that keeps it. Fails: SystemdFailed, SyscallFailed. */
  readonly begin: () => Promise<E.Either<EngineError, void>>
  /** The container's process is in it: the one that kept it goes. */
  readonly joined: () => Promise<void>
  readonly manager: Manager
  readonly close: () => Promise<void>
}

/** Undefined where another manager makes the groups. Nothing is made yet. Fails: InvalidSpec, Unsupported, HostUnfit, SystemdFailed. */
export const openScope = async (
  parts: Parts,
  spec: Spec,
  id: string,
): Promise<E.Either<EngineError, Scope | undefined>> => {
  if (parts.globals.cgroupManager !== 'systemd') return E.right(undefined)
  const here = managerSocket(parts.env)
  if (E.isLeft(here)) return here
  const users = isUsers(parts.env)
  if (users && parts.facts.cgroup.mode !== 'v2') return onlyUnified
  const unit = unitOf(spec.linux?.cgroupsPath ?? '', id, users ? 'user.slice' : 'system.slice')
  if (E.isLeft(unit)) return unit
  const asked = annotatedProperties(spec.annotations)
  if (E.isLeft(asked)) return asked
  const manager = await openManager(parts.env)
  if (E.isLeft(manager)) return manager
  const free = await untilFree(manager.right, unit.right.name)
  if (E.isLeft(free)) {
    manager.right.close()
    return free
  }
  // v2 has a program of our own, which nobody takes away.
  const devices = parts.facts.cgroup.mode === 'v2' ? [] : deviceProperties(devicesOf(spec))
  const properties = [...ownProperties(unit.right, id), ...devices, ...asked.right]
  return E.right(scopeOf(parts, manager.right, unit.right, properties))
}

const onlyUnified: E.Either<EngineError, never> = E.left({
  _tag: 'HostUnfit',
  need: "a scope of a user's own",
  why: 'the groups of cgroup v1 are handed over to nobody',
})

/** Its limits come later: until it has executed the helper, the container's process shares our memory, and they would be ours. */
const ownProperties = ({ slice }: Unit, id: string): readonly UnitProperty[] => [
  { name: 'Description', signature: 's', value: `slipway-oci container ${id}` },
  { name: 'Slice', signature: 's', value: slice },
  { name: 'Delegate', signature: 'b', value: true },
  { name: 'DefaultDependencies', signature: 'b', value: false },
  ...['CPU', 'Memory', 'Tasks', 'IO'].map((what) => ({
    name: `${what}Accounting`,
    signature: 'b',
    value: true,
  })),
  // One that failed, because memory ran out in it, is not kept until somebody looks.
  { name: 'CollectMode', signature: 's', value: 'inactive-or-failed' },
]

const scopeOf = (parts: Parts, manager: Manager, unit: Unit, properties: readonly UnitProperty[]): Scope => {
  const path = `${manager.controlGroup}${unit.path}`
  let keeper: Placeholder | undefined
  let gone: Promise<void> | undefined
  const joined = async (): Promise<void> => {
    gone ??= keeper?.end()
    await gone
  }
  const begin = async (): Promise<E.Either<EngineError, void>> => {
    const placeholder = await startPlaceholder(parts)
    if (E.isLeft(placeholder)) return placeholder
    keeper = placeholder.right
    const started = await manager.startScope(unit.name, keeper.pid, properties)
    return E.isLeft(started) ? started : isWhereWePutIt(manager, unit, path)
  }
  const close = async (): Promise<void> => {
    await joined()
    manager.close()
  }
  return { unit, path, isUsers: isUsers(parts.env), manager, begin, joined, close }
}

/** A property of the document's own may have moved it. */
const isWhereWePutIt = async (
  manager: Manager,
  unit: Unit,
  path: string,
): Promise<E.Either<EngineError, void>> => {
  const found = await manager.groupOf(unit.name)
  if (E.isLeft(found)) return found
  return found.right === path
    ? E.right(undefined)
    : E.left({
        _tag: 'SystemdFailed',
        call: 'StartTransientUnit',
        unit: unit.name,
        why: `its group is ${found.right}, not ${path}`,
      })
}

const PAUSE_MS = 20
const LONGEST_MS = 2000

/** One that has just ended is there for a moment more; one that failed may be kept. */
const untilFree = async (manager: Manager, unit: string): Promise<E.Either<EngineError, void>> => {
  for (let waitedMs = 0; ; waitedMs += PAUSE_MS) {
    const state = await manager.stateOf(unit)
    if (E.isLeft(state)) return state
    if (state.right === undefined) return E.right(undefined)
    if (state.right === 'failed') {
      const forgotten = await manager.forget(unit)
      if (E.isLeft(forgotten)) return forgotten
    } else if (waitedMs >= LONGEST_MS)
      return E.left({
        _tag: 'SystemdFailed',
        call: 'StartTransientUnit',
        unit,
        name: 'org.freedesktop.systemd1.UnitExists',
        why: `a unit of this name is ${state.right}`,
      })
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
  }
}

/** Nothing where systemd made none. Whoever is in it is killed before. Fails: HostUnfit, SystemdFailed. */
export const stopScope = async (
  { env }: Pick<Parts, 'env'>,
  { unit }: OciCgroup,
): Promise<E.Either<EngineError, void>> => {
  if (unit === undefined) return E.right(undefined)
  const manager = await openManager(env)
  if (E.isLeft(manager)) return manager
  try {
    const stopped = await manager.right.stop(unit)
    return E.isLeft(stopped) ? stopped : await manager.right.forget(unit)
  } finally {
    manager.right.close()
  }
}
