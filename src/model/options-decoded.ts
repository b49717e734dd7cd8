// What the options are once they have been checked: sizes in bytes, times in milliseconds, nothing unknown left.
import type { ContainerOptions, DeviceOption, MountOption, StartOptions } from './options.ts'

export type BindMount = Extract<MountOption, { type: 'bind' }>
export type TmpfsMount = Omit<Extract<MountOption, { type: 'tmpfs' }>, 'size'> & {
  /** Bytes. */
  readonly size?: number
}
/** Targets are normalized: no `.`, `..`, doubled or trailing slash. */
export type DecodedMount = BindMount | TmpfsMount

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

export interface DecodedRunOptions extends DecodedStartOptions {
  readonly maxOutputBytes?: number
  readonly encoding?: 'utf8' | 'buffer'
  readonly all?: boolean
}
