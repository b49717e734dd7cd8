// replacing/<id of the old container>: what is done to it, and by a lock on the file, that somebody does it.
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs'
import path from 'node:path'
import * as E from '#fp/Either'
import type { ReplacementLock, Replacements } from '../engine/ports/replacements.ts'
import { decodeReplacement } from '../model/replacement.ts'
import { unlessMissing } from '../model/unless.ts'
import type { Addon } from '../native/addon.ts'
import { attemptNow, locatedNow } from './attempt.ts'
import { startTimeOf } from './container-processes.ts'
import { makeFolders } from './make-folders.ts'

const LOCK_EX = 2
/** Together a second: between clone and execve a child has the descriptors of its parent. */
const MOST_TRIES = 200
const TRY_MS = 5

const folderOf = (root: string): string => path.join(root, 'replacing')

const pendingIn = (root: string): readonly string[] =>
  (unlessMissing(() => readdirSync(folderOf(root))) ?? []).filter((name) => /^[0-9a-f]{64}$/.test(name))

export const isReplacing = (root: string): boolean => pendingIn(root).length > 0

export const replacements = (addon: Pick<Addon, 'flock'>, root: string): Replacements => {
  const folder = folderOf(root)
  const take: Replacements['take'] = (old) =>
    attemptNow('lock replacement', () => {
      makeFolders(folder, 0o700)
      return locked(addon, path.join(folder, old))
    })
  return {
    take,
    takeOver: async (old) => {
      for (let tries = 1; ; tries++) {
        const taken = take(old)
        if (E.isLeft(taken) || taken.right !== undefined || tries === MOST_TRIES) return taken
        if (holderLives(path.join(folder, old))) return taken
        await new Promise((resolve) => setTimeout(resolve, TRY_MS))
      }
    },
    pending: () => pendingIn(root),
  }
}

/** False also where it has written nothing so far. */
const holderLives = (file: string): boolean => {
  const text = unlessMissing(() => readFileSync(file, 'utf8')) ?? ''
  const found = decodeReplacement(text, file)
  return E.isRight(found) && startTimeOf(found.right.holder.pid) === found.right.holder.startTime
}

/** The holder before may have removed the file since it was opened. */
const locked = (addon: Pick<Addon, 'flock'>, file: string): ReplacementLock | undefined => {
  for (;;) {
    const fd = openSync(file, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600)
    if (addon.flock(fd, LOCK_EX) !== 0) {
      closeSync(fd)
      return undefined
    }
    if (statSync(file, { throwIfNoEntry: false })?.ino === fstatSync(fd).ino) return lockOn(fd, file)
    closeSync(fd)
  }
}

const lockOn = (fd: number, file: string): ReplacementLock => ({
  read: () => {
    // Nothing is done before it is whole.
    const found = decodeReplacement(readFileSync(file, 'utf8'), file)
    return E.isRight(found) ? found.right : undefined
  },
  write: (replacement) =>
    attemptNow('note replacement', () => {
      ftruncateSync(fd)
      const holder = { pid: process.pid, startTime: startTimeOf(process.pid) ?? '' }
      locatedNow(file, () => {
        writeSync(fd, `${JSON.stringify({ ...replacement, holder })}\n`, 0)
        fsyncSync(fd)
      })
    }),
  done: () => {
    rmSync(file, { force: true })
    closeSync(fd)
  },
  leave: () => closeSync(fd),
})
