// Locks of the store between processes: flock(2) on files that are never removed. The kernel frees them with their holder.
import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { thrown } from './attempt.ts'
import { BUSY, whileBusy } from './while-busy.ts'

/** The addon's flock: never blocks; 0 or a positive errno. */
export type Flock = (fd: number, operation: number) => number
/** flock(2) operations. */
export const LOCK = { shared: 1, exclusive: 2 } as const
const EWOULDBLOCK = 11
/** Between two tries. */
const LONGEST_PAUSE_MS = 50

export type Release = () => Promise<void>

/** Takes the lock, waiting as long as somebody else holds it. Closing the descriptor frees it. */
export const lockFile = async (
  flock: Flock,
  path: string,
  mode: 'shared' | 'exclusive',
): Promise<Release> => {
  const handle = await openLock(path)
  return whileBusy(LONGEST_PAUSE_MS, async () =>
    (await tryLock(flock, handle, path, mode)) ? () => handle.close() : BUSY,
  )
}

/** Takes the lock only when it is free now. */
export const tryLockFile = async (
  flock: Flock,
  path: string,
  mode: 'shared' | 'exclusive',
): Promise<Release | undefined> => {
  const handle = await openLock(path)
  if (await tryLock(flock, handle, path, mode)) return () => handle.close()
  await handle.close()
  return undefined
}

const openLock = (path: string): Promise<FileHandle> =>
  open(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600)

const tryLock = async (
  flock: Flock,
  handle: FileHandle,
  path: string,
  mode: 'shared' | 'exclusive',
): Promise<boolean> => {
  const errno = flock(handle.fd, LOCK[mode])
  if (errno === 0) return true
  if (errno === EWOULDBLOCK) return false
  await handle.close()
  throw thrown({ _tag: 'SyscallFailed', step: 'flock', errno, path })
}
