// mkdir -p of the engine's own directories.
import { existsSync, mkdirSync, statSync } from 'node:fs'
import path from 'node:path'

/**
 * By plain mkdir(2) calls: Node's own `recursive` never ends where nothing can be made although the parent is there, as in
 * /proc (Node 20). Throws what mkdir throws, also for a file that is in the way.
 */
export const makeFolders = (folder: string, mode: number): void => {
  try {
    mkdirSync(folder, { mode })
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EEXIST' && statSync(folder).isDirectory()) return
    const parent = path.dirname(folder)
    if (code !== 'ENOENT' || existsSync(parent)) throw error
    makeFolders(parent, mode)
    makeFolders(folder, mode)
  }
}
