// What the command line needs of an engine. main.ts supplies the real one; tests supply a fake.
import type { TaskEither } from '#fp/TaskEither'
import type {
  Called,
  ClientSettings,
  DetachedOptions,
  Engine,
  ImageVerbs,
  ReplaceChanges,
  ReplaceOptions,
  VolumeVerbs,
} from '../fp.ts'
import type { EngineError } from '../model/errors.ts'
import type { Exit, Timings, Usage } from '../model/exit.ts'
import type { HostFacts } from '../model/host-facts.ts'
import type { OnProgress } from '../model/image-verbs.ts'
import type { ImageSource, StartOptions } from '../model/options.ts'

export type { Called } from '../fp.ts'

/** Further options of a start that only the command line asks for. */
export interface CliStartOptions extends StartOptions {
  /** Keep the record and the writable layer after the end (`run` without `--rm`). */
  readonly keep?: boolean
  /** Default `'missing'`. */
  readonly pull?: 'missing' | 'always' | 'never'
  /** `linux/amd64`: which of an image's platforms to use. Default: this host's. */
  readonly platform?: string
  /** No progress on standard error while the image is fetched. */
  readonly quiet?: boolean
  /** Hears how a pull goes, when there is one. */
  readonly onProgress?: OnProgress
}

export interface Ended {
  readonly exit: Exit
  readonly exitCode: number
  readonly usage: Usage
  readonly timings: Timings
}

/** A running container whose standard streams the caller holds. */
export interface RunningContainer {
  readonly id: string
  readonly pid: number
  /** With `tty`: what the terminal of the container is told, and what it says. */
  readonly stdin: NodeJS.WritableStream | null
  readonly stdout: NodeJS.ReadableStream | null
  readonly stderr: NodeJS.ReadableStream | null
  /** Signal name or number, to the first process. */
  readonly kill: (signal: string | number) => void
  readonly resize: (columns: number, rows: number) => void
  /** With `tty`: closes our end of its terminal. Who uses it gets SIGHUP, the end of file, and EIO for a write (pty(7)). */
  readonly hangUp: () => void
  readonly exit: Promise<Ended>
}

export interface ContainerSummary {
  readonly id: string
  readonly name: string
  readonly image: string
  readonly imageId: string
  readonly command: readonly string[]
  readonly status: 'created' | 'running' | 'paused' | 'restarting' | 'stopped' | 'damaged'
  /** Of `damaged`: why. */
  readonly damage?: EngineError
  /** Milliseconds since 1970. */
  readonly createdMs: number
  readonly startedMs?: number
  readonly finishedMs?: number
  readonly exitCode?: number
  readonly pid?: number
  readonly health?: 'starting' | 'healthy' | 'unhealthy'
  /** Absent: it is damaged. */
  readonly network?: string
  /** Its image's, and its own. */
  readonly labels: Readonly<Record<string, string>>
  /** Absent where there is none. */
  readonly mounts?: readonly ContainerMount[]
}

export interface ContainerMount {
  readonly type: string
  /** Of a volume its name, of an image its id, else a path. */
  readonly source?: string
  readonly target: string
}

export interface StoreSummary {
  readonly root: string
  readonly runtimeDir: string
  readonly images: number
  readonly containers: number
  readonly running: number
}

export interface EngineForCli {
  readonly start: (
    image: ImageSource,
    argv: readonly string[],
    options: CliStartOptions,
  ) => TaskEither<EngineError, RunningContainer>
  /** Once the image is here, as `start` has it. */
  readonly create: (
    image: ImageSource,
    argv: readonly string[],
    options: DetachedOptions,
    pull: Pick<CliStartOptions, 'pull' | 'platform' | 'onProgress' | 'signal'>,
  ) => TaskEither<EngineError, Called>
  /** Once the image is here, as `start` has it. */
  readonly replace: (
    container: string,
    changes: ReplaceChanges,
    options: ReplaceOptions,
    pull: Pick<CliStartOptions, 'pull' | 'platform' | 'onProgress' | 'signal'>,
  ) => TaskEither<EngineError, Called>
  readonly list: () => TaskEither<EngineError, readonly ContainerSummary[]>
  /** Name, id or unique beginning of an id. Gives the full id. */
  readonly remove: (
    container: string,
    options: { readonly force: boolean; readonly volumes?: boolean },
  ) => TaskEither<EngineError, string>
  readonly inspect: Engine['inspect']
  readonly commit: Engine['commit']
  readonly diff: Engine['diff']
  readonly export: Engine['export']
  readonly usage: Engine['usage']
  /** What Docker's config.json says of the command line. */
  readonly clientSettings: () => TaskEither<EngineError, ClientSettings>
  readonly containers: Engine['containers']
  readonly events: Engine['events']
  readonly images: ImageVerbs
  readonly volumes: VolumeVerbs
  readonly facts: () => TaskEither<EngineError, HostFacts>
  readonly store: () => TaskEither<EngineError, StoreSummary>
  /** Finishes what a start left for later, such as deleting a writable layer. Never fails. */
  readonly close: () => Promise<void>
}
