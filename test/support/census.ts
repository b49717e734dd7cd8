// Counts what a container may leave behind on a host: mounts, cgroups, network namespaces, processes, descriptors, files.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import path from 'node:path'

/** What belongs to the engine under test; everything else on the machine is left out, as others may be at work. */
export interface CensusScope {
  /** Directories of the engine: its root, and its runtime directory when that lies elsewhere. */
  readonly directories: readonly string[]
  /** Name of the engine's own cgroup directory below each hierarchy's root, e.g. `slipway-0a1b2c3d`. */
  readonly cgroup: string
}

/** Every list is sorted; an entry says what it is, so that a difference names the thing that was left. */
export interface Census {
  /** Mounts seen by this process on or below the engine's directories. */
  readonly mounts: readonly string[]
  /** cgroup directories at and below the engine's own. */
  readonly cgroups: readonly string[]
  /** Network namespaces of this process's descendants and of the engine's cgroups. */
  readonly netNamespaces: readonly string[]
  /** `<pid> <command>` of the same processes. */
  readonly processes: readonly string[]
  /** `<number> <target>` of this process's own descriptors. */
  readonly fds: readonly string[]
  /** Paths below the engine's directories, directories with a slash at the end. */
  readonly files: readonly string[]
}

/** The journal of events tells what has been: it grows with what is done, and nothing of it belongs to a container. */
const isJournal = (text: string): boolean => /\/events(\/|\/\d{8})?$/.test(text)

const KINDS = ['mounts', 'cgroups', 'netNamespaces', 'processes', 'fds', 'files'] as const

export const takeCensus = (scope: CensusScope): Census => {
  const processes = ownProcesses(scope)
  return {
    mounts: mountsBelow(scope.directories),
    cgroups: cgroupDirectories(scope.cgroup),
    netNamespaces: namespacesOf(processes.map(({ pid }) => pid)),
    processes: processes.map(({ pid, command }) => `${pid} ${command}`).sort(),
    fds: ownDescriptors().filter((line) => !isJournal(line)),
    files: scope.directories
      .flatMap((directory) => filesBelow(directory).filter((file) => !isJournal(file)))
      .sort(),
  }
}

/** One line for each thing that is there now and was not, or was and is not; empty when nothing changed. */
export const censusDifferences = (before: Census, after: Census): readonly string[] =>
  KINDS.flatMap((kind) => [
    ...missingFrom(before[kind], after[kind]).map((thing) => `${kind}: left behind: ${thing}`),
    ...missingFrom(after[kind], before[kind]).map((thing) => `${kind}: gone: ${thing}`),
  ])

/**
 * Takes censuses until one equals `before` or the time is up, and returns the last differences: removal goes on for a
 * moment after a container's end has been reported.
 */
export const settledDifferences = async (
  scope: CensusScope,
  before: Census,
  withinMs = 5000,
): Promise<readonly string[]> => {
  for (const deadline = Date.now() + withinMs; ; await pause(20)) {
    const differences = censusDifferences(before, takeCensus(scope))
    if (differences.length === 0 || Date.now() > deadline) return differences
  }
}

/** How many of each kind, for a report. */
export const censusCounts = (census: Census): Readonly<Record<(typeof KINDS)[number], number>> =>
  Object.fromEntries(KINDS.map((kind) => [kind, census[kind].length])) as Record<
    (typeof KINDS)[number],
    number
  >

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

const missingFrom = (known: readonly string[], now: readonly string[]): readonly string[] => {
  const all = new Set(known)
  return now.filter((thing) => !all.has(thing))
}

/** What may vanish between being listed and being looked at gives undefined. */
const attempt = <A>(look: () => A): A | undefined => {
  try {
    return look()
  } catch {
    return undefined
  }
}

const mountsBelow = (directories: readonly string[]): readonly string[] =>
  readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .filter((target) =>
      directories.some((directory) => target === directory || target.startsWith(`${directory}/`)),
    )
    .sort()

const CGROUP_ROOT = '/sys/fs/cgroup'

/** The directories of this name in every hierarchy, and all below them, each after the one it is in. */
export const cgroupDirectories = (name: string): readonly string[] =>
  ['', ...(attempt(() => readdirSync(CGROUP_ROOT)) ?? [])]
    .flatMap((hierarchy) => directoriesFrom(path.join(CGROUP_ROOT, hierarchy, name)))
    .sort()

const directoriesFrom = (directory: string): readonly string[] => {
  const entries = attempt(() => readdirSync(directory, { withFileTypes: true }))
  if (entries === undefined) return []
  const below = entries
    .filter((entry) => entry.isDirectory())
    .map((entry) => path.join(directory, entry.name))
  return [directory, ...below.flatMap(directoriesFrom)]
}

interface Process {
  readonly pid: number
  readonly parent: number
  readonly command: string
}

/** proc_pid_stat(5): the command stands in parentheses and may hold anything. */
const parseStat = (pid: number, stat: string): Process => ({
  pid,
  command: stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')')),
  parent: Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]),
})

const allProcesses = (): readonly Process[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      const stat = attempt(() => readFileSync(`/proc/${name}/stat`, 'utf8'))
      return stat === undefined ? [] : [parseStat(Number(name), stat)]
    })

const isInCgroup = (pid: number, name: string): boolean =>
  new RegExp(`:/(.*/)?${name}(/|$)`, 'm').test(
    attempt(() => readFileSync(`/proc/${pid}/cgroup`, 'utf8')) ?? '',
  )

const ownProcesses = ({ cgroup }: CensusScope): readonly Process[] => {
  const all = allProcesses()
  const parents = new Map(all.map(({ pid, parent }) => [pid, parent]))
  const descends = (pid: number): boolean => {
    for (let at = parents.get(pid); at !== undefined && at > 0; at = parents.get(at))
      if (at === process.pid) return true
    return false
  }
  return all.filter(({ pid }) => pid !== process.pid && (descends(pid) || isInCgroup(pid, cgroup)))
}

const namespacesOf = (pids: readonly number[]): readonly string[] =>
  [...new Set(pids.flatMap((pid) => attempt(() => readlinkSync(`/proc/${pid}/ns/net`)) ?? []))].sort()

/**
 * Without the descriptor that lists them. Targets without numbers of their own, so that a re-opened one is the same. The one network
 * namespace that an engine keeps ready for its next start is always another one; a second would be left behind.
 */
const ownDescriptors = (): readonly string[] => {
  const all = openDescriptors()
  const ready = heldNetworks(all)[0]
  return all.filter((entry) => entry !== ready)
}

/** This process's, without the one that lists them: `number target`. */
export const openDescriptors = (): readonly string[] =>
  readdirSync('/proc/self/fd').flatMap((fd) => {
    const target = attempt(() => readlinkSync(`/proc/self/fd/${fd}`))
    return target === undefined || target.startsWith('/proc/') ? [] : [`${fd} ${target}`]
  })

/** This process's descriptors of network namespaces, its own aside: threads find home by that. */
export const heldNetworks = (all = openDescriptors()): readonly string[] => {
  const own = attempt(() => readlinkSync('/proc/self/ns/net')) ?? ''
  return all.filter((entry) => /^\d+ net:/.test(entry) && !entry.endsWith(own))
}

const filesBelow = (directory: string): readonly string[] =>
  (attempt(() => readdirSync(directory, { withFileTypes: true })) ?? []).flatMap((entry) => {
    const file = path.join(directory, entry.name)
    return entry.isDirectory() ? [`${file}/`, ...filesBelow(file)] : [file]
  })
