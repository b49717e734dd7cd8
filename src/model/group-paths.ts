// A container's groups by controller: its record has their directories, the host's facts what is mounted where.
import type { HostFacts } from './host-facts.ts'

export interface OwnGroup {
  readonly version: 1 | 2
  /** Of v2: all that this host's v2 has. */
  readonly controllers: readonly string[]
  readonly directory: string
}

/** Beside v1 a group of v2 has no controllers. */
export const ownGroups = (
  { cgroup }: Pick<HostFacts, 'cgroup'>,
  directories: readonly string[],
): readonly OwnGroup[] =>
  directories.map((directory) => {
    const own = cgroup.controllers.filter(({ mountpoint }) => directory.startsWith(`${mountpoint}/`))
    const isUnified = cgroup.mode === 'v2' || own.length === 0
    return { version: isUnified ? 2 : 1, controllers: own.map(({ name }) => name), directory }
  })

/** Directory by controller; the empty name is v2's. */
export const pathsByController = (groups: readonly OwnGroup[]): Readonly<Record<string, string>> =>
  Object.fromEntries(
    groups.flatMap(({ version, controllers, directory }) =>
      version === 2 ? [['', directory]] : controllers.map((name) => [name, directory]),
    ),
  )
