// The port to containers that run in whatever process: their processes, signals, ends, figures and logs. No start needs it.
import type { Either } from '#fp/Either'
import type { TaskEither } from '#fp/TaskEither'
import type { EngineError } from '../../model/errors.ts'
import type { OwnGroup } from '../../model/group-paths.ts'
import type { ContainerRecord } from '../../model/record.ts'
import type { GroupSample } from '../../model/stats.ts'
import type { LogPort } from './logs.ts'

/** A container's first process, held by its pidfd: never another one that got its number later. */
export interface FirstProcess {
  /** False where it has ended. Fails: SyscallFailed. */
  readonly signal: (signal: number) => Either<EngineError, boolean>
  /** 128 + n by signal n; undefined while it runs, and where this kernel does not tell (Linux 6.15). */
  readonly exitCode: () => number | undefined
  readonly close: () => void
}

/** The groups that are to hold a container's limits. */
export interface MoreGroups {
  readonly groups: readonly OwnGroup[]
  /** Directories that were made for it, and that nobody is in yet. */
  readonly added: readonly string[]
  /** The container's processes join what was added; by `LivingPort.enter`. */
  readonly enter: () => void
  readonly undo: () => void
}

export interface LivingPort {
  /** Undefined where there is none. */
  readonly first: (container: ContainerRecord) => FirstProcess | undefined
  /** Pids of all its processes, as the host counts. */
  readonly processes: (container: ContainerRecord) => readonly number[]
  /** False where it is held still already. Fails: HostUnfit, SyscallFailed. */
  readonly pause: (id: string, groups: readonly string[]) => TaskEither<EngineError, boolean>
  /** False where nobody paused it. Fails: SyscallFailed. */
  readonly unpause: (id: string) => TaskEither<EngineError, boolean>
  /** Groups for limits of these controllers. Fails: SyscallFailed. */
  readonly groupsFor: (
    container: ContainerRecord,
    controllers: readonly string[],
  ) => Either<EngineError, MoreGroups>
  /** Has the container's processes join them. Fails: SyscallFailed. */
  readonly enter: (groups: MoreGroups) => Either<EngineError, void>
  /** Wakes up when a record changes, comes or goes. */
  readonly watchRecords: (signals: readonly AbortSignal[]) => {
    readonly next: () => Promise<void>
    readonly close: () => void
  }
  /** Its figures now. */
  readonly sample: (container: ContainerRecord) => GroupSample
  /** What ps(1) of this host prints with these words; undefined where there is no ps. Fails: InvalidOption. */
  readonly ps: (words: readonly string[]) => TaskEither<EngineError, string | undefined>
  /** The columns of `ps -ef`, read from /proc. */
  readonly processRows: (pids: readonly number[]) => readonly (readonly string[])[]
  /**
   * Segments of its log, and the signal that says that nobody writes it any more. Undefined where there is no folder of them, unless one
   * is to come.
   */
  readonly log: (
    id: string,
    isToCome: boolean,
  ) => { readonly port: LogPort; readonly writerEnded: () => AbortSignal } | undefined
  readonly nowMs: () => number
}
