// What the volume verbs take and give.
import type { Either } from '#fp/Either'
import * as E from '#fp/Either'
import type { Mismatch } from './decode.ts'
import type { EngineError } from './errors.ts'
import { optionsOf, problem, type Table } from './options-decode.ts'
import { flag, labels } from './options-decode-values.ts'
import { driverOptions, volumeName } from './volume.ts'

export interface CreateVolumeOptions {
  /** Default: 64 hex digits, and the volume is one of those that nobody named. */
  readonly name?: string
  /** `type`, `o` and `device`: what is mounted where the volume is, in place of a directory of the engine's. */
  readonly driverOptions?: Readonly<Record<string, string>>
  readonly labels?: Readonly<Record<string, string>>
}

export interface VolumeInfo {
  readonly name: string
  readonly driver: 'local'
  readonly driverOptions: Readonly<Record<string, string>>
  readonly labels: Readonly<Record<string, string>>
  /** Milliseconds since 1970. */
  readonly createdMs: number
  /** Nobody gave it its name. */
  readonly anonymous: boolean
  /** Absolute path of its root. With driver options it stays empty: they are mounted in the containers alone. */
  readonly mountpoint: string
  /** Names of the containers that have it. */
  readonly usedBy: readonly string[]
  /** Why its document cannot be read: then its name and its mountpoint are all that is known, and its time is that of its directory. */
  readonly damage?: EngineError
}

export interface RemoveVolumeOptions {
  /** One that is not there is no failure, and one whose document cannot be read is removed. Never removes what is in use. */
  readonly force?: boolean
}

export interface PrunedVolumes {
  readonly removed: readonly string[]
  /** Bytes on disk that are free now. */
  readonly reclaimedBytes: number
}

export const decodeVolumeName = (value: unknown): Either<EngineError, string> =>
  E.mapLeft((found: Mismatch) => problem('name', found))(volumeName(value))

const CREATE: Table = { name: volumeName, driverOptions, labels }
const REMOVE: Table = { force: flag }
export const decodeCreateVolume = optionsOf<CreateVolumeOptions>(CREATE)
export const decodeRemoveVolume = optionsOf<RemoveVolumeOptions>(REMOVE)
