// mkdir -p of the engine's own directories.
import { existsSync, mkdirSync, statSync } from 'node:fs'
import path from 'node:path'

/**
 * By plain mkdir(2) calls: Node's own `recursive` never ends where nothing can be made although the parent is there, as in
 * /proc, and says ENOENT where the disk is read-only (Node 20). Throws what mkdir throws, also for a file that is in the way.
 */
export const makeFolders = (folder: string, mode: number): void => {
  if (isMade(folder, mode)) return
  const parent = path.dirname(folder)
  // Somebody else may have made it since.
  if (!existsSync(parent)) makeFolders(parent, mode)
  mkdirOnce(folder, mode)
}

/** False where the parent was not there. */
const isMade = (folder: string, mode: number): boolean => {
  try {
    mkdirOnce(folder, mode)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw error
  }
}

const mkdirOnce = (folder: string, mode: number): void => {
  try {
    mkdirSync(folder, { mode })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || !statSync(folder).isDirectory()) throw error
  }
}
