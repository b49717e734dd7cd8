// A payload in the hands of whoever holds it: its streams, and the exit code it is told by.
import type { Writable } from 'node:stream'
import type { ProcessEnd } from './ports/launcher.ts'
import type { OpenStdio, OutputStream, StdioPort } from './ports/stdio.ts'

interface HeldStreams {
  readonly stdin: Writable | null
  readonly stdout: OutputStream | null
  readonly stderr: OutputStream | null
  /** The size of its terminal; without one nothing happens. */
  readonly resize: (columns: number, rows: number) => void
}

/** With a terminal they are its two directions. */
export const heldStreams = (
  stdio: OpenStdio,
  terminal: ReturnType<StdioPort['terminal']> | undefined,
): HeldStreams =>
  terminal === undefined
    ? { stdin: stdio.stdin, stdout: stdio.stdout, stderr: stdio.stderr, resize: () => {} }
    : { ...terminal, stderr: null }

const EXIT_SIGNAL_BASE = 128
const UNKNOWN = 255

/** 128+n when a signal ended it. */
export const exitCodeOf = ({ code, signal }: ProcessEnd): number =>
  signal === undefined ? (code ?? UNKNOWN) : EXIT_SIGNAL_BASE + signal
