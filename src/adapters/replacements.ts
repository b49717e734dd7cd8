// replacing/<id of the old container>: what is done to it, and by a lock on the file, that somebody does it.
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
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
import { attemptNow } from './attempt.ts'

const LOCK_EX = 2

const folderOf = (root: string): string => path.join(root, 'replacing')

const pendingIn = (root: string): readonly string[] =>
  (unlessMissing(() => readdirSync(folderOf(root))) ?? []).filter((name) => /^[0-9a-f]{64}$/.test(name))

export const isReplacing = (root: string): boolean => pendingIn(root).length > 0

export const replacements = (addon: Pick<Addon, 'flock'>, root: string): Replacements => {
  const folder = folderOf(root)
  return {
    pending: () => pendingIn(root),
    take: (old) =>
      attemptNow('lock replacement', () => {
        mkdirSync(folder, { recursive: true, mode: 0o700 })
        return locked(addon, path.join(folder, old))
      }),
  }
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
      writeSync(fd, `${JSON.stringify(replacement)}\n`, 0)
      fsyncSync(fd)
    }),
  done: () => {
    rmSync(file, { force: true })
    closeSync(fd)
  },
  leave: () => closeSync(fd),
})
