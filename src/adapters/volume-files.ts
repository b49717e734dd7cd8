// Volumes on disk: where each file is, and what a crash may have left of one.
import { existsSync, fstatSync, opendirSync, readdirSync, readFileSync, statSync } from 'node:fs'
import path from 'node:path'
import * as E from '#fp/Either'
import type { Volume } from '../engine/ports/volumes.ts'
import type { EngineError } from '../model/errors.ts'
import { unlessMissing } from '../model/unless.ts'
import { decodeVolumeDocument, isVolumeName } from '../model/volume.ts'
import { attemptNow, locatedNow } from './attempt.ts'

/** `filling`: a copy that is being made. `fill`: one that is whole, and on its way into `_data`. */
export const volumePaths = (root: string) => {
  const folder = path.join(root, 'volumes')
  const of = (name: string): string => path.join(folder, name)
  return {
    folder,
    of,
    document: (name: string): string => path.join(of(name), 'volume.json'),
    data: (name: string): string => path.join(of(name), '_data'),
    filling: (name: string): string => path.join(of(name), 'filling'),
    fill: (name: string): string => path.join(of(name), 'fill'),
    staging: path.join(root, 'staging'),
    trash: path.join(root, 'trash'),
  }
}
export type VolumePaths = ReturnType<typeof volumePaths>

export const readVolume = (paths: VolumePaths, name: string): E.Either<EngineError, Volume | undefined> => {
  const file = paths.document(name)
  const text = attemptNow('read volume', () =>
    locatedNow(file, () => unlessMissing(() => readFileSync(file, 'utf8'))),
  )
  if (E.isLeft(text)) return text
  if (text.right === undefined) return isThere(paths, name) ? withoutDocument(file) : E.right(undefined)
  return E.map((document: Volume['document']): Volume => ({ document, data: paths.data(name) }))(
    decodeVolumeDocument(text.right, file),
  )
}

/** It comes and goes whole, by one rename: so one that is made between two looks has its document by the second. */
const isThere = (paths: VolumePaths, name: string): boolean =>
  existsSync(paths.of(name)) && !existsSync(paths.document(name)) && existsSync(paths.of(name))

const withoutDocument = (path: string): E.Either<EngineError, never> =>
  E.left({ _tag: 'StateDamaged', path, why: 'is not there' })

/** Directories: anything else there is somebody else's. */
export const volumeNames = (paths: VolumePaths): readonly string[] =>
  (unlessMissing(() => readdirSync(paths.folder, { withFileTypes: true })) ?? [])
    .filter((entry) => entry.isDirectory() && isVolumeName(entry.name))
    .map(({ name }) => name)

/** True only where that can be seen: a folder that is closed to its engine was closed by somebody who uses it. */
export const isEmptyFolder = (folder: string): boolean => {
  try {
    const entries = opendirSync(folder)
    try {
      return entries.readSync() === null
    } finally {
      entries.closeSync()
    }
  } catch {
    return false
  }
}

/** Owner and mode, as far as they can be seen. */
export const lookOf = (folder: string): string => {
  const { uid, gid, mode } = statSync(folder)
  return `${uid}:${gid} ${mode}`
}

/** Whether a name still leads to what was opened by it. */
export const isSame = (fd: number, folder: string): boolean => {
  const now = unlessMissing(() => statSync(folder))
  const opened = fstatSync(fd)
  return now !== undefined && now.ino === opened.ino && now.dev === opened.dev
}
