// The lock of a container that outlives its engine: flock(2) on its directory, so that one at a time changes it, and none that is gone.
import { closeSync, constants, fstatSync, openSync } from 'node:fs'
import * as E from '#fp/Either'
import type { EngineError } from '../model/errors.ts'
import { unlessMissing } from '../model/unless.ts'
import type { Addon } from '../native/addon.ts'
import { attemptNow } from './attempt.ts'
import { BUSY, whileBusy } from './while-busy.ts'

const LOCK_EX = 2
const EAGAIN = 11
/** Between two tries for a lock. */
const LONGEST_PAUSE_MS = 20

/** Undefined where there is no such directory, or none any more. Fails: SyscallFailed; as the body does. */
export const whileLocked = async <A>(
  { flock }: Pick<Addon, 'flock'>,
  folder: string,
  body: () => Promise<E.Either<EngineError, A>>,
): Promise<E.Either<EngineError, A> | undefined> => {
  const opened = attemptNow('open container', () =>
    unlessMissing(() => openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY)),
  )
  if (E.isLeft(opened)) return opened
  const fd = opened.right
  if (fd === undefined) return undefined
  try {
    const errno = await whileBusy(LONGEST_PAUSE_MS, () => {
      const found = flock(fd, LOCK_EX)
      return found === EAGAIN ? BUSY : found
    })
    if (errno !== 0) return E.left({ _tag: 'SyscallFailed', step: 'flock', errno, path: folder })
    // A directory without a name is one that the holder before us removed.
    return fstatSync(fd).nlink === 0 ? undefined : await body()
  } finally {
    closeSync(fd)
  }
}
