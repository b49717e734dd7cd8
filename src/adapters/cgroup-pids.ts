// Who is in a cgroup.
import { readdirSync, readFileSync } from 'node:fs'

/** Throws where the group is gone. A process of another pid namespace is listed as 0, which kill(2) would take for our own group. */
export const pidsIn = (group: string): readonly number[] =>
  readFileSync(`${group}/cgroup.procs`, 'utf8')
    .split('\n')
    .map(Number)
    .filter((pid) => pid > 0)

/** Of a group and those a container made in it; nobody where it is gone. */
export const pidsBelow = (group: string): readonly number[] => {
  try {
    const own = pidsIn(group)
    const below = readdirSync(group, { withFileTypes: true }).filter((entry) => entry.isDirectory())
    return [...own, ...below.flatMap(({ name }) => pidsBelow(`${group}/${name}`))]
  } catch {
    return []
  }
}
