// Signals to a process that is known by its pid and start time: never to a later one with the same number.
import type { EngineError } from '../../model/errors.ts'
import type { ProcessIdentity } from '../../model/oci-state.ts'
import { Program, SlotSpace } from '../../plan/program.ts'
import { processStat } from '../status-facts.ts'
import type { Parts } from './parts.ts'

const ESRCH = 3

/** Undefined, or why it was not sent. */
export const signalProcess = (
  { addon, facts }: Parts,
  { pid, startTime }: ProcessIdentity,
  signal: number,
): EngineError | undefined => {
  const gone = (step: string, errno: number): EngineError => ({ _tag: 'SyscallFailed', step, errno })
  const open = new Program(facts.arch, new SlotSpace())
  const process = open.slots.next()
  open.call('open process', 'pidfd_open', [pid, 0], { into: process })
  const opened = addon.execute(open.encode(), new Int32Array(0))
  if (!opened.ok) return gone('open process', opened.errno)
  const fd = Int32Array.of(opened.slots[0] ?? -1)
  try {
    // What the descriptor stands for is what the number stood for when it was opened, or later.
    if (processStat(pid)?.startTime !== startTime) return gone('open process', ESRCH)
    const slots = new SlotSpace()
    const target = slots.next()
    const send = new Program(facts.arch, slots)
    send.call('send signal', 'pidfd_send_signal', [target, signal, 0, 0])
    const sent = addon.execute(send.encode(), fd)
    return sent.ok ? undefined : gone('send signal', sent.errno)
  } finally {
    addon.closeFds(fd)
  }
}

export const isAlive = ({ pid, startTime }: ProcessIdentity): boolean => {
  const stat = processStat(pid)
  return stat !== undefined && stat.startTime === startTime && !/^[ZXx]$/.test(stat.state)
}

const LONGEST_MS = 10_000
const PAUSE_MS = 5

/** False when it still is there after ten seconds. */
export const untilDead = async (identity: ProcessIdentity): Promise<boolean> => {
  for (const deadline = Date.now() + LONGEST_MS; isAlive(identity); ) {
    if (Date.now() > deadline) return false
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
  }
  return true
}
