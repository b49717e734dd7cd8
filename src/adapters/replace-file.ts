// Files that are replaced whole, at once: a reader, or a crash at any moment, finds the old text or the new one.
import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { locatedNow } from './attempt.ts'

/** `<file>.new` is its name meanwhile: whoever calls this holds a lock. Only the owner may read it. Throws Node's system errors. */
export const replaceFileNow = (file: string, text: string | Uint8Array): void => {
  const temporary = `${file}.new`
  try {
    writeNewNow(temporary, text, true)
    renameSync(temporary, file)
  } catch (error) {
    rmSync(temporary, { force: true })
    throw error
  }
  syncFolderNow(path.dirname(file))
}

/** Whole, or not there. An error names the file, also that of a full disk: write(2) and fsync(2) know a descriptor alone. */
export const writeNewNow = (file: string, text: string | Uint8Array, flush: boolean): void => {
  const fd = openSync(file, 'w', 0o600)
  try {
    locatedNow(file, () => {
      writeFileSync(fd, text)
      if (flush) fsyncSync(fd)
    })
  } catch (error) {
    rmSync(file, { force: true })
    throw error
  } finally {
    closeSync(fd)
  }
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
