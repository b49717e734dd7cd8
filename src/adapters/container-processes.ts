// The processes of a container, found by its groups, and what /proc tells of them.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { statFields } from '../model/process-stat.ts'
import type { ContainerRecord } from '../model/record.ts'
import { pidsBelow } from './cgroup-pids.ts'

type Located = Pick<ContainerRecord, 'groups' | 'process'>

/** Of its group and of groups it made below; without any group, of its first process's pid namespace. Ascending. */
export const processesOf = ({ groups, process: first }: Located): readonly number[] => {
  const [group] = groups
  const pids = group !== undefined ? pidsBelow(group) : first === undefined ? [] : pidsBeside(first.pid)
  return [...new Set(pids)].sort((a, b) => a - b)
}

const pidsBeside = (first: number): readonly number[] => {
  const own = namespaceOf(first, 'pid')
  if (own === undefined || own === namespaceOf('self', 'pid')) return own === undefined ? [] : [first]
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => namespaceOf(pid, 'pid') === own)
}

/** Undefined for a process that has ended. */
export const namespaceOf = (pid: number | 'self', type: string): string | undefined => {
  try {
    return readlinkSync(`/proc/${pid}/ns/${type}`)
  } catch {
    return undefined
  }
}

/** Fields from the third on, proc_pid_stat(5); undefined for one that has ended, a zombie included. */
export const livingStat = (pid: number): readonly string[] | undefined => {
  try {
    const fields = statFields(readFileSync(`/proc/${pid}/stat`, 'utf8'))
    return /^[ZXx]$/.test(fields[0] ?? '') ? undefined : fields
  } catch {
    return undefined
  }
}

const PPID = 1
const START_TIME = 19
export const startTimeIn = (fields: readonly string[]): string => fields[START_TIME] ?? ''
/** In clock ticks since the boot; undefined for one that has ended. */
export const startTimeOf = (pid: number): string | undefined => livingStat(pid)?.[START_TIME]
export const parentIn = (fields: readonly string[]): number => Number(fields[PPID])

/**
 * The one whose parent is none of them: its engine, or monitor, is its parent. Of several, since a process may have been added later, the
 * oldest. Numbers tell nothing: they begin anew.
 */
export const firstOf = ({ groups, process: first }: Located): number | undefined => {
  if (groups.length === 0)
    return first !== undefined && startTimeOf(first.pid) === first.startTime ? first.pid : undefined
  const found = processesOf({ groups }).flatMap((pid) => {
    const fields = livingStat(pid)
    return fields === undefined
      ? []
      : [{ pid, parent: parentIn(fields), started: Number(startTimeIn(fields)) }]
  })
  const own = new Set(found.map(({ pid }) => pid))
  return found
    .filter(({ parent }) => !own.has(parent))
    .sort((a, b) => a.started - b.started || a.pid - b.pid)[0]?.pid
}
