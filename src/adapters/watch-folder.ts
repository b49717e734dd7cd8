// Waits for something to happen in a directory: inotify(7) through Node, and a look now and then, since a network's file system tells
// nothing, and a user has only so many watches.
import { type FSWatcher, watch } from 'node:fs'
import { onAbort } from '../model/abort.ts'

/** Beside a watch it is only a safety net. */
const WATCHED_MS = 1000
const UNWATCHED_MS = 100

export interface FolderWatch {
  /** Resolves when something may have changed since the last call, or when one of `signals` is aborted. */
  readonly next: (signals?: readonly AbortSignal[]) => Promise<void>
  readonly close: () => void
}

export const watchFolder = (folder: string): FolderWatch => {
  let isNews = false
  let wake = (): void => {}
  const watcher = watchOf(folder, () => {
    isNews = true
    wake()
  })
  return {
    next: async (signals = []) => {
      if (!isNews && !signals.some(({ aborted }) => aborted)) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, watcher.isWatching() ? WATCHED_MS : UNWATCHED_MS)
          const undo = signals.map((signal) => onAbort(signal, resolve))
          wake = () => {
            clearTimeout(timer)
            for (const each of undo) each()
            resolve()
          }
        })
        wake()
      }
      isNews = false
    },
    close: () => {
      watcher.close()
      wake()
    },
  }
}

/** The same, woken by these signals each time. */
export const wokenBy = ({ next, close }: FolderWatch, signals: readonly AbortSignal[]) => ({
  next: () => next(signals),
  close,
})

const watchOf = (
  folder: string,
  tell: () => void,
): { readonly isWatching: () => boolean; readonly close: () => void } => {
  let watcher: FSWatcher | undefined
  const close = (): void => {
    watcher?.close()
    watcher = undefined
  }
  try {
    watcher = watch(folder, tell)
    watcher.on('error', close)
  } catch {
    // ENOSPC or EMFILE: no watch is left; ENOENT: the folder is not there yet.
  }
  return { isWatching: () => watcher !== undefined, close }
}
