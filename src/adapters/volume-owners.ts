// `owned/<container>`: the own volumes of a container that removes itself when no engine is there. Written before they are made.
import { existsSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { unlessMissing } from '../model/unless.ts'
import { isVolumeName } from '../model/volume.ts'
import { makeFolders } from './make-folders.ts'
import type { StateDir } from './state-dir.ts'

const folderOf = (state: StateDir): string => path.join(state.root, 'owned')

/** None: the container has none any more. What cannot be written is found by `volume prune`. */
export const noteOwned = (state: StateDir, container: string, volumes: readonly string[]): void => {
  const file = path.join(folderOf(state), container)
  try {
    if (volumes.length === 0) {
      rmSync(file, { force: true })
      // Where it is, every engine looks into it.
      if (names(state).length === 0) rmdirSync(folderOf(state))
    } else {
      makeFolders(folderOf(state), 0o700)
      writeFileSync(file, volumes.join('\n'), { mode: 0o600 })
    }
  } catch {
    // Of a full disk, the volumes stay until somebody prunes; of the folder, another note came meanwhile.
  }
}

const names = (state: StateDir): readonly string[] => unlessMissing(() => readdirSync(folderOf(state))) ?? []

/** Of containers whose directory is gone. */
export const ownedByGone = (
  state: StateDir,
): readonly { readonly container: string; readonly volumes: readonly string[] }[] =>
  names(state)
    .filter((container) => !existsSync(path.join(state.containers, container)))
    .map((container) => {
      const text = unlessMissing(() => readFileSync(path.join(folderOf(state), container), 'utf8')) ?? ''
      return { container, volumes: text.split('\n').filter(isVolumeName) }
    })
