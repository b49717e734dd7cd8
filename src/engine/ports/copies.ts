// The port to roots that are in use: what is at a path of one, and tars out of it and into it.
import type { Either } from '#fp/Either'
import type { TaskEither } from '#fp/TaskEither'
import type { EngineError } from '../../model/errors.ts'
import type { ContainerRecord } from '../../model/record.ts'

/** A root held open: a container's by the descriptor of its first process's root, or this machine's. */
export interface OpenRoot {
  /** What stands before the colon in messages; empty for this machine. */
  readonly name: string
  /** None: this machine's, by absolute paths. */
  readonly fd?: number
  /** The user namespace in which its files have the container's ids. */
  readonly userNamespace?: number
}

export interface HeldRoot extends OpenRoot {
  readonly close: () => void
}

/** What is at a path. `link`: a symbolic link's target, as it is written. */
export interface FoundNode {
  readonly mode: number
  readonly size: number
  readonly mtimeMs: number
  readonly link?: string
}

export interface ReceiveChoices {
  /** The archive's ids; otherwise those of whoever makes a file there. */
  readonly keepOwner: boolean
  /** A file may take the place of a directory, and a directory that of a file. */
  readonly replace: boolean
  readonly signal?: AbortSignal
}

/** Paths are resolved by the kernel and cannot leave a container's root, whatever is changed in it meanwhile. */
export interface CopyPort {
  /** Of its first process; undefined where that has ended. Fails: SyscallFailed. */
  readonly rootOf: (container: ContainerRecord, name: string) => Either<EngineError, HeldRoot | undefined>
  /** Of a process that is our child. Undefined where it has ended. Fails: SyscallFailed. */
  readonly rootOfChild: (pid: number, name: string) => Either<EngineError, HeldRoot | undefined>
  /** Undefined where nothing is there. Fails: SyscallFailed. */
  readonly stat: (
    root: OpenRoot,
    path: string,
    follow: boolean,
  ) => TaskEither<EngineError, FoundNode | undefined>
  /**
   * A tar of what is there; `name` is the first part of every entry's name, or empty for a directory's content. Throws a SlipwayError in
   * the middle of the stream when the rest cannot be read: CopyRefused, SyscallFailed.
   */
  readonly archive: (
    root: OpenRoot,
    path: string,
    choices: { readonly follow: boolean; readonly name: string },
  ) => AsyncIterable<Uint8Array>
  /** Unpacks a tar into a directory that is there. Gives the number of devices that may not be made. Fails: CopyRefused, SyscallFailed, Cancelled. */
  readonly receive: (
    root: OpenRoot,
    directory: string,
    tar: AsyncIterable<Uint8Array>,
    choices: ReceiveChoices,
  ) => TaskEither<EngineError, { readonly skippedDevices: number }>
  /** The same of a tar that somebody gave, which may be compressed. Fails, besides: InvalidSpec, LayerRefused. */
  readonly receiveGiven: CopyPort['receive']
}
