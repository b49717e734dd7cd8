// The ids an ordinary user has besides its own, and the maps of the user namespace its containers live in. Pure.
import type { HostFacts } from './host-facts.ts'
import type { IdMapping } from './oci-spec.ts'

/** The user namespace of an engine that an ordinary user runs: its containers are in it, and whatever touches their files. */
export interface OwnUsers {
  /** A descriptor of it, open as long as the engine. */
  readonly fd: number
  readonly uidMappings: readonly IdMapping[]
  readonly gidMappings: readonly IdMapping[]
  /** False where the kernel lets nobody in it change supplementary groups: user_namespaces(7), /proc/[pid]/setgroups. */
  readonly setsGroups: boolean
  /** Why there is but one id, and what would change that. */
  readonly single?: { readonly why: string; readonly remedy: string }
}

/** Ids of subuid(5): `start`, and how many. */
export interface IdRange {
  readonly start: number
  readonly count: number
}

/** Who looks for its ranges. */
export interface RangeOwner {
  readonly uid: number
  /** Undefined for a uid that passwd does not know. */
  readonly name: string | undefined
}

/** The largest id is taken: (uid_t)-1 means none. */
const MAX_ID = 0xffff_fffe

/**
 * The owner's lines of /etc/subuid or /etc/subgid: `name:start:count`, where the name may also be the uid. subuid(5). A line that
 * cannot be read is nobody's, as newuidmap(1) has it.
 */
export const rangesOf = (text: string, { uid, name }: RangeOwner): readonly IdRange[] =>
  text.split('\n').flatMap((line) => {
    const fields = line.trim().split(':')
    const [owner = '', start = '', count = ''] = fields
    if (fields.length !== 3 || !isNumber(start) || !isNumber(count)) return []
    if (owner !== String(uid) && (name === undefined || owner !== name)) return []
    const range = { start: Number(start), count: Number(count) }
    return range.count > 0 && range.start + range.count - 1 <= MAX_ID ? [range] : []
  })

const isNumber = (text: string): boolean => /^\d{1,10}$/.test(text)

/** What `getsubids` prints of other sources: `0: name start count`. */
export const rangesOfList = (text: string): readonly IdRange[] =>
  text.split('\n').flatMap((line) => {
    const [, start, count] = /^\d+:\s+\S+\s+(\d{1,10})\s+(\d{1,10})$/.exec(line.trim()) ?? []
    return start === undefined || Number(count) === 0 ? [] : [{ start: Number(start), count: Number(count) }]
  })

/** Lines a map may have: user_namespaces(7), since Linux 4.15. */
const MAX_LINES = 340

/** The user is root inside, and its ranges are the ids from 1 on, in the order of the file; ids that come twice are taken once. */
export const mapsOf = (own: number, ranges: readonly IdRange[]): readonly IdMapping[] => {
  const maps: IdMapping[] = [{ containerID: 0, hostID: own, size: 1 }]
  let next = 1
  for (const { start, count } of ranges) {
    const overlaps = maps.some(({ hostID, size }) => start < hostID + size && hostID < start + count)
    if (overlaps || maps.length === MAX_LINES || next + count - 1 > MAX_ID) continue
    maps.push({ containerID: next, hostID: start, size: count })
    next += count
  }
  return maps
}

export const isMapped = (maps: readonly IdMapping[], id: number): boolean =>
  maps.some(({ containerID, size }) => id >= containerID && id < containerID + size)

/** As a supplementary group. */
export const givesGroup = ({ setsGroups, gidMappings }: OwnUsers, gid: number): boolean =>
  setsGroups && isMapped(gidMappings, gid)

/** How many ids there are, for people. */
export const countOf = (maps: readonly IdMapping[]): number => maps.reduce((sum, { size }) => sum + size, 0)

/** Why an ordinary user has no group to limit a container by, and how it gets one. */
export const noGroupOfUser = ({
  cgroup,
  euid,
}: Pick<HostFacts, 'cgroup' | 'euid'>): { why: string; remedy: string; command?: string } => {
  if (cgroup.mode === 'v2')
    return {
      why: `this process is in no group that is delegated to user ${euid}`,
      remedy: 'start slipway in a group of your own, which systemd makes',
      command: 'systemd-run --user --scope -p Delegate=yes COMMAND',
    }
  if (cgroup.mode === 'none')
    return { why: 'no cgroup tree is mounted', remedy: 'have root mount cgroup v2, or run slipway as root' }
  return {
    why: 'controllers of v1 cannot be delegated to an ordinary user',
    remedy: 'run slipway as root, or have this host boot with systemd.unified_cgroup_hierarchy=1',
  }
}
