// What an empty volume begins with: a directory of an image, or an archive.
import { createReadStream } from 'node:fs'
import * as E from '#fp/Either'
import { cancelled, onAbort } from '../model/abort.ts'
import type { HostFacts } from '../model/host-facts.ts'
import type { LoadSource } from '../model/image-verbs.ts'
import type { Rootfs } from '../model/prepared-image.ts'
import type { Addon, Execution } from '../native/addon.ts'
import type { Decompressors, LayerAddon } from '../native/layer-addon.ts'
import { planOpenInRoot } from '../plan/host-files.ts'
import { attempt, thrown } from './attempt.ts'
import { openTap, type Tap } from './content-store-tap.ts'
import { streamLayer } from './layer-stream.ts'

interface Parts {
  readonly addon: Addon & LayerAddon
  readonly facts: HostFacts
}

export interface Place {
  /** Leads to the directory itself, wherever its name leads by now. */
  readonly path: string
  readonly close: () => void
}

/** The directory a root has at a path, resolved as the container will: symlinks stay inside. Undefined where there is none. */
export const openPlace = async (
  { addon, facts }: Parts,
  rootfs: Rootfs,
  target: string,
  signal: AbortSignal | undefined,
): Promise<Place | undefined> => {
  const { root, path } = rootOf(rootfs, target)
  const plan = planOpenInRoot(facts.arch, root, path)
  const { ok, op, errno, slots } = await apart(addon, plan.bytes, signal)
  if (!ok)
    throw thrown({ _tag: 'SyscallFailed', step: plan.infos[op]?.step ?? 'open root', errno, path: root })
  const [fd = -1] = slots
  if (fd < 0) return undefined
  return { path: `/proc/self/fd/${fd}/.`, close: () => addon.closeFds(Int32Array.of(fd)) }
}

/** The host image is several directories; which one is told by the path as it is written. */
const rootOf = (rootfs: Rootfs, target: string): { readonly root: string; readonly path: string } => {
  if (rootfs.kind === 'directory') return { root: rootfs.path, path: target }
  if (rootfs.kind === 'layers') return { root: rootfs.lowers[0] ?? '/var/empty', path: target }
  const own = rootfs.directories.find((folder) => target === folder || target.startsWith(`${folder}/`))
  return own === undefined
    ? { root: rootfs.skeleton, path: target }
    : { root: own, path: target.slice(own.length) }
}

/** A root of the caller's may lie on a dead file system: after an abort nobody waits for the answer. */
const apart = (addon: Addon, bytes: Uint8Array, signal: AbortSignal | undefined): Promise<Execution> =>
  new Promise((resolve, reject) => {
    if (signal?.aborted === true) return reject(thrown(cancelled(signal.reason)))
    let given = false
    const leave = addon.executeApart(bytes, new Int32Array(0), (result) => {
      unlisten()
      if (!given) return resolve(result)
      const late = result.ok ? result.slots[0] : -1
      if (late !== undefined && late >= 0) addon.closeFds(Int32Array.of(late))
    })
    const unlisten =
      signal === undefined
        ? () => {}
        : onAbort(signal, () => {
            given = true
            leave()
            reject(thrown(cancelled(signal.reason)))
          })
  })

/** All of a tar into an empty directory, names that mean something in layers too. Throws a SlipwayError. */
export const unpack = async (
  { addon }: Parts,
  folder: string,
  bytes: AsyncIterable<Uint8Array>,
  signal: AbortSignal | undefined,
): Promise<void> => {
  const limits = { plain: true, maxBytes: Number.MAX_SAFE_INTEGER, maxEntries: Number.MAX_SAFE_INTEGER }
  await streamLayer(addon, folder, bytes, 'of a volume', {
    limits,
    ...(signal === undefined ? {} : { signal }),
  })
}

/** As much as tells compressions apart. */
const SNIFF_BYTES = 4
const WHAT = 'the archive'

/** Gives `consume` the plain tar of a source. Throws what `consume` throws, and a SlipwayError for a source that cannot be read. */
export const fromArchive = async (
  native: Decompressors,
  source: LoadSource,
  consume: (bytes: AsyncIterable<Uint8Array>) => Promise<void>,
): Promise<void> => {
  const bytes =
    'stream' in source ? source.stream : createReadStream(source.path, { highWaterMark: READ_CHUNK })
  let start: Buffer = Buffer.alloc(0)
  let tap: Tap<void> | undefined
  const consumer = {
    consume: (plain: AsyncIterable<Uint8Array>) => attempt('import volume', () => consume(plain)),
  }
  try {
    for await (const chunk of bytes) {
      if (tap === undefined) start = Buffer.concat([start, chunk])
      if (start.length < SNIFF_BYTES) continue
      const isFirst = tap === undefined
      tap ??= openTap(WHAT, start, consumer, native)
      await tap.write(isFirst ? start : chunk)
      if (tap.state() !== 'reading') break
    }
  } catch (error) {
    await tap?.fail(error)
    throw error
  }
  if (tap === undefined) throw thrown({ _tag: 'InvalidSpec', document: WHAT, where: '$', why: 'it is empty' })
  const result = await tap.end()
  if (E.isLeft(result)) throw thrown(result.left)
}

const READ_CHUNK = 256 * 1024
