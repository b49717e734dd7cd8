// Which containers are held still, as the files under `frozen` tell; what freezes them is adapters/freezer.ts.
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'

export const frozenFolder = (runtime: string): string => path.join(runtime, 'frozen')

export const frozenIds = (runtime: string): readonly string[] => {
  try {
    return readdirSync(frozenFolder(runtime))
  } catch {
    return []
  }
}

/** Held still for nobody in particular: `pause`, not a commit. */
export const isPaused = (runtime: string, id: string): boolean => {
  try {
    const frozen = JSON.parse(readFileSync(path.join(frozenFolder(runtime), id), 'utf8')) as {
      paused?: unknown
    }
    return frozen.paused === true
  } catch {
    return false
  }
}
