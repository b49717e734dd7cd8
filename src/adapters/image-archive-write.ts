// Images into files: a tar at a path or into a stream, or the directory of an OCI layout. A path has the whole of it, or nothing new.
import { randomBytes } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { Readable, type Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { ImageArchives } from '../engine/ports/image-archive.ts'
import type { SaveTarget } from '../model/image-verbs.ts'
import { attempt, located, thrown } from './attempt.ts'
import { syncDirectory } from './content-store-files.ts'
import { type TarContent, writeTar } from './tar-write.ts'

export const writeArchive: ImageArchives['write'] = (files, target, { format, signal }) =>
  attempt(`save to ${nameOf(target)}`, async () => {
    const options = signal === undefined ? {} : { signal }
    if (format === 'oci-dir') return writeDirectory(files, target, options)
    return writeTo(target, writeTar(files), options)
  })

export const writeBytes: ImageArchives['writeTar'] = (bytes, target, options) =>
  attempt(`write ${nameOf(target)}`, () => writeTo(target, bytes, options))

interface Options {
  readonly signal?: AbortSignal
}

const nameOf = (target: SaveTarget): string => ('path' in target ? target.path : 'the output')

type Bytes = AsyncIterable<Uint8Array>

/** A stream, a device or a pipe is written to as it is; a file is replaced by one that is complete. */
const writeTo = async (target: SaveTarget, bytes: Bytes, options: Options): Promise<void> => {
  if ('stream' in target) return pump(bytes, target.stream as Writable, options)
  const file = path.resolve(target.path)
  const there = await stat(file).catch(() => undefined)
  if (there?.isDirectory()) throw refused(file, 'it is a directory')
  const write = (place: string, flush: boolean): Promise<void> =>
    pump(bytes, createWriteStream(place, { flush }), options).catch(located(place))
  await (there === undefined || there.isFile()
    ? whole(file, (place) => write(place, true))
    : write(file, false))
}

const pump = (bytes: Bytes, output: Writable, options: Options): Promise<void> =>
  pipeline(Readable.from(bytes, { objectMode: false }), output, options)

/** Made beside its place, under another name, and flushed: a power cut leaves the old or the new. */
const whole = async (place: string, make: (temporary: string) => Promise<void>): Promise<void> => {
  const temporary = path.join(
    path.dirname(place),
    `.${path.basename(place)}.${randomBytes(6).toString('hex')}.new`,
  )
  try {
    await make(temporary)
    await rename(temporary, place)
    await syncDirectory(path.dirname(place))
  } catch (error) {
    await rm(temporary, { recursive: true, force: true })
    throw called(error, temporary, place)
  }
}

/** The failure of a system call names the place that was asked for, not the name it has meanwhile. */
const called = (error: unknown, temporary: string, place: string): unknown => {
  const failure = error as NodeJS.ErrnoException
  if (error instanceof Error && failure.path === temporary) failure.path = place
  return error
}

const writeDirectory = async (
  files: readonly TarContent[],
  target: SaveTarget,
  options: Options,
): Promise<void> => {
  if ('stream' in target) throw refused('the output', 'a directory needs a path')
  const folder = path.resolve(target.path)
  const there = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw error.code === 'ENOTDIR' ? refused(folder, 'it is no directory') : error
  })
  if (there.length > 0) throw refused(folder, 'the directory is not empty')
  await whole(folder, async (temporary) => {
    await mkdir(temporary)
    for (const { name, content } of files) {
      const file = path.join(temporary, name)
      await mkdir(path.dirname(file), { recursive: true })
      await pump(content(), createWriteStream(file, { flush: true }), options).catch(located(file))
      await syncDirectory(path.dirname(file))
    }
    await syncDirectory(temporary)
  })
}

const refused = (where: string, why: string): Error =>
  thrown({ _tag: 'InvalidOption', option: 'output', value: where, why })
