// The port to volumes: directories of the engine's root, and the containers that name them.
import type { Either } from '#fp/Either'
import type { TaskEither } from '#fp/TaskEither'
import type { EngineError } from '../../model/errors.ts'
import type { LoadSource, SaveTarget } from '../../model/image-verbs.ts'
import type { NamedMount } from '../../model/options-decoded.ts'
import type { Rootfs } from '../../model/prepared-image.ts'
import type { VolumeDocument } from '../../model/volume.ts'

export interface Volume {
  readonly document: VolumeDocument
  /** Absolute path of its root. */
  readonly data: string
}

/** One whose document cannot be read: its name, and where its files are, are all that is known. */
export interface DamagedVolume {
  readonly name: string
  readonly data: string
  readonly error: EngineError
  /** Of its directory, in milliseconds since 1970. */
  readonly changedMs: number
}

/** Nobody removes it until `release`, which may be called again; nobody else has it either, when it was asked for alone. */
export interface HeldVolume extends Volume {
  readonly release: () => void
}

/** A container that runs or was kept, of whatever kind. */
export interface VolumeUser {
  readonly id: string
  /** As it was given; empty where the id draws it. */
  readonly name: string
  readonly mounts: readonly NamedMount[]
}

export interface VolumeStore {
  readonly engine: string
  /** Absolute path of a volume's root, be it there or not. */
  readonly dataOf: (name: string) => string
  /** Those whose documents can be read, and the rest. */
  readonly list: () => { readonly volumes: readonly Volume[]; readonly damaged: readonly DamagedVolume[] }
  /** Undefined where there is no directory of that name. Fails: StateDamaged, SyscallFailed. */
  readonly read: (name: string) => Either<EngineError, Volume | undefined>
  /** Whole, or not at all; false where there is one by then. Fails: SyscallFailed. */
  readonly create: (document: VolumeDocument) => TaskEither<EngineError, boolean>
  /** Waits while others have it alone, or have it at all. Undefined where there is none. Fails: StateDamaged, SyscallFailed, Cancelled. */
  readonly hold: (
    name: string,
    alone: boolean,
    signal?: AbortSignal,
  ) => TaskEither<EngineError, HeldVolume | undefined>
  /** The same, alone, with a document of its name and nothing else, whatever is the matter with its own. Fails: SyscallFailed. */
  readonly holdDamaged: (name: string) => TaskEither<EngineError, HeldVolume | undefined>
  /**
   * Gives an empty volume what the root has at the target, owner and mode of the directory included. Whoever has the volume already
   * sees each file whole; one that dies here is followed by the next. Not to be called while the volume is held. Fails: SyscallFailed,
   * LayerRefused, Cancelled.
   */
  readonly copyUp: (
    name: string,
    rootfs: Rootfs,
    target: string,
    signal?: AbortSignal,
  ) => TaskEither<EngineError, void>
  /** To be called on one that is held alone. It is out of sight when this resolves, and what is left of it goes with the next sweep. Fails: SyscallFailed. */
  readonly remove: (volume: HeldVolume) => TaskEither<EngineError, void>
  /** Notes the own volumes of a container that removes itself when nobody is there; the next sweep after that removes them. None: forgets it. Throws nothing. */
  readonly owned: (container: string, volumes: readonly string[]) => void
  /** All containers that are on record now. */
  readonly users: () => readonly VolumeUser[]
  /** Writes its files into a tar. Fails: SyscallFailed, LayerRefused, Cancelled. */
  readonly writeTar: (
    volume: Volume,
    target: SaveTarget,
    signal?: AbortSignal,
  ) => TaskEither<EngineError, void>
  /**
   * Fills an empty volume that is held alone: with all of a tar, compressed or not, or with nothing. Fails: VolumeUnfit where it is not
   * empty, InvalidSpec, LayerRefused, Unsupported, SyscallFailed, Cancelled.
   */
  readonly fill: (
    volume: HeldVolume,
    source: LoadSource,
    signal?: AbortSignal,
  ) => TaskEither<EngineError, void>
  /** Bytes on disk of each. Fails: SyscallFailed. */
  readonly sizes: (volumes: readonly Volume[]) => TaskEither<EngineError, readonly number[]>
}
