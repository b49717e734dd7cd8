// Files that are replaced whole, at once: a reader, or a crash at any moment, finds the old text or the new one.
import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'

/** `<file>.new` is its name meanwhile: whoever calls this holds a lock. Only the owner may read it. Throws Node's system errors. */
export const replaceFileNow = (file: string, text: string | Uint8Array): void => {
  const temporary = `${file}.new`
  try {
    const fd = openSync(temporary, 'w', 0o600)
    try {
      writeFileSync(fd, text)
      fsyncSync(fd)
    } finally {
      closeSync(fd)
    }
    renameSync(temporary, file)
  } catch (error) {
    rmSync(temporary, { force: true })
    throw error
  }
  syncFolderNow(path.dirname(file))
}

/** Makes a rename in this directory survive a power cut. fsync(2), NOTES. */
export const syncFolderNow = (folder: string): void => {
  const fd = openSync(folder, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}
