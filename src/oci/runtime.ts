// The port behind the command: the life cycle of containers on a real kernel. Everything is decoded before it gets here.
import type { Either } from '#fp/Either'
import type { EngineError } from '../model/errors.ts'
import type {
  CreateRequest,
  DeleteRequest,
  EventsRequest,
  ExecRequest,
  KillRequest,
  RunRequest,
  StartRequest,
  UpdateRequest,
} from '../model/oci-requests.ts'
import type { OciEvent } from '../model/oci-stats.ts'
import type { OciContainer } from '../model/oci-status.ts'
import type { Globals } from './globals.ts'
import type { Log } from './log.ts'
import type { StateDir } from './state-dir.ts'

/** What an open runtime works with. */
export interface RuntimeSettings {
  readonly globals: Globals
  readonly state: StateDir
  readonly log: Log
  readonly env: Readonly<Record<string, string | undefined>>
}

export type Outcome<A> = Promise<Either<EngineError, A>>

/**
 * None of these rejects. The command has checked the status a request needs (model/oci-status.ts, `allow`), but without the
 * container's lock: an operation that changes a container takes the lock, loads it again and asks `allow` again.
 */
export interface OciRuntime {
  /** The container is `created` when this resolves: its state is saved, its process waits for `start`, the pid file is written. */
  readonly create: (request: CreateRequest) => Outcome<void>
  /** Resolves when the payload has been executed. Fails too where it could not be: CommandNotFound, CommandNotExecutable. */
  readonly start: (request: StartRequest) => Outcome<void>
  /** create, start, and unless detached the wait and the delete. Gives the exit code, 128+n after signal n; 0 when detached. */
  readonly run: (request: RunRequest) => Outcome<number>
  readonly kill: (request: KillRequest) => Outcome<void>
  /** Nothing of the container is left when this resolves. */
  readonly delete: (request: DeleteRequest) => Outcome<void>
  /** The exit code of the process, 128+n after signal n; 0 once it runs, when detached. */
  readonly exec: (request: ExecRequest) => Outcome<number>
  /** Resolves when every process is frozen. */
  readonly pause: (container: OciContainer) => Outcome<void>
  readonly resume: (container: OciContainer) => Outcome<void>
  readonly update: (request: UpdateRequest) => Outcome<void>
  /** The pids of the container's processes, in our own pid namespace. Empty where its cgroup is gone. */
  readonly ps: (container: OciContainer) => Outcome<readonly number[]>
  /** Tells each event as it comes. Resolves when the container has ended, or after the one event that was asked for. */
  readonly events: (request: EventsRequest, tell: (event: OciEvent) => void) => Outcome<void>
  /** Frees what keeps the process from ending. */
  readonly close: () => Promise<void>
}
