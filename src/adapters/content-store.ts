// The image store on disk: an OCI image layout plus records of what is unpacked. See docs/images.md for the files.
import { readFileSync, statSync } from 'node:fs'
import { readdir, readFile, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import * as E from '#fp/Either'
import * as O from '#fp/Option'
import type { ContentStore, Stored } from '../engine/ports/content-store.ts'
import { type Digest, parseDigest } from '../model/digest.ts'
import { message } from '../model/errors.ts'
import { type Descriptor, decodeIndex, encodeIndex, OCI_LAYOUT_FILE } from '../model/image.ts'
import { decodeRecord, type PreparedRecord } from '../model/image-record.ts'
import type { Decompressors } from '../native/layer-addon.ts'
import { attempt, attemptEither, located, orThrow, thrown } from './attempt.ts'
import { namesIn, replaceFile, UNFINISHED } from './content-store-files.ts'
import { type Flock, lockFile, tryLockFile } from './content-store-lock.ts'
import { noteOrigin, readOrigins, removeOrigins, removeOriginsExcept } from './content-store-origins.ts'
import { type StorePaths, storePaths } from './content-store-paths.ts'
import { blobReader } from './content-store-reader.ts'
import { readThrough, storeStream, storeThrough, verifiedChunks, verifier } from './content-store-stream.ts'
import { makeFolders } from './make-folders.ts'

/** Manifests and configs are read whole; none is anywhere near this size in bytes. */
const MAX_DOCUMENT = 8 * 1024 * 1024

/** `native`: what decompresses beside this thread; without it Node's zlib does. */
export const openContentStore = (root: string, flock: Flock, native?: Decompressors): ContentStore => {
  const paths = storePaths(root)
  const prepare = once(() => prepareStore(paths, flock))
  const locked = async <A>(
    lock: string,
    mode: 'shared' | 'exclusive',
    body: () => Promise<A>,
  ): Promise<A> => {
    await prepare()
    const release = await lockFile(flock, lock, mode)
    return body().finally(release)
  }
  return {
    has: (digest) => attempt('look for a blob', () => exists(paths.blob(digest))),
    write: (expected, source) =>
      attempt(`store ${expected.what}`, async () => {
        await prepare()
        return storeStream(paths, expected, source)
      }),
    writeThrough: (expected, source, consumer) =>
      attemptEither(`store ${expected.what}`, async () => {
        await prepare()
        return storeThrough(paths, native, expected, source, consumer)
      }),
    readThrough: (blob, consumer, onBytes) =>
      attemptEither(`read blob ${blob.digest}`, () =>
        whenMissing(blob.digest, readThrough(paths, native, blob, consumer, onBytes)),
      ),
    stream: (blob) => verifiedStream(paths, blob),
    read: (blob) =>
      attempt(`read blob ${blob.digest}`, () => whenMissing(blob.digest, readWhole(paths, blob))),
    reader: (blob) => blobReader(paths, blob),
    origins: (digest) => attempt('read where a blob came from', () => readOrigins(paths, digest)),
    removeOriginsExcept: (repositories) =>
      attempt('forget where blobs came from', () => removeOriginsExcept(paths, repositories)),
    noteOrigin: (repository, digests) =>
      attempt('note where blobs came from', () => noteOrigin(paths, repository, digests)),
    entries: attempt('read the image index', () => readEntries(paths)),
    update: (change) =>
      attempt('change the image index', () =>
        locked(paths.indexLock, 'exclusive', async () => {
          const entries = rightOrThrow(change(await readEntries(paths)))
          await replaceFile(paths.index, encodeIndex(entries), {
            temporary: paths.newIndex,
          })
          return entries
        }),
      ),
    keeping: (program) =>
      attempt('use the image store', () => locked(paths.contentLock, 'shared', () => orThrow(program))),
    alone: (program) =>
      attempt('clean the image store', async () => {
        await prepare()
        const release = await tryLockFile(flock, paths.contentLock, 'exclusive')
        if (release === undefined) return O.none
        return orThrow(program).then(O.some).finally(release)
      }),
    removeBlobsExcept: (keep) => attempt('remove blobs', () => removeBlobs(paths, keep)),
    removeBlob: (digest) => attempt('remove a blob', () => rm(paths.blob(digest), { force: true })),
    brokenRecords: (remove) => attempt('check image records', () => findBrokenRecords(paths, remove)),
    version: () => versionOf(paths.index),
    records: attempt('read image records', () => readRecords(paths)),
    record: (target, platform) =>
      attempt('read an image record', () => readRecord(paths.record(target, platform))),
    saveRecord: (record) =>
      attempt('save an image record', () =>
        replaceFile(paths.record(record.target, record.platform), JSON.stringify(record)),
      ),
    removeRecordsExcept: (targets) => attempt('remove image records', () => removeRecords(paths, targets)),
  }
}

const prepareStore = async (paths: StorePaths, flock: Flock): Promise<void> => {
  const folders = [
    path.join(paths.blobs, 'sha256'),
    paths.ingest,
    paths.records,
    path.dirname(paths.indexLock),
  ]
  for (const folder of folders) makeFolders(folder, 0o700)
  if (!(await exists(paths.layout))) await replaceFile(paths.layout, OCI_LAYOUT_FILE)
  const releaseContent = await tryLockFile(flock, paths.contentLock, 'exclusive')
  if (releaseContent !== undefined) await removeUnfinished(paths).finally(releaseContent)
  const releaseIndex = await tryLockFile(flock, paths.indexLock, 'exclusive')
  if (releaseIndex !== undefined) await rm(paths.newIndex, { force: true }).finally(releaseIndex)
}

/** While nobody adds content: what lies here belongs to the dead, and may be as large as a layer. */
const removeUnfinished = async (paths: StorePaths): Promise<void> => {
  for (const name of await readdir(paths.ingest)) await rm(path.join(paths.ingest, name), { force: true })
  for (const name of await namesIn(paths.records))
    if (name.endsWith(UNFINISHED)) await rm(path.join(paths.records, name), { force: true })
}

const exists = (file: string): Promise<boolean> =>
  stat(file).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return false
      throw error
    },
  )

/** A small file's bytes, or undefined when there is none. Synchronous: 20 µs, where a turn through libuv's pool takes 300. */
const readIfThere = (file: string): Buffer | undefined => {
  try {
    return readFileSync(file)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    return located(file)(error)
  }
}

const versionOf = (file: string): string | undefined => {
  const found = statSync(file, { bigint: true, throwIfNoEntry: false })
  return found === undefined ? undefined : `${found.ino}:${found.mtimeNs}:${found.size}`
}

const readEntries = async (paths: StorePaths): Promise<readonly Descriptor[]> => {
  const bytes = readIfThere(paths.index)
  return bytes === undefined ? [] : rightOrThrow(decodeIndex(bytes, paths.index)).manifests
}

const readWhole = async (
  paths: StorePaths,
  blob: { readonly digest: Digest; readonly size?: number },
): Promise<Buffer> => {
  const file = paths.blob(blob.digest)
  if ((await stat(file)).size > MAX_DOCUMENT)
    throw thrown({ _tag: 'StateDamaged', path: file, why: `a document larger than ${MAX_DOCUMENT} bytes` })
  const bytes = await readFile(file).catch(located(file))
  const check = verifier(`document ${blob.digest}`, blob)
  check.add(bytes)
  check.end()
  return bytes
}

async function* verifiedStream(paths: StorePaths, blob: Stored): AsyncGenerator<Uint8Array> {
  try {
    yield* verifiedChunks(paths, blob)
  } catch (error) {
    throw missingOr(blob.digest, error as NodeJS.ErrnoException)
  }
}

const whenMissing = <A>(digest: Digest, promise: Promise<A>): Promise<A> =>
  promise.catch((error: NodeJS.ErrnoException) => {
    throw missingOr(digest, error)
  })

const missingOr = (digest: Digest, error: NodeJS.ErrnoException): Error =>
  error.code !== 'ENOENT'
    ? error
    : thrown({
        _tag: 'StateDamaged',
        path: error.path ?? digest,
        why: 'the blob is missing; pull the image again',
      })

const removeBlobs = async (paths: StorePaths, keep: ReadonlySet<string>): Promise<readonly Digest[]> => {
  const removed: Digest[] = []
  for (const algorithm of await readdir(paths.blobs)) {
    for (const name of await readdir(path.join(paths.blobs, algorithm))) {
      const digest = parseDigest(`${algorithm}:${name}`)
      if (E.isLeft(digest) || keep.has(digest.right)) continue
      await rm(paths.blob(digest.right), { force: true })
      removed.push(digest.right)
    }
  }
  await removeOrigins(paths, keep)
  await removeUnfinished(paths)
  return removed
}

/** A record that cannot be read is as good as none: it is made again from the blobs. */
const readRecord = async (file: string): Promise<PreparedRecord | undefined> => {
  const bytes = readIfThere(file)
  const record = bytes === undefined ? undefined : decodeRecord(bytes, file)
  return record !== undefined && E.isRight(record) ? record.right : undefined
}

const readRecords = async (paths: StorePaths): Promise<readonly PreparedRecord[]> => {
  const records: PreparedRecord[] = []
  for (const name of await recordFiles(paths)) {
    const record = await readRecord(path.join(paths.records, name))
    if (record !== undefined) records.push(record)
  }
  return records
}
const findBrokenRecords = async (
  paths: StorePaths,
  remove: boolean,
): Promise<readonly { readonly file: string; readonly why: string }[]> => {
  const broken: { readonly file: string; readonly why: string }[] = []
  for (const name of await recordFiles(paths)) {
    const file = path.join(paths.records, name)
    const bytes = readIfThere(file)
    // One that is being written by another process.
    if (bytes === undefined || name.endsWith(UNFINISHED)) continue
    const record = decodeRecord(bytes, name)
    const why = E.isLeft(record)
      ? message(record.left)
      : paths.record(record.right.target, record.right.platform) === file
        ? undefined
        : 'it is the record of another image'
    if (why === undefined) continue
    broken.push({ file: name, why })
    if (remove) await rm(file, { force: true })
  }
  return broken
}

const recordFiles = async (paths: StorePaths): Promise<readonly string[]> =>
  (await namesIn(paths.records)).sort()

const removeRecords = async (paths: StorePaths, targets: ReadonlySet<string>): Promise<void> => {
  for (const name of await recordFiles(paths)) {
    const target = name.slice(0, name.indexOf('.')).replace('-', ':')
    if (!targets.has(target)) await rm(path.join(paths.records, name), { force: true })
  }
}

const rightOrThrow = <A>(either: E.Either<Parameters<typeof thrown>[0], A>): A => {
  if (E.isLeft(either)) throw thrown(either.left)
  return either.right
}

/** Runs once; a failure is not remembered. */
const once = <A>(body: () => Promise<A>): (() => Promise<A>) => {
  let running: Promise<A> | undefined
  return () => {
    running ??= body().catch((error: unknown) => {
      running = undefined
      throw error
    })
    return running
  }
}
