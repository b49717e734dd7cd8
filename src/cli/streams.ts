// The caller's own descriptors as inputs and outputs. Node's stream objects cost milliseconds, so none is made unasked.
import { fstatSync, writeSync } from 'node:fs'
import type { Readable } from 'node:stream'
import type { WriteStream } from 'node:tty'
import type { Input, Output } from './command.ts'
import { ReaderGone, WriteFailed } from './output-failures.ts'

type Tty = typeof import('node:tty')

/** Milliseconds to wait when a non-blocking descriptor is full. */
const FULL_WAIT_MS = 2

/** EIO is what a terminal says after it hung up. */
const GONE: ReadonlySet<string | undefined> = new Set(['EPIPE', 'EIO', 'ECONNRESET'])

const sleep = (ms: number): void => {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}

/** Writes all of it, whatever the descriptor is. Throws ReaderGone when the other end was closed, else WriteFailed. */
export const writeAll = (fd: number, data: string | Uint8Array): void => {
  const bytes = typeof data === 'string' ? Buffer.from(data) : data
  for (let offset = 0; offset < bytes.length; ) {
    try {
      offset += writeSync(fd, bytes, offset)
    } catch (error) {
      const { code, errno = 0 } = error as NodeJS.ErrnoException
      if (GONE.has(code)) throw new ReaderGone()
      if (code !== 'EAGAIN') throw new WriteFailed(-errno)
      sleep(FULL_WAIT_MS)
    }
  }
}

/** Major numbers of /dev/tty1… and ttyS0…, of /dev/tty and console, and of pseudo-terminals. Documentation/admin-guide/devices.txt */
const TERMINAL_MAJORS: ReadonlySet<number> = new Set([4, 5, 136, 137, 138, 139, 140, 141, 142, 143])

/** Most descriptors are told by their type: a start must not load node:tty to find out that it writes into a pipe. */
const isTerminal = (fd: number, tty: () => Tty): boolean => {
  try {
    const found = fstatSync(fd)
    if (!found.isCharacterDevice()) return false
    return TERMINAL_MAJORS.has((found.rdev >> 8) & 0xfff) || (!isNullDevice(found.rdev) && tty().isatty(fd))
  } catch {
    return false
  }
}

/** After a hangup the kernel answers EIO to any write(2), be it of nothing: that needs no node:tty. */
const refusesWrites = (fd: number): boolean => {
  try {
    writeSync(fd, new Uint8Array())
    return false
  } catch {
    return true
  }
}
const isNullDevice = (rdev: number): boolean => rdev === 0x103

/**
 * `tty` is asked for late: loading node:tty brings the network stack along. So is `terminal`, Node's own stream of this
 * descriptor, which follows the window: its size is refreshed by a SIGWINCH listener older than any of ours.
 */
export const output = (fd: number, tty: () => Tty, terminal: () => WriteStream): Output => {
  const isTTY = () => isTerminal(fd, tty)
  // A terminal that does not know its size says 0 by 0.
  const measure = (): readonly [number, number] => {
    const [columns, rows] = isTTY() ? terminal().getWindowSize() : [0, 0]
    return [columns || 80, rows || 24]
  }
  return {
    fd,
    isTTY,
    hungUp: () => isTTY() && refusesWrites(fd),
    columns: () => measure()[0],
    rows: () => measure()[1],
    write: (data) => writeAll(fd, data),
  }
}

export const input = (fd: number, tty: () => Tty, stream: () => Readable): Input => ({
  fd,
  isTTY: () => isTerminal(fd, tty),
  stream,
  setRaw: (raw) => {
    const source = stream() as Readable & { setRawMode?: (raw: boolean) => void }
    source.setRawMode?.(raw)
  },
})
