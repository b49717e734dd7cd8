// Which containers are held still, as the files under `frozen` tell; what freezes them is adapters/freezer.ts.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { pidsBelow } from './cgroup-pids.ts'
import { makeFolders } from './make-folders.ts'
import { writeNewNow } from './replace-file.ts'

export const frozenFolder = (runtime: string): string => path.join(runtime, 'frozen')

/** Takes the place of a file below `frozen` on a full disk, where nothing could be held still any more. */
export const frozenSpare = (runtime: string): string => path.join(runtime, 'spare')
/** As large as such a file is at most, and one block at least. */
export const FROZEN_BYTES = 1024

/** Made while there is room, with each start of a container that may be paused. Never fails. */
export const keepFrozenSpare = (runtime: string): void => {
  const file = frozenSpare(runtime)
  if (existsSync(file)) return
  try {
    makeFolders(frozenFolder(runtime), 0o700)
    writeNewNow(file, ' '.repeat(FROZEN_BYTES), false)
  } catch {
    // Where there is no room by now a pause says so.
  }
}

export const frozenIds = (runtime: string): readonly string[] => {
  try {
    return readdirSync(frozenFolder(runtime))
  } catch {
    return []
  }
}

/**
 * Held still for nobody in particular: `pause`, not a commit. A file that outlived the processes it was about, or whose maker died before
 * they were still, says nothing: the kernel does.
 */
export const isPaused = (runtime: string, id: string): boolean => {
  const record = path.join(frozenFolder(runtime), id)
  if (!existsSync(record)) return false
  try {
    const { paused, file } = JSON.parse(readFileSync(record, 'utf8')) as {
      paused?: unknown
      file: string
    }
    return paused === true && isFrozen(file) && pidsBelow(path.dirname(file)).length > 0
  } catch {
    return false
  }
}

/** freezer-subsystem.rst: reading `freezer.state` brings it up to date. cgroup-v2.rst, cgroup.events. */
export const isFrozen = (file: string): boolean =>
  file.endsWith('freezer.state')
    ? readFileSync(file, 'utf8').trim() === 'FROZEN'
    : /^frozen 1$/m.test(readFileSync(path.join(path.dirname(file), 'cgroup.events'), 'utf8'))
