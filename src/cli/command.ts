// The shape every verb of the command line has. A verb sees the world only through its context; only main.ts touches `process`.
import type { Readable } from 'node:stream'
import type { EngineForCli } from './engine.ts'

interface FlagBase {
  /** One letter, used as `-m`. */
  readonly short?: string
  /** One line for `--help`, without a full stop. */
  readonly help: string
  /** Heading in `--help`. Flags without one come first, under "Options". */
  readonly group?: string
  /** Older spellings that Docker still takes, e.g. `net` for `network`. */
  readonly aliases?: readonly string[]
  /** The flag is known but cannot be used. Using it is an error that says why. */
  readonly unsupported?: { readonly yet: boolean; readonly why: string }
}
/** `--rm`, `--rm=false`. Absent: false, or true where `on` says so. */
export interface BooleanFlag extends FlagBase {
  readonly kind: 'boolean'
  readonly on?: true
}
/** A flag with a value. `integer` and `decimal` become numbers; `list` may be repeated and keeps every value in order. */
export interface ValueFlag extends FlagBase {
  readonly kind: 'text' | 'integer' | 'decimal' | 'list'
  /** What stands for the value in `--help`, e.g. `BYTES`. */
  readonly value?: string
  /** Value of a bare `--flag` without `=`; the next argument is then never taken. */
  readonly bare?: string
}
export type FlagSpec = BooleanFlag | ValueFlag
/** Flags by their long name, without dashes, in the order of `--help`. */
export type FlagTable = Readonly<Record<string, FlagSpec>>

type ValueOfKind<K extends FlagSpec['kind']> = K extends 'boolean'
  ? boolean
  : K extends 'list'
    ? readonly string[]
    : K extends 'integer' | 'decimal'
      ? number | undefined
      : string | undefined
/** The decoded flags of a table: every flag is present, with `undefined`, `[]` or its default when not given. */
export type Flags<T extends FlagTable> = {
  readonly [K in keyof T]: ValueOfKind<T[K]['kind']>
}

export interface Args<T extends FlagTable = FlagTable> {
  readonly flags: Flags<T>
  readonly positionals: readonly string[]
}

/** One of the caller's descriptors, as a place to write text. Nothing is opened or loaded before it is used. */
export interface Output {
  readonly fd: number
  readonly isTTY: () => boolean
  /** A terminal that was closed: its window is gone, its line broke. */
  readonly hungUp: () => boolean
  /** Width of the terminal; 80 where it cannot be known. */
  readonly columns: () => number
  readonly rows: () => number
  /** Writes everything before it returns. A reader that went away ends the command quietly (exit code 141). */
  readonly write: (data: string | Uint8Array) => void
}
export interface Input {
  readonly fd: number
  readonly isTTY: () => boolean
  /** The bytes of the descriptor; call it once. */
  readonly stream: () => Readable
  /** Raw mode on or off. Main restores the terminal on every way out, whatever the verb does. */
  readonly setRaw: (raw: boolean) => void
}

export interface Context<T extends FlagTable = FlagTable> {
  readonly args: Args<T>
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
  /** What runs this program: Node's version, its name for the processor, e.g. `x64`, and the words that start the program again. */
  readonly platform: { readonly node: string; readonly arch: string; readonly program: readonly string[] }
  readonly stdin: Input
  readonly stdout: Output
  readonly stderr: Output
  /** Calls `listener` for each of the named signals this process gets, instead of dying. Returns the way to stop it. */
  readonly onSignal: (
    names: readonly NodeJS.Signals[],
    listener: (name: NodeJS.Signals) => void,
  ) => () => void
  /** The engine of this root, loaded when first asked for. */
  readonly engine: () => Promise<EngineForCli>
}

/** A verb: what it is called, what it accepts, and what it does. `run` gives the exit code and never throws for user errors. */
export interface Command<T extends FlagTable = FlagTable> {
  readonly name: string
  /** One line for the list of commands. */
  readonly summary: string
  /** What follows `slipway NAME`, e.g. `[OPTIONS] IMAGE [COMMAND] [ARG...]`. */
  readonly usage: string
  readonly flags: T
  /** Docker's exit code for wrong arguments is 125 for `run` and 1 elsewhere, which is the default. */
  readonly usageExitCode?: number
  /** Flags end at the first positional, or the one of this number: what follows belongs to the container. */
  readonly stopsAtPositional?: boolean | number
  /** How many positionals are accepted. Default: none. */
  readonly positionals?: { readonly min: number; readonly max?: number }
  run(context: Context<T>): Promise<number>
}

/** Defines a verb; the flags of its context are typed by its own table. */
export const command = <const T extends FlagTable>(definition: Command<T>): Command =>
  definition as unknown as Command
