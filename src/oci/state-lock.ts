// One operation at a time on a container: flock(2) on its directory. The kernel frees it with its holder.
import { closeSync, constants, fstatSync, openSync } from 'node:fs'
import type { Either } from '#fp/Either'
import * as E from '#fp/Either'
import type { EngineError } from '../model/errors.ts'
import type { OciId } from '../model/oci-container-id.ts'
import { attempt, unless } from './attempt.ts'
import type { StateDir } from './state-dir.ts'

/** The addon's flock: never blocks; 0 or a positive errno. Node has none. */
export type Flock = (fd: number, operation: number) => number

const LOCK_EX = 2
const EAGAIN = 11
/** First and longest pause between two tries, in milliseconds. */
const PAUSE_MS = { first: 1, longest: 20 } as const

/**
 * Runs `body` while nobody else holds the container's lock, with its directory's descriptor. What was read before may be old: `body`
 * loads it again. `worthWaiting`: asked where somebody holds the lock. Fails: ContainerNotFound, also where the container was deleted
 * while we waited; whatever `worthWaiting` and `body` fail with.
 */
export const withLock = async <A>(
  { directoryOf }: Pick<StateDir, 'directoryOf'>,
  flock: Flock,
  id: OciId,
  worthWaiting: () => Either<EngineError, unknown>,
  body: (directory: number) => Promise<Either<EngineError, A>>,
): Promise<Either<EngineError, A>> => {
  const opened = openLock(id, directoryOf(id))
  if (E.isLeft(opened)) return opened
  const fd = opened.right
  try {
    let errno = flock(fd, LOCK_EX)
    if (errno === EAGAIN) {
      const worth = worthWaiting()
      if (E.isLeft(worth)) return worth
      errno = await take(flock, fd)
    }
    if (errno !== 0) return E.left({ _tag: 'SyscallFailed', step: 'flock', errno, path: directoryOf(id) })
    // One without a name is of a container that the holder before us has deleted.
    if (fstatSync(fd).nlink === 0) return E.left({ _tag: 'ContainerNotFound', container: id })
    return await body(fd)
  } finally {
    closeSync(fd)
  }
}

const openLock = (id: OciId, directory: string): Either<EngineError, number> => {
  const flags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW
  const opened = attempt(() => unless(['ENOENT', 'ENOTDIR'], () => openSync(directory, flags)))
  if (E.isLeft(opened)) return opened
  return opened.right === undefined
    ? E.left({ _tag: 'ContainerNotFound', container: id })
    : E.right(opened.right)
}

const take = async (flock: Flock, fd: number): Promise<number> => {
  for (let pauseMs: number = PAUSE_MS.first; ; pauseMs = Math.min(pauseMs * 2, PAUSE_MS.longest)) {
    const errno = flock(fd, LOCK_EX)
    if (errno !== EAGAIN) return errno
    await new Promise((resolve) => setTimeout(resolve, pauseMs))
  }
}
