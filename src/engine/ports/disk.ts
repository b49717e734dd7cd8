// The port to what files of an engine's root take on disk.
import type { TaskEither } from '#fp/TaskEither'
import type { EngineError } from '../../model/errors.ts'

export interface ImagePart {
  readonly kind: 'blob' | 'layer' | 'stack'
  /** Digest, diffID or chainID. */
  readonly id: string
}

export interface RootUsage {
  readonly imagesBytes: number
  readonly containersBytes: number
  readonly volumesBytes: number
  readonly otherBytes: number
  readonly perContainer: readonly { readonly id: string; readonly sizeBytes: number }[]
  readonly perVolume: readonly { readonly name: string; readonly sizeBytes: number }[]
}

/** Bytes of allocated blocks. A file that several parts have counts for the first of them. Fail: SyscallFailed. */
export interface Disk {
  readonly parts: (parts: readonly ImagePart[]) => TaskEither<EngineError, readonly number[]>
  readonly root: TaskEither<EngineError, RootUsage>
}
