// What a command is: a function of its arguments and of the world it is called in.
import type { Either } from '#fp/Either'
import type { Flags, FlagTable } from './args.ts'
import type { Globals } from './globals.ts'
import type { Log } from './log.ts'
import type { OciRuntime, RuntimeSettings } from './runtime.ts'
import type { StateDir } from './state-dir.ts'
import type { Failure } from './wording.ts'

/** Everything outside of the command, as values. */
export interface World {
  /** Everything after the program's name. */
  readonly argv: readonly string[]
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
  readonly pid: number
  readonly euid: number
  readonly egid: number
  readonly inUserNamespace: () => boolean
  /** Each writes everything before it returns. */
  readonly stdout: (text: string) => void
  readonly stderr: (text: string) => void
  /** All of standard input. */
  readonly readStdin: () => string
  readonly now: () => Date
  /** What a program prints on both streams, and its exit code. */
  readonly output: (
    program: string,
    args: readonly string[],
  ) => { readonly code: number; readonly text: string }
  /** Loads the life cycle: commands that only look do without. */
  readonly openRuntime: (settings: RuntimeSettings) => Promise<OciRuntime>
}

export interface Context<T extends FlagTable = FlagTable> {
  readonly world: World
  readonly globals: Globals
  readonly log: Log
  readonly state: StateDir
  readonly flags: Flags<T>
  readonly positionals: readonly string[]
  readonly runtime: () => Promise<OciRuntime>
}

export interface Command<T extends FlagTable = FlagTable> {
  readonly name: string
  /** One line for the list of commands. */
  readonly summary: string
  /** What follows the name, e.g. `[OPTION...] ID`. */
  readonly usage: string
  readonly flags: T
  readonly stopsAtPositional?: boolean
  /** Its arguments are not read: it is refused whatever they are. */
  readonly anyArguments?: boolean
  readonly positionals: { readonly min: number; readonly max?: number }
  /** What stands before the reason when it fails, and the exit code then; default: nothing, and 1. */
  readonly failure?: { readonly prefix: string; readonly exitCode: number }
  /** The exit code, or why there is none. */
  readonly run: (context: Context<T>) => Promise<Either<Failure, number>>
}

/** Defines a command; the flags of its context are typed by its own table. */
export const command = <const T extends FlagTable>(definition: Command<T>): Command =>
  definition as unknown as Command
