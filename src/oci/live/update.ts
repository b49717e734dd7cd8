// update: other limits for a container that is there.
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import * as E from '#fp/Either'
import type { EngineError } from '../../model/errors.ts'
import type { UpdateRequest } from '../../model/oci-requests.ts'
import type { LinuxResources } from '../../model/oci-spec.ts'
import type { OciCgroup } from '../../model/oci-state.ts'
import { type CgroupWrite, limitWrites } from '../../plan/launch/cgroup.ts'
import { hasProperty, limitProperties } from '../../plan/systemd/properties.ts'
import { attempt, unless } from '../attempt.ts'
import { hierarchiesOf } from './groups.ts'
import { locked } from './locked.ts'
import type { Parts } from './parts.ts'
import { type Manager, openManager } from './systemd/manager.ts'
import { isUsers } from './systemd/socket.ts'

/** Fails: WrongStatus, HostUnfit, SystemdFailed, SyscallFailed. */
export const update = (
  parts: Parts,
  { container, resources }: UpdateRequest,
): Promise<E.Either<EngineError, void>> =>
  locked(parts, container.record.id, 'update', async ({ record: { cgroup } }) => {
    const writes = writesOf(parts, cgroup, resources)
    if (cgroup.unit === undefined) return writeAll(writes)
    const manager = await openManager(parts.env)
    if (E.isLeft(manager)) return manager
    try {
      return await limitUnit(manager.right, cgroup.unit, writes, isUsers(parts.env))
    } finally {
      manager.right.close()
    }
  })

export interface Write {
  readonly directory: string
  readonly write: CgroupWrite
}

/** What limits a container's groups that are there. */
export const writesOf = (
  { facts }: Pick<Parts, 'facts'>,
  cgroup: OciCgroup,
  resources: LinuxResources,
): readonly Write[] =>
  hierarchiesOf(cgroup)
    // Beside v1 the group of v2 limits nothing.
    .filter(({ version }) => version === 1 || facts.cgroup.mode === 'v2')
    .flatMap(({ directory, names, version }) => {
      const controllers = version === 2 ? ['memory', 'cpu', 'cpuset', 'pids', 'io', 'hugetlb', 'rdma'] : names
      return limitWrites({ version, controllers }, resources).map((write) => ({ directory, write }))
    })

/**
 * systemd is told what it has words for, since it writes the files again when it likes; then they get what they are to have, exactly.
 * Those of a user's scope are the manager's alone. Fails: SystemdFailed, SyscallFailed.
 */
export const limitUnit = async (
  manager: Manager,
  unit: string,
  writes: readonly Write[],
  isUsers: boolean,
): Promise<E.Either<EngineError, void>> => {
  const current = (file: string): string | undefined =>
    writes
      .map(({ directory }) => unless(['ENOENT'], () => readFileSync(path.join(directory, file), 'utf8')))
      .find((text) => text !== undefined)
  const properties = limitProperties(
    writes.map(({ write }) => write),
    { systemd: manager.version, current },
  )
  const set = properties.length === 0 ? E.right(undefined) : await manager.setProperties(unit, properties)
  const ours = isUsers ? writes.filter(({ write }) => !hasProperty(write.file)) : writes
  return E.isLeft(set) ? set : writeAll(ours)
}

/** Memory and memory plus swap must be raised and lowered in different orders: what is refused first is tried again last. */
const writeAll = (writes: readonly Write[]): E.Either<EngineError, void> => {
  const refused = writes.filter(({ directory, write }) => !tryWrite(directory, write))
  for (const { directory, write } of refused) {
    const file = path.join(directory, write.file)
    const written = attempt(() => writeFileSync(file, write.value, { flag: 'r+' }))
    if (E.isLeft(written)) return E.left(named(`${file} = ${write.value}`, written.left))
  }
  return E.right(undefined)
}

/** What a failed write(2) is told with is neither a file nor a value. */
const named = (what: string, error: EngineError): EngineError =>
  error._tag === 'SyscallFailed' ? { ...error, step: 'set cgroup limit', path: what } : error

const tryWrite = (directory: string, { file, value, optional, otherwise }: CgroupWrite): boolean => {
  try {
    writeFileSync(path.join(directory, file), value, { flag: 'r+' })
    return true
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT'
    if (isMissing && otherwise !== undefined) return tryWrite(directory, otherwise)
    return isMissing && optional === true
  }
}
