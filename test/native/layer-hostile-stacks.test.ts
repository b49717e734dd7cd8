// Layers that are harmless each for itself and hostile together: what one makes of what another left stays in the tree of both.
import { createHash } from 'node:crypto'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { loadLayerAddon } from '../../src/adapters/layer-native.ts'
import { createSnapshotter } from '../../src/adapters/snapshotter.ts'
import { assert, suite } from '../support/suite.ts'
import { dir, file, hard, link, makeOutside } from './layer-hostile.ts'
import { censusOf, layerListing } from './layer-listing.ts'
import { chunks, type TarEntry, tar } from './layer-tar.ts'

const Stacks = suite('native/layer: hostile stacks')
Stacks.requires('root', 'program:getfattr')
const base = mkdtempSync(path.join(tmpdir(), 'sl-'))
const outside = path.join(base, 'outside')

interface StackCase {
  readonly name: string
  /** Bottom layer first. */
  readonly layers: readonly (readonly TarEntry[])[]
  /** Lines of the tree of all layers; or why there is none. */
  readonly tree?: readonly string[]
  readonly refused?: RegExp
}

const cases: readonly StackCase[] = [
  {
    name: 'a file below a name that is a link to outside in the layer below',
    layers: [[link('a', outside)], [file('a/file')]],
    tree: ['d a', 'f a/file "x"'],
  },
  {
    name: 'a directory over a link to outside, filled by a third layer',
    layers: [[link('a', outside)], [dir('a/')], [file('a/file')]],
    tree: ['d a', 'f a/file "x"'],
  },
  {
    name: 'a link to outside over a directory, filled by a third layer',
    layers: [[file('a/1')], [link('a', outside)], [file('a/file')]],
    tree: ['d a', 'f a/file "x"'],
  },
  {
    name: 'a whiteout below a name that is a link to outside',
    layers: [[link('a', outside)], [file('a/.wh.file')]],
    tree: ['d a'],
  },
  {
    name: 'an opaque marker on a name that is a link to outside',
    layers: [[link('a', outside)], [file('a/.wh..wh..opq')]],
    tree: ['d a'],
  },
  {
    name: 'an opaque marker on a name that is a file',
    layers: [[file('a')], [file('a/.wh..wh..opq')]],
    tree: ['d a'],
  },
  {
    name: 'a whiteout of a link to outside takes the link',
    layers: [[link('a', outside)], [file('.wh.a')]],
    tree: [],
  },
  {
    name: 'a hard link through a link to outside of the layer below',
    layers: [[link('a', outside)], [hard('h', 'a/file')]],
    refused: /no layer below|no directory|leads/,
  },
  {
    name: 'a hard link to a link to outside of the layer below is that link',
    layers: [[link('a', `${outside}/file`)], [hard('h', 'a')]],
    tree: [`l a -> ${outside}/file`, 'h = a'],
  },
  {
    name: 'a file over a hard link to a link to outside of the layer below',
    layers: [[link('a', `${outside}/file`)], [hard('h', 'a')], [file('h', 'mine')]],
    tree: [`l a -> ${outside}/file`, 'f h "mine"'],
  },
  {
    name: 'a hard link to a directory of the layer below',
    layers: [[dir('d/')], [hard('h', 'd')]],
    refused: /directory|no layer below/,
  },
  {
    name: 'a hard link to what its own layer takes away is another name of what was there',
    layers: [[file('a')], [file('.wh.a'), hard('h', 'a')]],
    tree: ['f h "x"'],
  },
  {
    name: 'a hard link to what a layer between took away',
    layers: [[file('a')], [file('.wh.a')], [hard('h', 'a')]],
    refused: /no layer below/,
  },
  {
    name: 'hard links of two layers to each other',
    layers: [[hard('a', 'b')], [hard('b', 'a')]],
    refused: /no layer below/,
  },
  {
    name: 'a chain of hard links over three layers',
    layers: [[file('a')], [hard('b', 'a')], [hard('c', 'b')]],
    tree: ['f a "x"', 'b = a', 'c = a'],
  },
  {
    name: 'a hard link over the file it points to',
    layers: [[file('a', '1'), file('b', '2')], [hard('a', 'b')]],
    tree: ['f a "2"', 'b = a'],
  },
  {
    name: 'a hard link to a device of the layer below',
    layers: [[{ name: 'c', type: '3', major: 1, minor: 3 }], [hard('h', 'c')]],
    tree: ['c c 1:3', 'h = c'],
  },
  {
    name: 'a directory where a FIFO and a device were',
    layers: [
      [
        { name: 'a', type: '6' },
        { name: 'b', type: '3', major: 1, minor: 3 },
      ],
      [file('a/x'), file('b/x')],
    ],
    tree: ['d a', 'f a/x "x"', 'd b', 'f b/x "x"'],
  },
  {
    name: 'a file where a full directory was, and the directory again',
    layers: [[file('a/b/c')], [file('a')], [file('a/d')]],
    tree: ['d a', 'f a/d "x"'],
  },
  {
    name: 'whiteouts of everything, twice',
    layers: [
      [file('a'), file('d/b')],
      [file('.wh.a'), file('.wh.d')],
      [file('.wh.a'), file('d/.wh.b')],
    ],
    tree: ['d d'],
  },
  {
    name: 'the same layer four times',
    layers: Array.from({ length: 4 }, () => [file('a'), hard('b', 'a'), dir('d/'), file('d/.wh..wh..opq')]),
    tree: ['f a "x"', 'b = a', 'd d'],
  },
]

const reason = (error: object): string => ('why' in error ? String(error.why) : JSON.stringify(error))

Stacks.before(() => makeOutside(outside))
Stacks.after(() => rmSync(base, { recursive: true, force: true }))

for (const { name, layers, tree, refused } of cases) {
  Stacks(`${name}: ${refused ? 'is refused' : 'stays inside'}`, async () => {
    const root = path.join(base, 'store')
    rmSync(root, { recursive: true, force: true }) // of a case that failed
    const snapshots = createSnapshotter({ root, native: loadLayerAddon() })
    const before = censusOf(outside)
    const archives = layers.map((entries) => tar(...entries))
    const diffIds = archives.map((bytes) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`)
    for (const [at, bytes] of archives.entries()) {
      const unpacked = await snapshots.unpackLayer(diffIds[at] ?? '', chunks(bytes))()
      if (unpacked._tag === 'Left') assert.unreachable(reason(unpacked.left))
    }
    const stack = await snapshots.prepareStack(diffIds)()
    assert.equal(censusOf(outside), before, 'nothing outside has changed')
    assert.equal(readdirSync(path.join(root, 'staging')), [], 'nothing is left in staging')
    if (stack._tag === 'Left') {
      assert.ok(refused?.test(reason(stack.left)), `${reason(stack.left)}, not ${refused}`)
      assert.equal(readdirSync(path.join(root, 'stacks')), [])
    } else assert.equal(layerListing(stack.right.path), tree)
    rmSync(root, { recursive: true })
  })
}
Stacks.run()
