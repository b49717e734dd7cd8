// A snapshotter that only hashes and remembers: for tests of what surrounds it.
import { setImmediate as turn } from 'node:timers/promises'
import * as E from '#fp/Either'
import * as TE from '#fp/TaskEither'
import { attempt, thrown } from '../../src/adapters/attempt.ts'
import type { Snapshotter } from '../../src/engine/ports/snapshotter.ts'
import { chainIds, type Digest, hasher } from '../../src/model/digest.ts'

export interface MemorySnapshotter extends Snapshotter {
  /** By diffID: bytes of the tar. */
  readonly layers: Map<string, number>
  /** By chainID. */
  readonly stacks: Map<string, readonly string[]>
  /** How many layers were read from a source. */
  readonly unpacked: () => number
  /** Most layers that were being unpacked at the same time. */
  readonly widest: () => number
}

export const memorySnapshotter = (): MemorySnapshotter => {
  const layers = new Map<string, number>()
  const stacks = new Map<string, readonly string[]>()
  let [unpacked, running, widest] = [0, 0, 0]
  const read = async (diffId: string, source: AsyncIterable<Uint8Array>): Promise<number> => {
    const hash = hasher()
    let size = 0
    for await (const chunk of source) {
      hash.update(chunk)
      size += chunk.byteLength
      await turn()
    }
    const actual = hash.digest()
    if (actual !== diffId)
      throw thrown({ _tag: 'DigestMismatch', what: 'layer diffID', expected: diffId, actual })
    return size
  }
  return {
    layers,
    stacks,
    unpacked: () => unpacked,
    widest: () => widest,
    unpackLayer: (diffId, source) =>
      attempt('unpack', async () => {
        const known = layers.get(diffId)
        if (known !== undefined) return { diffId, sizeBytes: known, entries: 1, reused: true }
        unpacked++
        widest = Math.max(widest, ++running)
        const sizeBytes = await read(diffId, source).finally(() => running--)
        layers.set(diffId, sizeBytes)
        return { diffId, sizeBytes, entries: 1, reused: false }
      }),
    prepareStack: (diffIds, wait) => async () => {
      for (const diffId of diffIds) {
        const come = await wait?.(diffId)()
        if (come?._tag === 'Left') return come
      }
      const chainId = chainIds(diffIds as readonly Digest[]).at(-1) ?? 'none'
      const missing = diffIds.find((diffId) => !layers.has(diffId))
      if (!stacks.has(chainId) && missing !== undefined)
        return E.left({ _tag: 'StateDamaged', path: missing, why: 'the layer is not unpacked' })
      const reused = stacks.has(chainId)
      stacks.set(chainId, diffIds)
      return E.right({ chainId, path: `/stacks/${chainId.slice(7)}`, reused })
    },
    find: (diffId) =>
      TE.fromIO(() => {
        const sizeBytes = layers.get(diffId)
        return sizeBytes === undefined ? undefined : { diffId, sizeBytes, entries: 1, reused: true }
      }),
    renewLayer: (diffId, source) =>
      attempt('renew', async () => {
        await read(diffId, source)
        return []
      }),
    renewStack: () => TE.right([]),
    has: (kind, id) => TE.fromIO(() => (kind === 'layer' ? layers.has(id) : stacks.has(id))),
    remove: (kind, id) => TE.fromIO(() => void (kind === 'layer' ? layers.delete(id) : stacks.delete(id))),
    list: TE.fromIO(() => ({
      layers: [...layers.keys()],
      stacks: [...stacks].map(([chainId, diffIds]) => ({ chainId, diffIds })),
    })),
  }
}
