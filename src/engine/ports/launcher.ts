// The port to the native launcher: a plan in, a running process out.
import type { TaskEither } from '#fp/TaskEither'
import type { EngineError } from '../../model/errors.ts'
import type { StepTiming } from '../../model/exit.ts'
import type { ArmedPlan, LaunchPlan, PlannedStage, RestPlan } from '../../plan/launch/index.ts'

/** Descriptors of this process that become the payload's standard streams. They are borrowed. */
export interface StreamFds {
  readonly stdin: number
  readonly stdout: number
  readonly stderr: number
}

/** What a sandbox is fired with. They are borrowed. */
export interface FireFds extends StreamFds {
  /** Sources of the binds of this start. */
  readonly mounts: readonly number[]
}

/** How the first process ended, as waitid(2) tells it. */
export interface ProcessEnd {
  /** Exit code, unless a signal ended it. */
  readonly code?: number
  readonly signal?: number
  readonly userUs: number
  readonly systemUs: number
  /** CLOCK_MONOTONIC. */
  readonly atNs: number
}

export interface LaunchTimes {
  readonly queuedNs: () => number
  readonly executedNs: number
  /** Puts the ledger together. */
  readonly steps: () => readonly StepTiming[]
}

/** The payload was executed. */
export interface LaunchedProcess {
  readonly pid: number
  /** The open files of the plan's `usage`, in its order. */
  readonly usage: readonly number[]
  /** All descriptors that go with the container's end, those among them: the receiver closes them, on no thread that matters. */
  readonly held: readonly number[]
  readonly times: LaunchTimes
  /** The engine's end of the container's terminal, when it has one. */
  readonly terminal?: number
  /** Resolves when the first process has ended; never rejects. */
  readonly end: Promise<ProcessEnd>
  /** Borrowed pidfd of the first process; -1 once it has ended. */
  readonly pidfd: () => number
  /** To the first process, by pidfd. Returns 0 or a positive errno. */
  readonly kill: (signal: number) => number
  /** It lives on when this process ends, and keeps no event loop alive. */
  readonly leave: () => void
  /** Its end is waited for: until then it keeps the event loop alive again. */
  readonly hold: () => void
  /** The guardian it has registered with; one that came later must be told. */
  readonly guardian: number
}

/** What a sandbox without a root lacks besides its payload. Its descriptors are borrowed until the payload runs. */
export interface Rest {
  readonly plan: RestPlan
  /** What its plan's patches take from. */
  readonly own: string
  readonly fds: StartFds
  /** In the order of the plan's. */
  readonly trees: readonly number[]
}

/** A sandbox that waits for its payload. */
export interface ArmedProcess {
  readonly pid: number
  /**
   * Sends the last stage, at once, `rest` before it; resolves when the payload has been executed. Once only: a sandbox never gets a
   * second payload. Fails as `launch` does.
   */
  readonly fire: (
    stage: PlannedStage,
    fds: FireFds,
    options: FireOptions,
    rest?: Rest,
  ) => TaskEither<EngineError, LaunchedProcess>
  /** Gives it up: the sandbox ends. */
  readonly abandon: () => void
  /** Resolves when its process has ended, fired or not; never rejects. */
  readonly end: Promise<ProcessEnd>
}

export interface FireOptions {
  /** What was asked for, for the error of a command that is not there. */
  readonly command: string
  readonly signal?: AbortSignal
  /** Told when an aborted attempt is given up while its process still waits for a dead file system; resolves at its end. */
  readonly onLate?: (end: Promise<void>) => void
}

/** Descriptors a start needs besides its streams. */
export interface StartFds {
  readonly containers: number
  readonly records: number
  readonly cgroups: readonly number[]
}

export interface Launcher {
  /**
   * `own`: this start's own text (plan/launch/own-text.ts). `signal`: an abort before the payload runs ends the attempt.
   * Fails: SyscallFailed, CommandNotFound, LaunchDied, Cancelled …
   */
  readonly launch: (
    plan: LaunchPlan,
    own: string,
    fds: StreamFds & StartFds,
    options: FireOptions,
  ) => TaskEither<EngineError, LaunchedProcess>
  /** Makes a sandbox that waits, without a root where the plan has a rest; `background`: at a low priority until it is fired. Fails: SyscallFailed, LaunchDied. */
  readonly arm: (
    plan: ArmedPlan,
    own: string,
    fds: StartFds,
    background: boolean,
  ) => TaskEither<EngineError, ArmedProcess>
}
