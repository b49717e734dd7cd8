// A snapshot store of its own for a test, which must leave nothing in staging.
import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { TaskEither } from '#fp/TaskEither'
import { loadLayerAddon } from '../../src/adapters/layer-native.ts'
import { createSnapshotter } from '../../src/adapters/snapshotter.ts'
import type { Snapshotter } from '../../src/engine/ports/snapshotter.ts'
import { type EngineError, SlipwayError } from '../../src/model/errors.ts'
import { chunks } from '../native/layer-tar.ts'
import { assert } from '../support/suite.ts'

export const right = async <A>(program: TaskEither<EngineError, A>): Promise<A> => {
  const result = await program()
  if (result._tag === 'Left') throw new SlipwayError(result.left)
  return result.right
}
export const left = async <A>(program: TaskEither<EngineError, A>): Promise<EngineError> => {
  const result = await program()
  if (result._tag === 'Right') throw new Error(`expected a failure, got ${JSON.stringify(result.right)}`)
  return result.left
}
export const digestOf = (bytes: Buffer): string =>
  `sha256:${createHash('sha256').update(bytes).digest('hex')}`

export interface Store {
  readonly root: string
  readonly snapshots: Snapshotter
}
export const inStore = async (body: (store: Store) => Promise<void>): Promise<void> => {
  const root = mkdtempSync(path.join(tmpdir(), 'slipway-snapshots-'))
  try {
    await body({ root, snapshots: createSnapshotter({ root, native: loadLayerAddon() }) })
    const staging = path.join(root, 'staging')
    assert.equal(existsSync(staging) ? readdirSync(staging) : [], [], 'nothing is left in staging')
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
}
export const unpack = (store: Store, bytes: Buffer) =>
  right(store.snapshots.unpackLayer(digestOf(bytes), chunks(bytes, 1000)))
