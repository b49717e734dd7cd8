// The parts a container's isolation consists of, and which sets of them have to be measured to tell what each costs.

export type PartId =
  | 'pid'
  | 'uts'
  | 'ipc'
  | 'cgroupns'
  | 'time'
  | 'net'
  | 'overlay'
  | 'proc'
  | 'sys'
  | 'dev'
  | 'devpts'
  | 'shm'
  | 'mqueue'
  | 'files'
  | 'masked'
  | 'readonlyPaths'
  | 'seccomp'
  | 'capabilities'
  | 'cgroup'
  | 'cgroupfs'
  | 'memory'
  | 'cpu'
  | 'pids'
  | 'user'
  | 'readonlyRoot'
  | 'tmpfs'
  | 'bind'
  | 'init'

export type PartKind = 'namespace' | 'mount' | 'filter' | 'limit'

export interface Part {
  readonly id: PartId
  readonly title: string
  readonly kind: PartKind
  /** What it does, for the table of the report. */
  readonly what: string
  /** Parts without which it does nothing. */
  readonly needs: readonly PartId[]
  /** Not of the default shape: measured on top of it instead of taken from it. */
  readonly extra: boolean
  /** Where it comes in when the default shape is built up; parts of one step come together. */
  readonly step: string
}

const part = (
  id: PartId,
  kind: PartKind,
  title: string,
  step: string,
  what: string,
  needs: readonly PartId[] = [],
): Part => ({ id, kind, title, step, what, needs, extra: false })

const extra = (id: PartId, kind: PartKind, title: string, what: string): Part => ({
  ...part(id, kind, title, '', what),
  extra: true,
})

const SMALL_NAMESPACES = 'UTS, IPC, cgroup, time namespaces'
const DEVICES = '/dev and what is below it'
const LIMITS = 'memory, CPU, pids limits'

/** In the order in which the default shape is built up. */
export const PARTS: readonly Part[] = [
  part('pid', 'namespace', 'pid namespace', 'pid namespace', 'processes of its own'),
  part('uts', 'namespace', 'UTS namespace', SMALL_NAMESPACES, 'a host name of its own, and setting it'),
  part('ipc', 'namespace', 'IPC namespace', SMALL_NAMESPACES, 'System V and POSIX queues of its own'),
  part(
    'cgroupns',
    'namespace',
    'cgroup namespace',
    SMALL_NAMESPACES,
    'its own group as the root of the tree',
  ),
  part('time', 'namespace', 'time namespace', SMALL_NAMESPACES, 'monotonic clocks of its own'),
  part(
    'net',
    'namespace',
    'network namespace',
    'network namespace',
    'an empty network with lo up, and two of its sysctls',
  ),
  part(
    'overlay',
    'mount',
    'overlay root',
    'overlay root',
    'a private writable layer over the image, in place of a directory bound as it is',
  ),
  part('proc', 'mount', '/proc', '/proc, /sys', 'a proc file system'),
  part('sys', 'mount', '/sys', '/proc, /sys', 'a sysfs, read-only'),
  part('dev', 'mount', '/dev', DEVICES, 'a tmpfs with the six usual devices and four links'),
  part('devpts', 'mount', '/dev/pts', DEVICES, 'terminals of its own'),
  part('shm', 'mount', '/dev/shm', DEVICES, 'a tmpfs of 64 MiB'),
  part('mqueue', 'mount', '/dev/mqueue', DEVICES, 'the file system of POSIX message queues'),
  part(
    'files',
    'mount',
    '/etc/hosts and others',
    '/etc/hosts and others',
    'hosts, hostname and resolv.conf written and bound over those of the image',
  ),
  part('masked', 'filter', 'masked paths', 'masked, read-only paths', "Docker's list, hidden one by one", [
    'proc',
    'sys',
  ]),
  part(
    'readonlyPaths',
    'filter',
    'read-only paths',
    'masked, read-only paths',
    "Docker's list below /proc, bound over itself",
    ['proc'],
  ),
  part('seccomp', 'filter', 'seccomp filter', 'seccomp filter', "Docker's default profile, loaded"),
  part(
    'capabilities',
    'filter',
    'capabilities dropped',
    'capabilities dropped',
    "Docker's 14 kept, the others dropped from every set",
  ),
  part(
    'cgroup',
    'limit',
    'cgroup',
    'cgroup',
    'groups of the memory and devices controllers with device rules, made and joined',
  ),
  part('cgroupfs', 'mount', '/sys/fs/cgroup', 'cgroup', 'its own groups, seen read-only', ['cgroup']),
  part('memory', 'limit', 'memory limit', LIMITS, '64 MiB', ['cgroup']),
  part('cpu', 'limit', 'CPU limit', LIMITS, 'one CPU, which on cgroup v1 is a further group', ['cgroup']),
  part('pids', 'limit', 'pids limit', LIMITS, '64 processes, which on cgroup v1 are a further group', [
    'cgroup',
  ]),
  {
    ...extra('user', 'namespace', 'user namespace', 'root inside is nobody outside: 65,536 ids mapped'),
    needs: ['overlay'],
  },
  extra('readonlyRoot', 'mount', 'read-only root', 'the root file system cannot be written to'),
  extra('tmpfs', 'mount', 'tmpfs', 'one empty file system in memory on /tmp'),
  extra('bind', 'mount', 'bind mount', 'one directory of the host on /mnt'),
  extra('init', 'namespace', 'small init', 'a PID 1 that reaps processes, before the program'),
]

/** A set of parts, as a key: the same for the same parts. */
export type SetKey = string
export const keyOf = (parts: Iterable<PartId>): SetKey => [...new Set(parts)].sort().join('+')
export const partsOf = (key: SetKey): ReadonlySet<PartId> =>
  new Set(key === '' ? [] : (key.split('+') as PartId[]))

/** What a cost is the difference of. */
export interface Pair {
  readonly subject: SetKey
  readonly reference: SetKey
}

export interface PartCost {
  readonly part: Part
  /** Beside a container with nothing but what the part needs. */
  readonly alone: Pair
  /** Beside the default shape without the part and what needs it; an extra one on top of the whole. */
  readonly together: Pair
}

export interface LadderStep {
  readonly title: string
  readonly set: SetKey
}

export interface PartsPlan {
  readonly costs: readonly PartCost[]
  /** From the barest container to the default shape, each step with all before it. */
  readonly ladder: readonly LadderStep[]
  /** Every set that has to be measured, once. */
  readonly sets: readonly SetKey[]
}

export const BARE: SetKey = ''
export const BARE_TITLE = 'mount namespace and a root'

/** Which sets tell what `parts` cost. `ladder`: also those that build up the default shape. */
export const planParts = (
  available: readonly Part[],
  wanted: readonly Part[],
  ladder: boolean,
): PartsPlan => {
  const costs = wanted.map((each) => costOf(available, each))
  const steps = ladder ? ladderOf(available) : []
  const sets = [
    ...steps.map(({ set }) => set),
    ...costs
      .flatMap(({ alone, together }) => [alone, together])
      .flatMap((pair) => [pair.reference, pair.subject]),
  ]
  return { costs, ladder: steps, sets: [...new Set(sets)] }
}

/** The whole default shape, of the parts this host can give. */
export const wholeOf = (available: readonly Part[]): readonly PartId[] =>
  available.filter((each) => !each.extra).map(({ id }) => id)

const costOf = (available: readonly Part[], each: Part): PartCost => {
  const whole = wholeOf(available)
  const alone = { subject: keyOf([...each.needs, each.id]), reference: keyOf(each.needs) }
  if (each.extra)
    return { part: each, alone, together: { subject: keyOf([...whole, each.id]), reference: keyOf(whole) } }
  const dependants = available.filter(({ needs }) => needs.includes(each.id)).map(({ id }) => id)
  const subject = whole.filter((id) => !dependants.includes(id))
  const together = { subject: keyOf(subject), reference: keyOf(subject.filter((id) => id !== each.id)) }
  return { part: each, alone, together }
}

const ladderOf = (available: readonly Part[]): readonly LadderStep[] => {
  const own = available.filter((each) => !each.extra)
  const titles = [...new Set(own.map(({ step }) => step))]
  const rungs = titles.map((title, index) => ({
    title: `+ ${title}`,
    set: keyOf(own.filter(({ step }) => titles.indexOf(step) <= index).map(({ id }) => id)),
  }))
  return [{ title: BARE_TITLE, set: BARE }, ...rungs]
}
