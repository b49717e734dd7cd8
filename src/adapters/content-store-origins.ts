// Which repositories have a blob: one empty file for each, so that two writers never meet.
import { open, rm } from 'node:fs/promises'
import path from 'node:path'
import type { Digest } from '../model/digest.ts'
import { namesIn } from './content-store-files.ts'
import type { StorePaths } from './content-store-paths.ts'
import { makeFolders } from './make-folders.ts'

/** NAME_MAX. A longer name is not noted: it would only spare an upload. */
const MAX_NAME = 255

export const readOrigins = async (paths: StorePaths, digest: Digest): Promise<readonly string[]> => {
  const names = await namesIn(paths.originsOf(digest))
  return names.sort().map(decodeURIComponent)
}

/** Not flushed to the disk: it is a hint. */
export const noteOrigin = async (
  paths: StorePaths,
  repository: string,
  digests: readonly Digest[],
): Promise<void> => {
  const name = encodeURIComponent(repository)
  if (name.length > MAX_NAME) return
  for (const digest of digests) {
    const folder = paths.originsOf(digest)
    makeFolders(folder, 0o700)
    await (await open(path.join(folder, name), 'a', 0o600)).close()
  }
}

/** Those of blobs that are not in the set. */
export const removeOrigins = async (paths: StorePaths, keep: ReadonlySet<string>): Promise<void> => {
  for (const folder of await namesIn(paths.origins))
    if (!keep.has(folder.replace('-', ':')))
      await rm(path.join(paths.origins, folder), { recursive: true, force: true })
}

/** Repositories that are not in the set, of whatever blobs. */
export const removeOriginsExcept = async (
  paths: StorePaths,
  repositories: ReadonlySet<string>,
): Promise<void> => {
  for (const folder of await namesIn(paths.origins))
    for (const name of await namesIn(path.join(paths.origins, folder)))
      if (!repositories.has(decodeURIComponent(name))) await rm(path.join(paths.origins, folder, name))
}
