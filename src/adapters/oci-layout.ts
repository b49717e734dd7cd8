// Images in files: decides what a path or stream holds, and reads OCI layouts that are directories. image-spec image-layout.md.
import { constants, createReadStream } from 'node:fs'
import { open, readFile, stat } from 'node:fs/promises'
import path from 'node:path'
import * as E from '#fp/Either'
import type { ImageArchives, OpenedArchive } from '../engine/ports/image-archive.ts'
import { algorithmOf, hexOf } from '../model/digest.ts'
import type { EngineError } from '../model/errors.ts'
import { decodeLayout } from '../model/image.ts'
import type { LoadSource } from '../model/image-verbs.ts'
import { attempt, thrown } from './attempt.ts'
import { openTarArchive } from './docker-archive.ts'
import { writeArchive, writeBytes } from './image-archive-write.ts'
import { storeTar } from './import-tar.ts'

const READ_CHUNK = 256 * 1024

export const imageArchives: ImageArchives = {
  write: writeArchive,
  writeTar: writeBytes,
  storeTar,
  open: (store, source) =>
    attempt(`load ${nameOf(source)}`, async () => {
      if ('stream' in source) return openTarArchive(store, nameOf(source), source.stream)
      const file = path.resolve(source.path)
      if ((await stat(file)).isDirectory()) return openDirectory(file)
      const stream = createReadStream(file, { highWaterMark: READ_CHUNK })
      return openTarArchive(store, nameOf(source), stream)
    }),
}

const nameOf = (source: LoadSource): string => ('path' in source ? source.path : 'the input')

const openDirectory = async (folder: string): Promise<OpenedArchive> => {
  const layout = await readFile(path.join(folder, 'oci-layout')).catch(() => undefined)
  if (layout === undefined)
    throw thrown({
      _tag: 'InvalidSpec',
      document: folder,
      where: '$',
      why: 'the directory is no OCI layout: it has no file oci-layout',
    })
  rightOrThrow(decodeLayout(layout, path.join(folder, 'oci-layout')))
  return {
    name: folder,
    index: await readFile(path.join(folder, 'index.json')),
    source: ({ digest }) => fileChunks(path.join(folder, 'blobs', algorithmOf(digest), hexOf(digest))),
    member: () => undefined,
  }
}

/** A blob must be a file of its own: a link could lead anywhere. */
async function* fileChunks(file: string): AsyncGenerator<Uint8Array> {
  const handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW)
  try {
    yield* handle.createReadStream({ highWaterMark: READ_CHUNK, autoClose: false })
  } finally {
    await handle.close()
  }
}

const rightOrThrow = <A>(either: E.Either<EngineError, A>): A => {
  if (E.isLeft(either)) throw thrown(either.left)
  return either.right
}
