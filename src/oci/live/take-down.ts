// The end of a container's groups, and of everybody in them.
import { existsSync, readdirSync, rmdirSync } from 'node:fs'
import path from 'node:path'
import * as E from '#fp/Either'
import { killAtOnce } from '../../adapters/cgroup-kill.ts'
import type { EngineError } from '../../model/errors.ts'
import type { OciCgroup } from '../../model/oci-state.ts'
import { unless } from '../attempt.ts'
import { GONE, hierarchiesOf, membersOf } from './groups.ts'
import type { Parts } from './parts.ts'
import { stopScope } from './systemd/scope.ts'

const TRIES = 200
const LONGEST_PAUSE_MS = 5
/** A process that has ended leaves its groups a moment later, when its processor has turned to another one. */
const pauseAfter = (tries: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, Math.min(tries + 1, LONGEST_PAUSE_MS)))

/** Nobody is in its groups afterwards, and they and its unit are gone. Fails: SystemdFailed. Throws what rmdir throws in the end. */
export const takeDown = async (
  parts: Pick<Parts, 'env'>,
  cgroup: OciCgroup,
): Promise<E.Either<EngineError, void>> => {
  // Groups that go at once have nobody in them.
  if (cgroup.unit === undefined && removeAtOnce(cgroup)) return E.right(undefined)
  await killAll(cgroup)
  const stopped = await stopScope(parts, cgroup)
  if (E.isLeft(stopped)) return stopped
  for (const { directory } of hierarchiesOf(cgroup)) await removeGroup(directory)
  return E.right(undefined)
}

/** False where one of them is busy: with a process, a group below it, or the last of a process that has ended. */
const removeAtOnce = (cgroup: OciCgroup): boolean =>
  hierarchiesOf(cgroup).every(
    ({ directory }) => unless(['EBUSY'], () => unless(GONE, () => rmdirSync(directory)) ?? true) ?? false,
  )

/** SIGKILL to everybody in it, until nobody is left. */
const killAll = async (cgroup: OciCgroup): Promise<void> => {
  const unified = cgroup.paths['']
  for (let tries = 0; tries < TRIES; tries++) {
    const pids = membersOf(cgroup)
    if (pids.length === 0) return
    if (unified === undefined || !killAtOnce(unified))
      for (const pid of pids) unless(['ESRCH'], () => process.kill(pid, 'SIGKILL'))
    await pauseAfter(tries)
  }
}

/** With all below it. A group is busy until its last process is fully gone. Throws what rmdir throws in the end. */
const removeGroup = async (directory: string): Promise<void> => {
  for (const entry of unless(GONE, () => readdirSync(directory, { withFileTypes: true })) ?? [])
    if (entry.isDirectory()) await removeGroup(path.join(directory, entry.name))
  for (let tries = 0; existsSync(directory); tries++) {
    const isBusy = unless(['EBUSY'], () => unless(GONE, () => rmdirSync(directory)) ?? true) === undefined
    if (!isBusy) return
    if (tries === TRIES) rmdirSync(directory)
    await pauseAfter(tries)
  }
}
