// A container's log segments as files: listed, opened, read from an offset on, and watched.
import { type FileHandle, open, readdir } from 'node:fs/promises'
import path from 'node:path'
import type { LogPort, OpenSegment } from '../engine/ports/logs.ts'
import { segmentName, segmentNumbers } from '../model/log.ts'
import { failedAt } from './attempt.ts'
import { watchFolder, wokenBy } from './watch-folder.ts'

/** `folder`: absolute path of the directory of segments. */
export const logSegments = (folder: string): LogPort => ({
  segments: () => unlessGone(async () => segmentNumbers(await readdir(folder)), folder),
  open: (number) => {
    const file = path.join(folder, segmentName(number))
    return unlessGone(async () => openSegment(file, await open(file)), file)
  },
  watch: (signals) => wokenBy(watchFolder(folder), signals),
})

const openSegment = (file: string, handle: FileHandle): OpenSegment => ({
  path: file,
  read: (into, at) => handle.read(into, 0, into.length, at).then(({ bytesRead }) => bytesRead, notRead(file)),
  size: () => handle.stat().then(({ size }) => size, notRead(file)),
  close: () => handle.close(),
})

const unlessGone = <A>(body: () => Promise<A>, file: string): Promise<A | undefined> =>
  body().catch((error: NodeJS.ErrnoException) => (error.code === 'ENOENT' ? undefined : notRead(file)(error)))

const notRead = (file: string): ((error: unknown) => never) => failedAt('read log', file)
