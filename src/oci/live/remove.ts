// kill and delete.
import * as E from '#fp/Either'
import type { EngineError } from '../../model/errors.ts'
import type { DeleteRequest, KillRequest } from '../../model/oci-requests.ts'
import type { OciContainer } from '../../model/oci-status.ts'
import { attempted, unless } from '../attempt.ts'
import { wording } from '../wording.ts'
import { configOf } from './config.ts'
import { isCreating } from './create.ts'
import { thaw } from './freeze.ts'
import { processesOf } from './groups.ts'
import { runHooks, stateText } from './hooks.ts'
import { locked } from './locked.ts'
import type { Parts } from './parts.ts'
import { signalProcess, untilDead } from './process-handle.ts'
import { takeDown } from './take-down.ts'

const SIGKILL = 9
const ESRCH = 3

/** Fails: WrongStatus, SyscallFailed. */
export const kill = async (
  parts: Parts,
  { container: { record }, signal, all }: KillRequest,
): Promise<E.Either<EngineError, void>> => {
  const { init } = record
  if (all) {
    for (const pid of processesOf(record)) unless(['ESRCH'], () => process.kill(pid, signal))
    return E.right(undefined)
  }
  const failed = init === undefined ? undefined : signalProcess(parts, init, signal)
  if (failed === undefined) return E.right(undefined)
  const isGone = failed._tag === 'SyscallFailed' && failed.errno === ESRCH
  return E.left(
    isGone ? { _tag: 'WrongStatus', container: record.id, status: 'stopped', wanted: 'running' } : failed,
  )
}

/** Nothing of the container is left afterwards. Fails: WrongStatus, SystemdFailed, SyscallFailed. */
export const remove = (parts: Parts, { id, force }: DeleteRequest): Promise<E.Either<EngineError, void>> =>
  locked(parts, id, force ? undefined : 'delete', (now) => removeFound(parts, now))

const removeFound = async (parts: Parts, container: OciContainer): Promise<E.Either<EngineError, void>> => {
  const { id, init, creator, cgroup, bundle } = container.record
  if (container.status === 'paused') thaw(cgroup)
  // Whoever still creates it would go on making what is removed here.
  if (container.status === 'creating' && creator?.pid === process.pid) {
    if (isCreating(container.directory))
      return E.left({ _tag: 'WrongStatus', container: id, status: 'creating', wanted: 'stopped' })
  } else if (container.status === 'creating' && creator !== undefined) {
    signalProcess(parts, creator, SIGKILL)
    await untilDead(parts, creator)
  }
  if (init !== undefined && container.status !== 'stopped') {
    signalProcess(parts, init, SIGKILL)
    if (!(await untilDead(parts, init)))
      return E.left({ _tag: 'WrongStatus', container: id, status: container.status, wanted: 'stopped' })
  }
  const down = await attempted(() => takeDown(parts, cgroup))
  if (E.isLeft(down)) return down
  const spec = configOf(parts, container)
  const removed = parts.state.remove(id)
  if (E.isLeft(removed)) return removed
  // runtime-spec runtime.md, Lifecycle: what a poststop hook fails with is logged, and the rest goes on.
  if (E.isRight(spec)) {
    const state = stateText(spec.right, { id, status: 'stopped', pid: 0, bundle })
    for (const hook of spec.right.hooks?.poststop ?? []) {
      const ran = await runHooks('poststop', [hook], state)
      if (E.isLeft(ran)) parts.log.warn(wording(ran.left))
    }
  }
  return E.right(undefined)
}
