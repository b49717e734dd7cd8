// Trees whose bytes the kernel has and the disk may not: one empty file each, named by tree and boot. It is made before the tree has its
// name, and both are metadata of one file system, which a journal brings back in their order: after a power cut a tree that nobody vouches
// for is on the list. In the same boot such a tree is as good as any, since the kernel has all of it.
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { open, rename, rm, stat } from 'node:fs/promises'
import type { SnapshotKind } from '../engine/ports/snapshotter.ts'
import { namesIn } from './content-store-files.ts'
import { hasCode } from './layer-errors.ts'
import { makeFolders } from './make-folders.ts'
import { hexOf } from './snapshotter-paths.ts'

export interface UnflushedTrees {
  /** Before the tree has its name. */
  readonly note: (kind: SnapshotKind, digest: string) => Promise<void>
  /** It is on the list of another boot. */
  readonly isSpoiled: (kind: SnapshotKind, digest: string) => Promise<boolean>
  /** True for one caller of all: who removes it. */
  readonly claim: (kind: SnapshotKind, digest: string) => Promise<boolean>
  readonly forget: (kind: SnapshotKind, digest: string) => Promise<void>
  /** Takes those off the list that have been there for a while: `flush` writes what is left of their bytes. Once in a process. */
  readonly settle: (flush: () => Promise<void>) => Promise<void>
}

/** The kernel writes what is dirty for half a minute (vm.dirty_expire_centisecs), so little is left to be written then. */
const SETTLED_MS = 60_000

/** Where it cannot be told, no tree of before is taken for one of this boot. */
export const currentBoot = (): string => {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  } catch {
    return randomUUID()
  }
}

export const unflushedTrees = (folder: string, bootId: string): UnflushedTrees => {
  const stem = (kind: SnapshotKind, digest: string): string => `${kind}-${hexOf(digest)}.`
  /** Those of other boots. None is added while this one lasts, so they are read once. */
  let spoiled: Promise<Set<string>> | undefined
  const ofOthers = (): Promise<Set<string>> => {
    spoiled ??= namesIn(folder).then((all) => new Set(all.filter((name) => !name.endsWith(`.${bootId}`))))
    return spoiled
  }
  const nameAmong = (all: Iterable<string>, kind: SnapshotKind, digest: string): string | undefined =>
    [...all].find((name) => name.startsWith(stem(kind, digest)))
  let settled = false
  return {
    note: async (kind, digest) => {
      makeFolders(folder, 0o700)
      const handle = await open(`${folder}/${stem(kind, digest)}${bootId}`, 'a', 0o600)
      await handle.close()
    },
    isSpoiled: async (kind, digest) => nameAmong(await ofOthers(), kind, digest) !== undefined,
    claim: async (kind, digest) => {
      const others = await ofOthers()
      const name = nameAmong(others, kind, digest)
      if (name === undefined) return false
      others.delete(name)
      try {
        // Of no boot, so that it is still spoiled for the next process where this one is killed before it has removed the tree.
        await rename(`${folder}/${name}`, `${folder}/${stem(kind, digest)}${randomUUID()}`)
        return true
      } catch (error) {
        if (hasCode(error, 'ENOENT')) return false
        throw error
      }
    },
    forget: async (kind, digest) => {
      const own = (await namesIn(folder)).filter((name) => name.startsWith(stem(kind, digest)))
      for (const name of own) await rm(`${folder}/${name}`, { force: true })
    },
    settle: async (flush) => {
      if (settled) return
      settled = true
      const own = (await namesIn(folder)).filter((name) => name.endsWith(`.${bootId}`))
      const old: string[] = []
      for (const name of own) {
        const found = await stat(`${folder}/${name}`).catch(() => undefined)
        if (found !== undefined && Date.now() - found.mtimeMs > SETTLED_MS) old.push(name)
      }
      if (old.length === 0) return
      await flush()
      for (const name of old) await rm(`${folder}/${name}`, { force: true })
    },
  }
}
