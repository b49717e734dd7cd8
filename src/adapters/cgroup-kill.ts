// cgroup.kill: the end of a whole v2 group at one stroke, whoever is forking in it (Linux 5.14).
import { closeSync, constants, openSync, writeSync } from 'node:fs'

/** False where the group has no such file: on v1, before 5.14, or when it is gone. */
export const killAtOnce = (group: string): boolean => {
  try {
    const fd = openSync(`${group}/cgroup.kill`, constants.O_WRONLY)
    try {
      return writeSync(fd, '1') === 1
    } finally {
      closeSync(fd)
    }
  } catch {
    return false
  }
}
