// Looks up what a container's status is computed from: /proc, the socket its payload waits at and the freezer.
import { closeSync, existsSync, openSync, readlinkSync, readSync } from 'node:fs'
import type { OciRecord } from '../model/oci-state.ts'
import { isFrozenText, type ProcessStat, parseProcessStat, type StatusFacts } from '../model/oci-status.ts'
import { unless } from './attempt.ts'

/** `create` leaves the container's first process waiting at it, and `start` removes it. */
export const START_SOCKET = 'start.sock'

export const statusFacts = (record: OciRecord, directory: string): StatusFacts => {
  const { init, creator, cgroup } = record
  // Its creator counts only for one that has no process yet.
  const wanted = init ?? creator
  const stat = wanted === undefined ? undefined : processStat(wanted.pid)
  const isThere = stat !== undefined
  return {
    ...(init === undefined ? {} : { init }),
    ...(creator === undefined ? {} : { creator }),
    processes: new Map(wanted === undefined || stat === undefined ? [] : [[wanted.pid, stat]]),
    hasStartSocket: isThere && existsSync(`${directory}/${START_SOCKET}`) && !hasExecuted(record),
    isFrozen: isThere && cgroup.freezerFile !== undefined && isFrozen(cgroup.freezerFile),
  }
}

/** A `start` that was killed leaves the socket of a container that runs. Where its program is not ours to see, the socket tells. */
const hasExecuted = ({ init, waitsAs }: OciRecord): boolean => {
  const program = init === undefined || waitsAs === undefined ? undefined : programOf(init.pid)
  return program !== undefined && program !== waitsAs
}

/** Undefined where it is gone, or not ours to see. */
export const programOf = (pid: number): string | undefined =>
  unless([...GONE, 'EACCES', 'EPERM'], () => readlinkSync(`/proc/${pid}/exe`))

/** ESRCH: it went away between the open and the read. */
const GONE = ['ENOENT', 'ESRCH', 'ENODEV']

/** Undefined where there is no such process. */
export const processStat = (pid: number): ProcessStat | undefined => {
  const text = unless(GONE, () => readShort(`/proc/${pid}/stat`))
  return text === undefined ? undefined : parseProcessStat(text)
}

/** A cgroup that is gone holds nothing that could be frozen. */
const isFrozen = (file: string): boolean => isFrozenText(unless(GONE, () => readShort(file)) ?? '')

const short = Buffer.alloc(4096)
/** One read: the kernel makes such a file as a whole. */
const readShort = (file: string): string => {
  const fd = openSync(file, 'r')
  try {
    return short.toString('latin1', 0, readSync(fd, short))
  } finally {
    closeSync(fd)
  }
}
