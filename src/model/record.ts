// The runtime record of a container: one line of JSON, written before the container exists and removed after it is gone.
import type { AmbiguousContainer, ContainerNotFound } from './errors.ts'
import type { LinuxResources } from './oci-spec.ts'
import type { DecodedMount, DecodedOptions, DecodedStartOptions, NamedMount } from './options-decoded.ts'

export const RECORD_VERSION = 1

export interface ContainerRecord {
  readonly version: typeof RECORD_VERSION
  readonly id: string
  readonly name: string
  /** The engine process's own id: its lock file tells whether it lives. */
  readonly engine: string
  readonly bootId: string
  readonly image: string
  readonly imageId: string
  readonly command: readonly string[]
  readonly labels: Readonly<Record<string, string>>
  /** Milliseconds since 1970. */
  readonly createdMs: number
  /** The container's own group in each hierarchy, absolute. */
  readonly groups: readonly string[]
  /** The first process, where there is no group to find it by; its start time as in proc_pid_stat(5). Added once it runs. */
  readonly process?: { readonly pid: number; readonly startTime: string }
  /** Keep the writable layer and this record after the end. */
  readonly keep: boolean
  /** What others may borrow, and what must stay meanwhile: binds, volumes, images. Absent where there is none. */
  readonly mounts?: readonly NamedMount[]
  /** For who executes a program in it, stops it, or copies into it once it has ended. */
  readonly options?: RecordedOptions
  /** A sandbox that waits in a pool: no container yet. */
  readonly parked?: boolean
  /** Once it has ended. */
  readonly finishedMs?: number
  readonly exitCode?: number
}

/** What it was started with, but for what the record has besides, and its streams. */
export type RecordedOptions = Omit<DecodedOptions, 'name' | 'labels' | 'mounts' | 'volumesFrom'> &
  Pick<DecodedStartOptions, 'graceMs'>

/** What was changed of a container since it began, by whoever did it; the record itself is its engine's. */
export interface RecordChanges {
  readonly name?: string
  /** All its groups, where it was given more of them for a limit. */
  readonly groups?: readonly string[]
  /** The limits it has been given since, in the runtime-spec's words. */
  readonly resources?: LinuxResources
}

/** Undefined for anything that is not a record of this version: another program's file, or a torn write. */
export const parseRecord = (text: string): ContainerRecord | undefined => {
  try {
    const value = JSON.parse(text) as Partial<ContainerRecord>
    const sound =
      value.version === RECORD_VERSION &&
      typeof value.id === 'string' &&
      /^[0-9a-f]{64}$/.test(value.id) &&
      typeof value.engine === 'string' &&
      /^[0-9a-f]+$/.test(value.engine) &&
      Array.isArray(value.groups) &&
      value.groups.every((group) => typeof group === 'string' && group.endsWith(`/${value.id}`))
    return sound ? (value as ContainerRecord) : undefined
  } catch {
    return undefined
  }
}

/** Full id by name, id or unique beginning of an id. */
export const findRecord = <Record extends Pick<ContainerRecord, 'id' | 'name'>>(
  records: readonly Record[],
  wanted: string,
): Record | ContainerNotFound | AmbiguousContainer => {
  const named = records.find((record) => record.name === wanted || record.id === wanted)
  if (named !== undefined) return named
  const matching = wanted === '' ? [] : records.filter((record) => record.id.startsWith(wanted))
  const [only] = matching
  if (only === undefined) return { _tag: 'ContainerNotFound', container: wanted }
  return matching.length === 1 ? only : ambiguous(wanted, matching)
}

const SHORT_ID = 12
const ambiguous = (
  wanted: string,
  matching: readonly Pick<ContainerRecord, 'id' | 'name'>[],
): AmbiguousContainer => ({
  _tag: 'AmbiguousContainer',
  container: wanted,
  candidates: matching.map(({ id, name }) =>
    name === '' ? id.slice(0, SHORT_ID) : `${name} (${id.slice(0, SHORT_ID)})`,
  ),
})
/** Names of the volumes that nobody named for it. */
export const ownVolumes = ({ mounts = [] }: Pick<ContainerRecord, 'mounts'>): readonly string[] =>
  mounts.flatMap((mount) =>
    mount.type === 'volume' && mount.anonymous === true && mount.source !== undefined ? [mount.source] : [],
  )

/** Its own image, and those it has mounted: all of them stay while it is there. */
export const imagesOf = (own: string, mounts: readonly DecodedMount[] = []): readonly string[] => [
  own,
  ...mounts.flatMap((mount) => (mount.type === 'image' ? [mount.source] : [])),
]
