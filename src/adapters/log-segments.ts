// A container's log segments as files: listed, opened, read from an offset on, and watched.
import { type FileHandle, open, readdir } from 'node:fs/promises'
import path from 'node:path'
import type { LogPort, OpenSegment } from '../engine/ports/logs.ts'
import { type EngineError, SlipwayError } from '../model/errors.ts'
import { segmentName, segmentNumber } from '../model/log.ts'
import { watchFolder, wokenBy } from './watch-folder.ts'

/** `folder`: absolute path of the directory of segments. */
export const logSegments = (folder: string): LogPort => ({
  segments: () => unlessGone(async () => numbersOf(await readdir(folder)), folder),
  open: (number) => {
    const file = path.join(folder, segmentName(number))
    return unlessGone(async () => openSegment(file, await open(file)), file)
  },
  watch: (signals) => wokenBy(watchFolder(folder), signals),
})

const numbersOf = (names: readonly string[]): readonly number[] =>
  names
    .map(segmentNumber)
    .filter((number) => number !== undefined)
    .sort((a, b) => a - b)

const openSegment = (file: string, handle: FileHandle): OpenSegment => ({
  path: file,
  read: (into, at) => orThrow(async () => (await handle.read(into, 0, into.length, at)).bytesRead, file),
  size: () => orThrow(async () => (await handle.stat()).size, file),
  close: () => handle.close(),
})

const unlessGone = <A>(body: () => Promise<A>, file: string): Promise<A | undefined> =>
  orThrow(
    () =>
      body().catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return undefined
        throw error
      }),
    file,
  )

const orThrow = async <A>(body: () => Promise<A>, file: string): Promise<A> => {
  try {
    return await body()
  } catch (error) {
    const { errno } = error as NodeJS.ErrnoException
    if (errno === undefined) throw error
    throw new SlipwayError({
      _tag: 'SyscallFailed',
      step: 'read log',
      errno: Math.abs(errno),
      path: file,
    } satisfies EngineError)
  }
}
