// The port to replacements that are under way: one file each, locked by whoever carries it out.
import type { Either } from '#fp/Either'
import type { EngineError } from '../../model/errors.ts'
import type { Replacement } from '../../model/replacement.ts'

export interface ReplacementLock {
  /** What a holder that died had begun; undefined where nothing was. */
  readonly read: () => Replacement | undefined
  /** Fails: SyscallFailed. */
  readonly write: (replacement: Replacement) => Either<EngineError, void>
  /** It is over, one way or the other. */
  readonly done: () => void
  /** The next command goes on with it. */
  readonly leave: () => void
}

export interface Replacements {
  /** Ids of containers that are being replaced, or were when somebody died. */
  readonly pending: () => readonly string[]
  /** Undefined while somebody holds it. Fails: SyscallFailed. */
  readonly take: (old: string) => Either<EngineError, ReplacementLock | undefined>
  /** The same, where who carried it out has died: a process it was about to start may have the lock for a moment longer. */
  readonly takeOver: (old: string) => Promise<Either<EngineError, ReplacementLock | undefined>>
}
