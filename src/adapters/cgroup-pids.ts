// Who is in a cgroup.
import { readFileSync } from 'node:fs'

/** Throws where the group is gone. A process of another pid namespace is listed as 0, which kill(2) would take for our own group. */
export const pidsIn = (group: string): readonly number[] =>
  readFileSync(`${group}/cgroup.procs`, 'utf8')
    .split('\n')
    .map(Number)
    .filter((pid) => pid > 0)
