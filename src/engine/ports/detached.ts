// The ports to containers that outlive their engine: their documents on disk, and the monitors that hold them.
import type { Readable, Writable } from 'node:stream'
import type { Either } from '#fp/Either'
import type { TaskEither } from '#fp/TaskEither'
import type { ContainerDocument } from '../../model/container-document.ts'
import type { ContainerFacts } from '../../model/container-status.ts'
import type { EngineError } from '../../model/errors.ts'
import type { MonitorMessage, MonitorRequest } from '../../model/monitor-frames.ts'
import type { ExitRecord, MonitorState, ProbeResult } from '../../model/monitor-state.ts'
import type { Spec } from '../../model/oci-spec.ts'
import type { Cleanup } from '../../plan/cleanup.ts'
import type { LaunchPlan } from '../../plan/launch/index.ts'
import type { OpenCgroupParent } from './host.ts'

/** A container as it was a moment ago. */
export interface DetachedContainer extends ContainerFacts {
  readonly document: ContainerDocument
  /** Asked for last: after a reboot only one that is to run is started again. */
  readonly isWanted: boolean
}

/** One whose document cannot be read: what it was made with is not known, but that it is there, and whether it runs. */
export interface DamagedContainer {
  readonly id: string
  /** By the symlink of its name; empty where there is none. */
  readonly name: string
  /** Why. */
  readonly error: EngineError
  /** Its directory was last changed then; milliseconds since 1970. */
  readonly changedMs: number
  readonly state?: MonitorState
  readonly isAlive: boolean
}

export interface DetachedStore {
  /** All, or those a word may mean. */
  readonly list: (wanted?: string) => {
    readonly containers: readonly DetachedContainer[]
    readonly damaged: readonly DamagedContainer[]
  }
  /** Whether this is the whole id of one that is there. */
  readonly has: (id: string) => boolean
  /** Undefined where there is no such directory. Fails: StateDamaged. */
  readonly read: (id: string) => Either<EngineError, DetachedContainer | undefined>
  /** Once what is on its way has come: its monitor has said what follows an end. Fails: ContainerNotFound, StateDamaged. */
  readonly settled: (id: string) => TaskEither<EngineError, DetachedContainer>
  /** Makes the directory and its document. Fails: SyscallFailed. */
  readonly create: (document: ContainerDocument) => Either<EngineError, void>
  readonly write: (document: ContainerDocument) => Either<EngineError, void>
  /** Where the monitor says which process is the first: a symlink to its directory below /proc. */
  readonly processDirectory: (id: string) => string
  /** Whether it is to run. */
  readonly want: (
    container: Pick<ContainerDocument, 'id' | 'policies'>,
    wanted: boolean,
  ) => Either<EngineError, void>
  /** Ids of those that have run, were to remove themselves, and could not: whoever takes the lock of one removes it. */
  readonly spent: () => readonly string[]
  /** The lock alone, of any container that has a directory. Fails: ContainerNotFound; whatever `body` fails with. */
  readonly held: <A>(id: string, body: () => Promise<Either<EngineError, A>>) => TaskEither<EngineError, A>
  /** Resolves when no monitor of it lives, or one takes longer than any should. Never fails. */
  readonly monitorGone: (id: string) => Promise<void>
  /**
   * For one that does not run: waits until its last monitor is gone, and removes the groups that one which was killed has left, and
   * whoever is in them. Never fails.
   */
  readonly clear: (container: DetachedContainer) => Promise<void>
  /** `remove` for one without a document, and all its names. Whoever is left of it is killed. Under its lock. Fails: SyscallFailed. */
  readonly removeDamaged: (container: DamagedContainer) => Promise<Either<EngineError, boolean>>
  /** Of its health check, oldest first: while its monitor lives. Never fails. */
  readonly probeResults: (id: string) => readonly ProbeResult[]
  /** A pause ends with the container: for one that has ended, and may be gone. Never fails. */
  readonly thaw: (id: string) => Promise<void>
  /**
   * Takes the container out of sight, then removes what is left of it; a sweep removes the rest. False where somebody else took it out
   * of sight. Fails: SyscallFailed, and then it is as it was.
   */
  readonly remove: (document: ContainerDocument) => Promise<Either<EngineError, boolean>>
  /**
   * Runs `body` while nobody else changes the container, on what it is by then; what a monitor that was killed has not told is told
   * before, and one that was to remove itself is removed. Fails: ContainerNotFound, also where it was removed meanwhile; whatever `body` fails with.
   */
  readonly locked: <A>(
    id: string,
    body: (container: DetachedContainer) => Promise<Either<EngineError, A>>,
  ) => TaskEither<EngineError, A>
}

/** One connection to a monitor. */
export interface MonitorConnection {
  /** Fails: SyscallFailed with the monitor's errno, or ECONNRESET where it ended before it answered. */
  readonly ask: (request: MonitorRequest) => TaskEither<EngineError, void>
  /** The same, with descriptors that are the monitor's, too, from then on. */
  readonly hand: (
    request: Extract<MonitorRequest, { readonly _tag: 'Hold' }>,
    fds: readonly number[],
  ) => TaskEither<EngineError, void>
  /** Bytes for standard input; true when more may follow at once. */
  readonly write: (bytes: Uint8Array) => boolean
  /** Called once, when more may follow. */
  readonly onDrain: (then: () => void) => void
  /** Heard in their order, what came before anybody listened too; undefined is the end of the connection, after which nothing comes. */
  readonly listen: (listener: (message: MonitorMessage | undefined) => void) => void
  /** Messages that were taken and are for another listener. */
  readonly unread: (messages: readonly MonitorMessage[]) => void
  readonly pause: () => void
  readonly resume: () => void
  readonly close: () => void
}

/** What an attached client sees of a container. It keeps the event loop alive until the end of the connection, or `close`, whether it is read or not. */
export interface AttachedStreams {
  readonly stdin: Writable | null
  readonly stdout: Readable
  readonly stderr: Readable
  /** The end of this run; undefined where the connection ended without one. Never rejects. */
  readonly exit: Promise<ExitRecord | undefined>
  /** Output that this client was too slow to read. */
  readonly missedBytes: number
  readonly resize: (columns: number, rows: number) => void
  readonly signal: (signal: number) => void
  /** Leaves; the container runs on. */
  readonly close: () => void
}

/** All that a monitor starts a container by. */
export interface DetachedStart {
  readonly spec: Spec
  readonly plan: LaunchPlan
  readonly parents: readonly OpenCgroupParent[]
  readonly cleanup: Cleanup
  /** Its health check, as one more process. */
  readonly probe?: { readonly plan: LaunchPlan; readonly groups: number }
}

export interface MonitorLaunch {
  /** What the first connection hears from the container's first byte on. */
  readonly attach?: { readonly stdin: boolean; readonly output: boolean }
  /** It runs already, as this tells. */
  readonly adopts?: MonitorState
}

/** A process that waits to become a monitor, once. It does nothing yet, and ends with this one. */
export interface WaitingMonitor {
  /**
   * Resolves when the payload has been executed, or at once for one that is adopted. Fails: as a launch does, WrongStatus where a
   * monitor lives already.
   */
  readonly launch: (
    container: ContainerDocument,
    start: DetachedStart,
    choices?: MonitorLaunch,
  ) => TaskEither<EngineError, MonitorConnection>
  /** Resolves when it is gone, if it has not been launched. */
  readonly dismiss: () => Promise<void>
}

export interface Monitors {
  /** Its process is made while its container is planned. */
  readonly begin: () => WaitingMonitor
  /** Of a connection that has asked for them. */
  readonly streams: (
    connection: MonitorConnection,
    wanted: { readonly stdin: boolean },
  ) => TaskEither<EngineError, AttachedStreams>
  /** What changed of a container that runs holds from its monitor's next start, and what it tells next, on. Fails: SyscallFailed. */
  readonly renew: (container: ContainerDocument, start: DetachedStart) => TaskEither<EngineError, void>
  /** Undefined where none lives. */
  readonly connect: (id: string) => TaskEither<EngineError, MonitorConnection | undefined>
}
