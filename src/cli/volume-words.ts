// Volumes in Docker's words: records for templates, and the conditions of a list.
import type * as E from '#fp/Either'
import type { VolumeInfo } from '../fp.ts'
import type { UsageError } from './args.ts'
import { filterItems, labelTest, type Maker, nameTest, truthOf } from './filters.ts'
import { labelHeading, labelOf } from './label-field.ts'

/** Names of the fields of a template, and the headings of their columns. */
export const VOLUME_HEADERS = {
  Driver: 'DRIVER',
  Name: 'VOLUME NAME',
  Scope: 'SCOPE',
  Mountpoint: 'MOUNTPOINT',
  Labels: 'LABELS',
  /** `{{.Label "com.x.my-key"}}` */
  Label: labelHeading,
  Links: 'LINKS',
  CreatedAt: 'CREATED AT',
  Status: 'STATUS',
} as const

export const volumeRecord = (volume: VolumeInfo) => ({
  Driver: volume.driver,
  Name: volume.name,
  Scope: 'local',
  Mountpoint: volume.mountpoint,
  Labels: Object.entries(volume.labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(','),
  Label: labelOf(volume.labels),
  Links: String(volume.usedBy.length),
  CreatedAt: new Date(volume.createdMs).toISOString(),
  Status: volume.damage === undefined ? '' : 'damaged',
})

/** As `docker volume inspect` has it, and by whom it is used. */
export const inspectedVolume = (volume: VolumeInfo) => ({
  CreatedAt: new Date(volume.createdMs).toISOString(),
  Driver: volume.driver,
  Labels: volume.labels,
  Mountpoint: volume.mountpoint,
  Name: volume.name,
  Options: volume.driverOptions,
  Scope: 'local',
  Anonymous: volume.anonymous,
  Containers: volume.usedBy,
})

const dangling: Maker<VolumeInfo> = (value) => {
  const wanted = truthOf(value)
  return wanted === undefined
    ? `${JSON.stringify(value)} is neither true nor false`
    : ({ usedBy }) => (usedBy.length === 0) === wanted
}

const MAKERS: Readonly<Record<string, Maker<VolumeInfo>>> = {
  dangling,
  driver: (value) => (volume) => volume.driver === value,
  label: labelTest,
  name: nameTest,
}

export const filterVolumes = (
  filters: readonly string[],
  volumes: readonly VolumeInfo[],
): E.Either<UsageError, readonly VolumeInfo[]> => filterItems(MAKERS, filters, volumes)
