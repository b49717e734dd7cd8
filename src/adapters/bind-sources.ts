// Makes the missing sources of bind mounts that ask for it, as `docker run -v` does.
import path from 'node:path'
import * as E from '#fp/Either'
import type { TaskEither } from '#fp/TaskEither'
import type { EngineError } from '../model/errors.ts'
import type { PlannedOptions } from '../model/options-decoded.ts'
import { EEXIST, ENOENT } from '../plan/kernel.ts'

/** mkdir(2) with mode 0755 on a thread of our own: 0 or a positive errno. It may never answer, on a dead file system. */
export type MakeDirectory = (path: string, signal: AbortSignal | undefined) => Promise<number>

/** Folders of mode 0755 that belong to us. What is there stays as it is, whatever it is. Fails: SyscallFailed. */
export const makeBindSources =
  (mkdir: MakeDirectory) =>
  (options: PlannedOptions, signal?: AbortSignal): TaskEither<EngineError, void> => {
    const sources = (options.mounts ?? []).flatMap((mount) =>
      mount.type === 'bind' && mount.createSource === true ? [mount.source] : [],
    )
    return async () => {
      for (const source of sources) {
        const failure = await makeFolder((folder) => mkdir(folder, signal), source)
        if (failure !== undefined) return E.left(failure)
      }
      return E.right(undefined)
    }
  }

/**
 * The folder itself first: mkdir(2) knows an existing mount point without asking its file system, which may be dead. Node's
 * `recursive` would ask, and in /proc, where nothing can be made, it never ends (Node 20).
 */
const makeFolder = async (
  mkdir: (folder: string) => Promise<number>,
  folder: string,
): Promise<EngineError | undefined> => {
  const errno = await mkdir(folder)
  if (errno === 0 || errno === EEXIST) return undefined
  const parent = path.dirname(folder)
  if (errno !== ENOENT || parent === folder) return failed(errno, folder)
  const above = await makeFolder(mkdir, parent)
  if (above !== undefined) return above
  const again = await mkdir(folder)
  // EEXIST: somebody else made it meanwhile.
  return again === 0 || again === EEXIST ? undefined : failed(again, folder)
}

const failed = (errno: number, at: string): EngineError => ({
  _tag: 'SyscallFailed',
  step: 'make bind source',
  errno,
  path: at,
})
