// update: other limits for a container that is there.
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import type * as E from '#fp/Either'
import type { EngineError } from '../../model/errors.ts'
import type { UpdateRequest } from '../../model/oci-requests.ts'
import { type CgroupWrite, limitWrites } from '../../plan/launch/cgroup.ts'
import { attempt } from '../attempt.ts'
import { hierarchiesOf } from './groups.ts'
import { locked } from './locked.ts'
import type { Parts } from './parts.ts'

/** Fails: WrongStatus, HostUnfit, SyscallFailed. */
export const update = (
  parts: Parts,
  { container, resources }: UpdateRequest,
): Promise<E.Either<EngineError, void>> =>
  locked(parts, container.record.id, 'update', async ({ record }) => {
    const writes = hierarchiesOf(record.cgroup).flatMap(({ directory, names, version }) => {
      const controllers = version === 2 ? ['memory', 'cpu', 'cpuset', 'pids', 'io', 'hugetlb', 'rdma'] : names
      return limitWrites({ version, controllers }, resources).map((write) => ({ directory, write }))
    })
    return attempt(() => writeAll(writes))
  })

interface Write {
  readonly directory: string
  readonly write: CgroupWrite
}

/** Memory and memory plus swap must be raised and lowered in different orders: what is refused first is tried again last. */
const writeAll = (writes: readonly Write[]): void => {
  const refused = writes.filter(({ directory, write }) => !tryWrite(directory, write))
  for (const { directory, write } of refused)
    writeFileSync(path.join(directory, write.file), write.value, { flag: 'r+' })
}

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
