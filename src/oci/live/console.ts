// The terminal of a process that this command waits for: coupled with the command's own standard streams, as runc does.
import { terminalStream } from '../../adapters/descriptor-stream.ts'
import type { Process } from '../../model/oci-spec.ts'
import { planWindowSize } from '../../plan/terminal.ts'
import { writeAll } from '../write-all.ts'
import type { Parts } from './parts.ts'

/** What a process left behind may still say once the one that was waited for has ended, in ms: others may hold the terminal for ever. */
const LAST_WORDS_MS = 100

export interface Console {
  /** The window of the caller's terminal has another size. */
  readonly resize: () => void
  /** Resolves when the last output is written. The caller's terminal is as before then. */
  readonly close: () => Promise<void>
}

/** Takes ownership of `fd`, the engine's end. When our output has no reader any more the terminal is closed: its processes get SIGHUP. */
export const serveConsole = ({ addon, facts }: Parts, fd: number): Console => {
  const stream = terminalStream(addon, fd)
  const resize = (): void => {
    const [columns, rows] = windowSize()
    if (columns > 0 && !stream.destroyed)
      addon.execute(planWindowSize(facts.arch, columns, rows), Int32Array.of(fd))
  }
  const ended = new Promise<void>((resolve) => {
    for (const event of ['error', 'end', 'close']) stream.on(event, () => resolve())
  })
  stream.on('data', (bytes: Uint8Array) => {
    try {
      writeAll(1, bytes)
    } catch {
      stream.destroy()
    }
  })
  const restore = passKeys(stream)
  return {
    resize,
    close: async () => {
      await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, LAST_WORDS_MS))])
      restore()
      stream.destroy()
    },
  }
}

/** A terminal begins with the size of the caller's, where there is one. */
export const withWindow = (program: Process): Process => {
  const [width, height] = program.terminal === true ? windowSize() : [0, 0]
  return width > 0 ? { ...program, consoleSize: { width, height } } : program
}

/** That of the terminal one of our streams is; 0 by 0 where none is, or where it does not know. */
const windowSize = (): readonly [columns: number, rows: number] => {
  const screen = [process.stdout, process.stderr].find(({ isTTY }) => isTTY)
  return screen?.getWindowSize() ?? [0, 0]
}

/** Raw, so that Ctrl-C and the arrow keys reach the program inside. The result takes it back. */
const passKeys = (stream: NodeJS.WritableStream): (() => void) => {
  const keys = process.stdin
  const isRaw = keys.isTTY === true
  if (isRaw) keys.setRawMode(true)
  // A terminal ends when it is closed, and not with what was piped into it.
  keys.pipe(stream, { end: false })
  keys.on('error', () => {})
  return () => {
    keys.unpipe(stream)
    keys.pause()
    try {
      if (isRaw) keys.setRawMode(false)
    } catch {
      // There is nothing to restore on a terminal that was closed.
    }
  }
}
