// Every hostile archive ends as the table says, and nothing outside the store changes.
import { createHash } from 'node:crypto'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { loadLayerAddon } from '../../src/adapters/layer-native.ts'
import { createSnapshotter } from '../../src/adapters/snapshotter.ts'
import type { EngineError } from '../../src/model/errors.ts'
import { assert, suite } from '../support/suite.ts'
import { type HostileCase, hostileCases, makeOutside } from './layer-hostile.ts'
import { censusOf, layerListing } from './layer-listing.ts'
import { chunks } from './layer-tar.ts'

const Hostile = suite('native/layer: hostile archives')
Hostile.requires('root', 'program:getfattr')
const base = mkdtempSync(path.join(tmpdir(), 'sl-'))
const outside = path.join(base, 'outside')

const reason = (error: EngineError): string =>
  error._tag === 'LayerRefused' ? error.why : JSON.stringify(error)

/** @param step chunk size; archives arrive in any pieces. */
const check = async (hostile: HostileCase, step: number): Promise<void> => {
  const root = path.join(base, 'store')
  rmSync(root, { recursive: true, force: true }) // of a case that failed
  const snapshots = createSnapshotter({ root, native: loadLayerAddon(), limits: hostile.limits ?? {} })
  const diffId = `sha256:${createHash('sha256').update(hostile.bytes).digest('hex')}`
  const before = censusOf(outside)
  const result = await snapshots.unpackLayer(diffId, chunks(hostile.bytes, step))()
  if (hostile.refused) {
    assert.is(result._tag, 'Left', 'it is refused')
    if (result._tag === 'Left') {
      const why = reason(result.left)
      assert.ok(hostile.refused.test(why), `${why}, not ${hostile.refused}`)
    }
    assert.equal(readdirSync(path.join(root, 'layers')), [], 'no layer is left')
  } else {
    if (result._tag === 'Left') assert.unreachable(JSON.stringify(result.left))
    assert.equal(layerListing(path.join(root, 'layers', diffId.slice(7), 'fs')), hostile.tree)
    const stack = await snapshots.prepareStack([diffId])()
    assert.is(stack._tag, hostile.stackRefused ? 'Left' : 'Right')
    if (stack._tag === 'Left') assert.match(reason(stack.left), hostile.stackRefused ?? /never/)
    assert.is((await snapshots.remove('layer', diffId)())._tag, 'Right')
  }
  assert.equal(readdirSync(path.join(root, 'staging')), [], 'nothing is left in staging')
  assert.equal(censusOf(outside), before, 'nothing outside has changed')
  assert.equal(readdirSync(base).sort(), ['outside', 'store'])
  rmSync(root, { recursive: true })
}

Hostile.before(() => makeOutside(outside))
Hostile.after(() => rmSync(base, { recursive: true, force: true }))

for (const hostile of hostileCases(outside)) {
  const verdict = hostile.refused ? 'is refused' : 'stays inside'
  Hostile(`${hostile.name}: ${verdict}`, async () => {
    for (const step of [0, 300]) await check(hostile, step)
  })
}

Hostile('the table has no two cases of one name, and enough of them', () => {
  const names = hostileCases(outside).map((hostile) => hostile.name)
  assert.is(new Set(names).size, names.length)
  assert.ok(names.length >= 220)
})

Hostile.run()
