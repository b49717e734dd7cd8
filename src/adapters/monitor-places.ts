// What monitors have in the runtime directory: a directory for each, with the lock that says that it lives, and a mark for what passes by itself.
import { closeSync, constants, existsSync, openSync, readdirSync, rmSync } from 'node:fs'
import * as E from '#fp/Either'
import { unlessMissing } from '../model/unless.ts'
import type { Addon } from '../native/addon.ts'
import { attemptNow } from './attempt.ts'
import { makeFolders } from './make-folders.ts'

const LOCK_SH = 1
const OWN_MODE = 0o700
const PASSING = '.passing'

export const monitorsIn = (runtime: string): string => `${runtime}/monitors`
export const monitorDirectory = (runtime: string, id: string): string => `${monitorsIn(runtime)}/${id}`

/** Is there for one that removes itself and has been started, so that nobody looks at all others to find one whose monitor died. */
export const passingMark = (runtime: string, id: string): string =>
  `${monitorDirectory(runtime, id)}${PASSING}`

/** The ids that have one; undefined on a boot on which nobody has been started yet. */
export const passingIn = (runtime: string): readonly string[] | undefined =>
  unlessMissing(() => readdirSync(monitorsIn(runtime)))
    ?.filter((name) => name.endsWith(PASSING))
    .map((name) => name.slice(0, -PASSING.length))

/** A disk that takes no mark starts no monitor either, or leaves it to whoever names the container. */
export const markPassing = (runtime: string, id: string): void => {
  attemptNow('mark container', () => {
    makeFolders(monitorsIn(runtime), OWN_MODE)
    closeSync(openSync(passingMark(runtime, id), 'a', 0o600))
  })
}

export const unmarkPassing = (runtime: string, id: string): void => {
  attemptNow('remove mark', () => rmSync(passingMark(runtime, id), { force: true }))
}

/** A monitor holds its lock as long as it lives. */
export const hasMonitor = ({ flock }: Pick<Addon, 'flock'>, runtime: string, id: string): boolean => {
  const file = `${monitorDirectory(runtime, id)}/lock`
  // Most that do not run have none: an error that is thrown and caught takes longer than a look.
  if (!existsSync(file)) return false
  const opened = attemptNow('open lock', () => unlessMissing(() => openSync(file, constants.O_RDWR)))
  if (E.isLeft(opened) || opened.right === undefined) return false
  try {
    return flock(opened.right, LOCK_SH) !== 0
  } finally {
    closeSync(opened.right)
  }
}
