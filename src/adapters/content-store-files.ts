// Files that appear whole or not at all: written under another name, flushed, renamed.
import { randomBytes } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { open, rename, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { unless } from '../model/unless.ts'
import { located } from './attempt.ts'
import { makeFolders } from './make-folders.ts'

/** End of the names of files that are not complete yet. */
export const UNFINISHED = '.new'

export interface Replacement {
  /** A fixed name, where a lock admits one writer: a crash leaves no more than one file, which the next writer takes over. */
  readonly temporary?: string
  /** Whose the file is to be. Default: ours. */
  readonly owner?: { readonly uid: number; readonly gid: number } | undefined
}

/** Replaces a file so that any reader, and any crash, sees the old bytes or the new ones. Only its owner may read it. */
export const replaceFile = async (
  file: string,
  bytes: string | Uint8Array,
  { temporary: fixed, owner }: Replacement = {},
): Promise<void> => {
  const temporary = fixed ?? `${file}.${randomBytes(6).toString('hex')}${UNFINISHED}`
  makeFolders(path.dirname(file), 0o700)
  try {
    await writeFlushed(temporary, fixed === undefined ? 'wx' : 'w', bytes, owner).catch(located(temporary))
    await rename(temporary, file)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
  await syncDirectory(path.dirname(file))
}

/** What replacements of this file that were killed have left: nobody is still at one that is as old as that. */
export const dropUnfinished = async (file: string): Promise<void> => {
  const folder = path.dirname(file)
  for (const name of await namesIn(folder)) {
    if (!name.startsWith(`${path.basename(file)}.`) || !DRAWN.test(name)) continue
    const left = path.join(folder, name)
    const found = await stat(left).catch(() => undefined)
    if (found !== undefined && Date.now() - found.mtimeMs > ABANDONED_MS) await rm(left, { force: true })
  }
}
/** As `replaceFile` draws them. */
const DRAWN = new RegExp(`\\.[0-9a-f]{12}\\${UNFINISHED}$`)
const ABANDONED_MS = 3_600_000

const writeFlushed = async (
  file: string,
  flags: string,
  bytes: string | Uint8Array,
  owner: Replacement['owner'],
): Promise<void> => {
  const handle = await open(file, flags, 0o600)
  try {
    if (owner !== undefined && owner.uid !== process.geteuid?.()) await handle.chown(owner.uid, owner.gid)
    await handle.writeFile(bytes)
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** None for a folder that is not there. At once: a start asks, and node:fs/promises takes it milliseconds to load. */
export const namesIn = async (folder: string): Promise<string[]> =>
  unless(['ENOENT'], () => readdirSync(folder)) ?? []

/** Makes a rename in this directory survive a power cut. fsync(2), NOTES. */
export const syncDirectory = async (folder: string): Promise<void> => {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
