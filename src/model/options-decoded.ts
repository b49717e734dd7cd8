// What the options are once they have been checked: sizes in bytes, times in milliseconds, nothing unknown left.
import type { ContainerOptions, DeviceOption, MountOption, StartOptions } from './options.ts'

export type BindMount = Extract<MountOption, { type: 'bind' }>
export type VolumeMount = Extract<MountOption, { type: 'volume' }>
export type ImageMount = Extract<MountOption, { type: 'image' }>
export type TmpfsMount = Omit<Extract<MountOption, { type: 'tmpfs' }>, 'size'> & {
  /** Bytes. */
  readonly size?: number
}
/** Targets are normalized: no `.`, `..`, doubled or trailing slash. */
export type DecodedMount = BindMount | VolumeMount | TmpfsMount | ImageMount

/** A volume that has a name. */
export type NamedVolumeMount = VolumeMount & { readonly source: string }
/** Every volume has a name: what a container remembers of its mounts. */
export type NamedMount = Exclude<DecodedMount, VolumeMount> | NamedVolumeMount

/** A directory of the host, or a place below it that is reached through nothing above. */
export type PlannedBind = BindMount & {
  readonly subpath?: string
  /** Further ones, as mount(8) spells them, e.g. `nosuid`. */
  readonly options?: readonly string[]
}
/** A file system that the container mounts for itself: a volume with driver options. */
export interface FilesystemMount {
  readonly type: 'filesystem'
  readonly target: string
  /** e.g. `nfs`. */
  readonly filesystem: string
  readonly device: string
  /** As mount(8) spells them. */
  readonly options: readonly string[]
}
/** What volumes and images have become by the time a start is planned. */
export type PlannedMount = PlannedBind | TmpfsMount | FilesystemMount
export type Planned<Options extends DecodedOptions> = Omit<Options, 'mounts' | 'volumesFrom'> & {
  readonly mounts?: readonly PlannedMount[]
}

/** Still a ContainerOptions, so it may be decoded again. */
export interface DecodedOptions extends ContainerOptions {
  readonly entrypoint?: readonly string[]
  readonly mounts?: readonly DecodedMount[]
  /** Bytes. */
  readonly shmSize?: number
  /** Bytes. */
  readonly memory?: number
  /** Bytes; -1 is unlimited. */
  readonly memorySwap?: number
  /** Bytes. */
  readonly memoryReservation?: number
  readonly devices?: readonly Required<DeviceOption>[]
}

type Streams = Pick<StartOptions, 'stdin' | 'stdout' | 'stderr' | 'signal'>

export interface DecodedStartOptions extends DecodedOptions, Streams {
  readonly timeoutMs?: number
  readonly graceMs?: number
}

/** Of a start whose volumes and images have been looked up. */
export type PlannedOptions = Planned<DecodedOptions>
export type PlannedStartOptions = Planned<DecodedStartOptions>

export interface DecodedRunOptions extends DecodedStartOptions {
  readonly maxOutputBytes?: number
  readonly encoding?: 'utf8' | 'buffer'
  readonly all?: boolean
}
