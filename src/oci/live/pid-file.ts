// The file a caller finds the pid in: whole, or not there.
import { renameSync, writeFileSync } from 'node:fs'
import path from 'node:path'

/** Throws what writing throws. */
export const writePidFile = (file: string, pid: number): void => {
  const temporary = path.join(path.dirname(file), `.${path.basename(file)}`)
  writeFileSync(temporary, String(pid), { mode: 0o644 })
  renameSync(temporary, file)
}
