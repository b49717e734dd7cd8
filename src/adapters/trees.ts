// Directories of layers and containers on this machine, read by the addon on a thread of its own.
import { existsSync } from 'node:fs'
import path from 'node:path'
import type { Readable } from 'node:stream'
import type { Trees } from '../engine/ports/trees.ts'
import type { EngineError } from '../model/errors.ts'
import type { FileChange } from '../model/image-verbs.ts'
import type { Addon } from '../native/addon.ts'
import type { LayerAddon, LayerFailure, TreeChanges, TreePair } from '../native/layer-addon.ts'
import { attempt, thrown } from './attempt.ts'
import { pipeStream } from './descriptor-stream.ts'
import { nativeError } from './layer-errors.ts'

export const nativeTrees = (addon: Addon & LayerAddon): Trees => ({
  archive: (trees) => chunks(addon, written(trees), false),
  layer: (trees) => chunks(addon, written(trees), true),
  changes: (trees) => attempt('list changes', async () => changesOf(await addon.listChanges(written(trees)))),
  compare: (before, after) =>
    attempt('compare trees', async () => changesOf(await addon.compareTrees(before, after))),
})

/** A container that has never been started is there, and has no writable layer yet. */
const written = ({ upper, ...trees }: TreePair): TreePair =>
  upper === undefined || (!existsSync(upper) && existsSync(path.dirname(upper))) ? trees : { ...trees, upper }

/** What stands for the archive where a layer's digest would stand. */
const SUBJECT = 'of a container'

const chunks = (addon: Addon & LayerAddon, trees: TreePair, changes: boolean): AsyncGenerator<Uint8Array> =>
  fromThread(
    addon,
    (fd) => addon.archiveTree(trees, changes, fd),
    (failure) => nativeError(failure, SUBJECT),
  )

/**
 * What a thread writes into the descriptor it is given, and closes. Through a pipe: a reader that stops early closes it, and the thread
 * ends with that.
 */
export async function* fromThread(
  addon: Addon,
  write: (fd: number) => Promise<{ readonly ok: true } | LayerFailure>,
  errorOf: (failure: LayerFailure) => EngineError,
): AsyncGenerator<Uint8Array> {
  const ends = addon.pipe(true, process.geteuid?.() ?? 0)
  if (typeof ends === 'number') throw thrown({ _tag: 'SyscallFailed', step: 'make pipe', errno: -ends })
  const [ours, theirs] = ends
  addon.letGo(Int32Array.from(ends))
  const written = write(theirs)
  const stream: Readable = pipeStream(addon, ours, { readable: true, writable: false })
  try {
    yield* stream as AsyncIterable<Uint8Array>
    const result = await written
    if (!result.ok) throw thrown(errorOf(result))
  } finally {
    stream.destroy()
    await written
  }
}

const KINDS: Readonly<Record<string, FileChange['kind']>> = { A: 'added', C: 'changed', D: 'deleted' }

const changesOf = (result: TreeChanges | LayerFailure): readonly FileChange[] => {
  if (!result.ok) throw thrown(nativeError(result, SUBJECT))
  return result.changes
    .map((line): FileChange => ({ kind: KINDS[line.charAt(0)] ?? 'changed', path: line.slice(1) }))
    .sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0))
}
