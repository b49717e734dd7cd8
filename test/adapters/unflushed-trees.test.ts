// Trees that a power cut may spoil: listed until their bytes are on the disk, and made again by the next boot.
import { existsSync, mkdtempSync, readdirSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import * as E from '#fp/Either'
import { loadLayerAddon } from '../../src/adapters/layer-native.ts'
import { createSnapshotter } from '../../src/adapters/snapshotter.ts'
import { chainIdOf } from '../../src/adapters/snapshotter-paths.ts'
import { unflushedTrees } from '../../src/adapters/unflushed-trees.ts'
import type { Snapshotter } from '../../src/engine/ports/snapshotter.ts'
import { chunks, tar } from '../native/layer-tar.ts'
import { expectRight } from '../support/either.ts'
import { assert, suite } from '../support/suite.ts'
import { digestOf } from './snapshotter-store.ts'

const HEX = 'ab'.repeat(32)
const DIGEST = `sha256:${HEX}`
const MINUTES_AGO = Date.now() / 1000 - 120

const inFolder = async (body: (folder: string) => Promise<void>): Promise<void> => {
  const folder = mkdtempSync(path.join(tmpdir(), 'slipway-unflushed-'))
  try {
    await body(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const List = suite('adapters/unflushed-trees')
List('a tree of this boot is sound, one of another boot is spoiled', () =>
  inFolder(async (folder) => {
    await unflushedTrees(folder, 'one').note('layer', DIGEST)
    assert.not.ok(await unflushedTrees(folder, 'one').isSpoiled('layer', DIGEST))
    assert.ok(await unflushedTrees(folder, 'two').isSpoiled('layer', DIGEST))
    assert.not.ok(await unflushedTrees(folder, 'two').isSpoiled('stack', DIGEST))
  }),
)
List('one that is not on the list is sound', () =>
  inFolder(async (folder) => {
    assert.not.ok(await unflushedTrees(path.join(folder, 'none'), 'two').isSpoiled('layer', DIGEST))
  }),
)
List('of several that find it one is to remove it', () =>
  inFolder(async (folder) => {
    await unflushedTrees(folder, 'one').note('layer', DIGEST)
    const others = Array.from({ length: 5 }, () => unflushedTrees(folder, 'two'))
    for (const other of others) assert.ok(await other.isSpoiled('layer', DIGEST))
    const claims = await Promise.all(others.map((other) => other.claim('layer', DIGEST)))
    assert.is(claims.filter((claim) => claim).length, 1)
    // Killed before it has removed the tree, it leaves it spoiled.
    assert.ok(await unflushedTrees(folder, 'two').isSpoiled('layer', DIGEST))
    await others[0]?.forget('layer', DIGEST)
    assert.not.ok(await unflushedTrees(folder, 'two').isSpoiled('layer', DIGEST))
    for (const other of others) assert.not.ok(await other.isSpoiled('layer', DIGEST))
  }),
)
List('old ones are flushed once, and leave the list; young ones stay', () =>
  inFolder(async (folder) => {
    const trees = unflushedTrees(folder, 'one')
    await trees.note('layer', DIGEST)
    utimesSync(path.join(folder, `layer-${HEX}.one`), MINUTES_AGO, MINUTES_AGO)
    await trees.note('stack', DIGEST)
    let flushes = 0
    const flush = async (): Promise<void> => {
      assert.equal(readdirSync(folder).length, 2)
      flushes++
    }
    await trees.settle(flush)
    await trees.settle(flush)
    assert.is(flushes, 1)
    assert.equal(readdirSync(folder), [`stack-${HEX}.one`])
  }),
)
List('where the flush fails they stay', () =>
  inFolder(async (folder) => {
    const trees = unflushedTrees(folder, 'one')
    await trees.note('layer', DIGEST)
    utimesSync(path.join(folder, `layer-${HEX}.one`), MINUTES_AGO, MINUTES_AGO)
    const refused = new Error('EIO')
    let thrown: unknown
    await trees
      .settle(() => Promise.reject(refused))
      .catch((error) => {
        thrown = error
      })
    assert.is(thrown, refused)
    assert.equal(readdirSync(folder), [`layer-${HEX}.one`])
  }),
)
List.run()

const base = tar({ name: 'etc/', type: '5' }, { name: 'etc/a', data: 'one' })
const upper = tar({ name: 'etc/.wh.a' }, { name: 'etc/b', data: 'two' })
const diffIds = [digestOf(base), digestOf(upper)]
const made = async (snapshots: Snapshotter): Promise<string> => {
  for (const bytes of [base, upper])
    expectRight(await snapshots.unpackLayer(digestOf(bytes), chunks(bytes))())
  return expectRight(await snapshots.prepareStack(diffIds)()).path
}

const Boots = suite('adapters/unflushed-trees: boots')
Boots.requires('root')
const snapshotterOf = (root: string, bootId: string): Snapshotter =>
  createSnapshotter({ root, native: loadLayerAddon(), bootId })
Boots('in the same boot trees are taken as they are', () =>
  inFolder(async (root) => {
    const tree = await made(snapshotterOf(root, 'one'))
    const again = expectRight(await snapshotterOf(root, 'one').prepareStack(diffIds)())
    assert.equal(again, { chainId: chainIdOf(diffIds), path: tree, reused: true })
  }),
)
Boots(
  'after another boot what was not on the disk is made again, files and records that are cut short too',
  () =>
    inFolder(async (root) => {
      const tree = await made(snapshotterOf(root, 'one'))
      // What a power cut leaves.
      writeFileSync(path.join(tree, 'etc/b'), '')
      const [layer = ''] = readdirSync(path.join(root, 'layers'))
      writeFileSync(path.join(root, 'layers', layer, 'layer.json'), '')
      const later = snapshotterOf(root, 'two')
      const missing = await later.prepareStack(diffIds)()
      assert.ok(E.isLeft(missing) && missing.left._tag === 'StateDamaged')
      assert.is(await made(later), tree)
      assert.equal(readdirSync(path.join(tree, 'etc')), ['b'])
      const names = readdirSync(path.join(root, 'unflushed'))
      assert.equal(names.length, 3)
      assert.ok(names.every((name) => name.endsWith('.two')))
    }),
)
Boots('what was flushed is taken in any boot', () =>
  inFolder(async (root) => {
    const tree = await made(snapshotterOf(root, 'one'))
    for (const name of readdirSync(path.join(root, 'unflushed')))
      utimesSync(path.join(root, 'unflushed', name), MINUTES_AGO, MINUTES_AGO)
    // Whoever stages something next settles what is old.
    expectRight(await snapshotterOf(root, 'one').remove('layer', DIGEST)())
    assert.equal(readdirSync(path.join(root, 'unflushed')), [])
    assert.is(expectRight(await snapshotterOf(root, 'two').prepareStack(diffIds)()).path, tree)
  }),
)
Boots('a tree that is removed leaves the list', () =>
  inFolder(async (root) => {
    await made(snapshotterOf(root, 'one'))
    expectRight(await snapshotterOf(root, 'one').remove('layer', digestOf(base))())
    const [hex = ''] = digestOf(base).split(':').slice(1)
    assert.not.ok(existsSync(path.join(root, 'unflushed', `layer-${hex}.one`)))
    renameSync(path.join(root, 'unflushed'), path.join(root, 'gone'))
    expectRight(await snapshotterOf(root, 'one').remove('layer', digestOf(upper))())
  }),
)
Boots.run()
