// Signals to a process that is known by its pid and start time: never to a later one with the same number.
import * as E from '#fp/Either'
import type { EngineError } from '../../model/errors.ts'
import type { ProcessIdentity } from '../../model/oci-state.ts'
import { planOpenProcess, planSignal } from '../../plan/process-handle.ts'
import { processStat } from '../status-facts.ts'
import type { Parts } from './parts.ts'

const ESRCH = 3

/** Undefined, or why it was not sent. */
export const signalProcess = (
  parts: Parts,
  identity: ProcessIdentity,
  signal: number,
): EngineError | undefined => {
  const { addon, facts } = parts
  const opened = openProcess(parts, identity)
  if (E.isLeft(opened)) return opened.left
  const fd = Int32Array.of(opened.right)
  const sent = addon.execute(planSignal(facts.arch, signal), fd)
  addon.closeFds(fd)
  return sent.ok ? undefined : gone('send signal', sent.errno)
}

/** A pidfd that is the caller's to close. Fails: SyscallFailed. */
const openProcess = (
  { addon, facts }: Parts,
  { pid, startTime }: ProcessIdentity,
): E.Either<EngineError, number> => {
  const opened = addon.execute(planOpenProcess(facts.arch, pid), new Int32Array(0))
  if (!opened.ok) return E.left(gone('open process', opened.errno))
  const fd = opened.slots[0] ?? -1
  // What the descriptor stands for is what the number stood for when it was opened, or later.
  if (processStat(pid)?.startTime === startTime) return E.right(fd)
  addon.closeFds(Int32Array.of(fd))
  return E.left(gone('open process', ESRCH))
}

const gone = (step: string, errno: number): EngineError => ({ _tag: 'SyscallFailed', step, errno })

export const isAlive = ({ pid, startTime }: ProcessIdentity): boolean => {
  const stat = processStat(pid)
  return stat !== undefined && stat.startTime === startTime && !/^[ZXx]$/.test(stat.state)
}

const LONGEST_MS = 10_000
const PAUSE_MS = 5
const LOOK_MS = 20

/** False when it still is there after ten seconds. */
export const untilDead = async (parts: Parts, identity: ProcessIdentity): Promise<boolean> => {
  const deadline = Date.now() + LONGEST_MS
  if (isAlive(identity)) await ended(parts, identity)
  // Where it could not be watched; and one of several threads may be the last to go.
  while (isAlive(identity)) {
    if (Date.now() > deadline) return false
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
  }
  return true
}

/**
 * Its pidfd says so, pidfd_open(2); or it has taken too long. Of the first process of a pid namespace it does not as long as somebody in it
 * has not been waited for: so it is looked at besides.
 */
const ended = (parts: Parts, identity: ProcessIdentity): Promise<void> => {
  const { addon } = parts
  const opened = openProcess(parts, identity)
  if (E.isLeft(opened)) return Promise.resolve()
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer)
      clearInterval(look)
      channel.close()
      addon.closeFds(Int32Array.of(opened.right))
      resolve()
    }
    const timer = setTimeout(end, LONGEST_MS)
    const look = setInterval(() => isAlive(identity) || end(), LOOK_MS)
    const channel = new addon.Channel(opened.right, end)
    if (channel.wait(false) !== 0) end()
  })
}
