// All of something into a descriptor of the caller's, which may be non-blocking, and full for a moment.
import { writeSync } from 'node:fs'

const FULL_WAIT_MS = 2

/** Throws what write(2) fails with. */
export const writeAll = (fd: number, bytes: Uint8Array): void => {
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(fd, bytes, at)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, FULL_WAIT_MS)
    }
  }
}
