// What an engine says of its detached containers, held against the kernel and the files: one line for each thing that is not so.
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import path from 'node:path'
import type { ContainerSummary } from '../../src/engine/containers.ts'
import type { DetachedContainer } from '../../src/engine/ports/detached.ts'
import { cgroupDirectories } from './census.ts'

export interface LifePlaces {
  readonly root: string
  readonly runtime: string
  /** Name of the engine's own groups, below each hierarchy. */
  readonly cgroup: string
}
/** The verbs that look. */
export interface LookingEngine {
  readonly list: () => Promise<readonly ContainerSummary[]>
  readonly containers: { readonly inspect: (id: string) => Promise<DetachedContainer> }
}

/** While nobody changes anything: what is on its way is looked at again until it has come, for ten seconds. */
export const untruths = async (engine: LookingEngine, places: LifePlaces): Promise<readonly string[]> => {
  for (const deadline = Date.now() + 10_000; ; await new Promise((resolve) => setTimeout(resolve, 50))) {
    const found = await look(engine, places)
    if (found.length === 0 || Date.now() > deadline) return found
  }
}

const look = async (engine: LookingEngine, places: LifePlaces): Promise<readonly string[]> => {
  const listed = await engine.list()
  const untrue: string[] = []
  for (const summary of listed) {
    try {
      untrue.push(...untrueOf(summary, await engine.containers.inspect(summary.id), places))
    } catch (error) {
      untrue.push(`${summary.name} is listed, and cannot be inspected: ${(error as Error).message}`)
    }
  }
  return [...untrue, ...namesUntrue(listed, places), ...strangers(listed, places)]
}

const untrueOf = (
  { id, name, status, pid }: ContainerSummary,
  { state, hasMonitor }: DetachedContainer,
  places: LifePlaces,
): readonly string[] => {
  const groups = groupsOf(id, places)
  const members = [...new Set(groups.flatMap(membersOf))]
  const say = (what: string): string => `${name} (${id.slice(0, 12)}) is ${status}, and ${what}`
  if (status !== 'running' && status !== 'paused')
    return [
      ...members.map((each) => say(`process ${each} is in its groups: ${statOf(each)}`)),
      ...(status === 'restarting' && !hasMonitor ? [say('has no monitor')] : []),
      ...(status !== 'restarting' && hasMonitor ? [say('has a monitor')] : []),
    ]
  if (pid === undefined || !isAlive(pid)) return [say(`its first process ${pid} is not there`)]
  if (startTimeOf(pid) !== state?.startTime) return [say(`process ${pid} is another one`)]
  if (!members.includes(pid)) return [say(`process ${pid} is in none of its groups`)]
  const frozen = groups.some((group) => isFrozen(group) && membersOf(group).includes(pid))
  return frozen === (status === 'paused') ? [] : [say(`its processes are ${frozen ? '' : 'not '}frozen`)]
}

const namesUntrue = (listed: readonly ContainerSummary[], { root }: LifePlaces): readonly string[] => {
  const ids = new Map<string, string>()
  const twice = listed.flatMap(({ name, id }) => {
    const other = ids.get(name)
    ids.set(name, id)
    return other === undefined ? [] : [`two containers are called ${name}`]
  })
  const folder = path.join(root, 'names')
  const holders = new Map(
    readdirSync(folder).map((name) => [name, readlinkSync(path.join(folder, name)).split('.')[0]]),
  )
  const missing = [...ids].filter(([name, id]) => holders.get(name) !== id)
  return [...twice, ...missing.map(([name]) => `${name} is not in the folder of names`)]
}

/** Things of containers that nobody lists. */
const strangers = (listed: readonly ContainerSummary[], places: LifePlaces): readonly string[] => {
  const known = new Set(listed.map(({ id }) => id))
  const folders = [path.join(places.root, 'containers'), path.join(places.runtime, 'frozen')]
  const found = folders.flatMap((folder) =>
    (existsSync(folder) ? readdirSync(folder) : []).map((name) => path.join(folder, name)),
  )
  return [...found, ...cgroupDirectories(places.cgroup)].filter((each) => {
    const id = /([0-9a-f]{64})$/.exec(each)?.[1]
    return id !== undefined && !known.has(id)
  })
}

/** In every hierarchy, those made for a pause too. */
export const groupsOf = (id: string, { cgroup }: LifePlaces): readonly string[] => [
  ...cgroupDirectories(cgroup).filter((directory) => directory.endsWith(`/${id}`)),
  ...cgroupDirectories(`${cgroup}-frozen-${id}`),
]

const textOf = (file: string): string => {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
const membersOf = (group: string): readonly number[] =>
  textOf(`${group}/cgroup.procs`)
    .split('\n')
    .filter((line) => line !== '')
    .map(Number)
    .filter(isAlive)
const isFrozen = (group: string): boolean =>
  /^frozen 1$/m.test(textOf(`${group}/cgroup.events`)) || textOf(`${group}/freezer.state`) === 'FROZEN\n'

/** From the state on: proc_pid_stat(5). */
const statOf = (pid: number): string =>
  /\((.*)\) (.*)/s
    .exec(textOf(`/proc/${pid}/stat`))
    ?.slice(1, 3)
    .join(' ') ?? ''
const isAlive = (pid: number): boolean => /^\d+ \(.*\) [^ZX]/s.test(textOf(`/proc/${pid}/stat`))
/** Field 22. */
const startTimeOf = (pid: number): number =>
  Number(/^\d+ \(.*\) (.*)/s.exec(textOf(`/proc/${pid}/stat`))?.[1]?.split(' ')[19])
