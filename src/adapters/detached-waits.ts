// What a monitor is about to say is waited for: it is written down within milliseconds, unless the disk is slow.
import * as E from '#fp/Either'
import type { DetachedContainer } from '../engine/ports/detached.ts'
import { isSettled } from '../model/container-status.ts'
import type { EngineError } from '../model/errors.ts'

const MOST_LOOKS = 500
const LOOK_MS = 10

const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, LOOK_MS))

/** Its last news is told to whoever listens; then it is in nobody's way. */
export const monitorGone = async (hasMonitor: () => boolean): Promise<void> => {
  for (let looks = 0; hasMonitor() && looks < MOST_LOOKS; looks++) await pause()
}

type Look = E.Either<EngineError, DetachedContainer | undefined>

/** The container once what follows an end, or a start, has come. */
export const settled = async (look: () => Look): Promise<Look> => {
  for (let looks = 0; ; looks++) {
    const found = look()
    if (E.isLeft(found) || found.right === undefined || looks === MOST_LOOKS || isSettled(found.right))
      return found
    await pause()
  }
}
