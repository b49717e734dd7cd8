// The port to a payload's standard streams: descriptors for the child, Node streams for the caller.
import type { Readable, Writable } from 'node:stream'
import type { Either } from '#fp/Either'
import type { EngineError } from '../../model/errors.ts'
import type { ErrorOutputOption, OutputOption, StdinOption } from '../../model/options.ts'
import type { StreamFds } from './launcher.ts'

export interface LineOptions {
  /** A line longer than this many UTF-16 units comes in pieces, so that memory stays bounded. Default 1 Mi. */
  readonly maxLength?: number
}

/** A payload's output. Nothing is read from the payload faster than it is taken here. */
export interface OutputStream extends Readable {
  /**
   * Lines of UTF-8 without their `\n` or `\r\n`, the last one with or without an end. Leaving the loop early destroys the
   * stream: a payload that goes on writing gets SIGPIPE.
   */
  readonly lines: (options?: LineOptions) => AsyncIterableIterator<string>
}

export interface StdioOptions {
  readonly stdin: StdinOption
  readonly stdout: OutputOption
  readonly stderr: ErrorOutputOption
}

export interface OpenStdio {
  /** For the child. */
  readonly fds: StreamFds
  /** After the clone: closes this process's copies of what only the child needs. */
  readonly started: () => void
  /** The start failed: closes everything. */
  readonly abandon: () => void
  /** The payload has ended: lets go of what nobody will read any more. */
  readonly ended: () => void
  readonly stdin: Writable | null
  readonly stdout: OutputStream | null
  readonly stderr: OutputStream | null
  /** Resolves when everything that was to be copied has been; never rejects. */
  readonly finished: Promise<void>
  /** Told once, when the caller's own stream failed: the payload's input or its output is not whole. */
  readonly onBroken: (listener: (error: unknown) => void) => void
}

export interface StdioPort {
  /** `owner`: uid that may reopen the pipes by name, e.g. /dev/stdout. Fails: SyscallFailed for a file that cannot be opened. */
  readonly open: (options: StdioOptions, owner: number) => Either<EngineError, OpenStdio>
  /** The two directions of a terminal whose engine end is `fd`. Takes ownership of it. */
  readonly terminal: (fd: number) => {
    readonly stdin: Writable
    readonly stdout: OutputStream
    readonly resize: (columns: number, rows: number) => void
  }
  /** Both as one, in the order their bytes arrive here. */
  readonly merge: (sources: readonly Readable[]) => OutputStream
}
