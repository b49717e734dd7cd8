// Random damage to good archives: whatever comes, the applier answers, and nothing leaves the directory. The same file runs
// under the address sanitizer. SLIPWAY_FUZZ_RUNS and SLIPWAY_FUZZ_SEED set how long and where it starts.
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { loadLayerAddon } from '../../src/adapters/layer-native.ts'
import type { LayerFailure, LayerStats } from '../../src/native/layer-addon.ts'
import { assert, suite } from '../support/suite.ts'
import { censusOf } from './layer-listing.ts'
import { chunks, extended, header, paxRecord, seal, type TarEntry, tar } from './layer-tar.ts'

const Fuzz = suite('native/layer: damaged archives')
Fuzz.requires('root', 'program:getfattr')
const RUNS = Number(process.env.SLIPWAY_FUZZ_RUNS ?? 800)
const SEED = Number(process.env.SLIPWAY_FUZZ_SEED ?? 1)
const BLOCK = 512

/** Mulberry32: small, and the same on every machine. */
const randomFrom = (seed: number): ((below: number) => number) => {
  let state = seed >>> 0
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0
    let x = Math.imul(state ^ (state >>> 15), state | 1)
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61)
    return ((x ^ (x >>> 14)) >>> 0) % below
  }
}
type Random = ReturnType<typeof randomFrom>
const pick = <A>(random: Random, from: readonly A[]): A => from[random(from.length)] as A

const USUAL = ['a', 'b', 'dir', 'c', 'd', '.', '.wh.a', '.wh..wh..opq']
const PARTS = [...USUAL, ...USUAL, ...USUAL, ...USUAL, '..', '', 'x'.repeat(90)]
const name = (random: Random): string =>
  Array.from({ length: 1 + random(3) }, () => pick(random, PARTS))
    .join('/')
    .slice(0, 99)
const KEYS = [
  'path',
  'linkpath',
  'size',
  'uid',
  'mtime',
  'GNU.sparse.map',
  'GNU.sparse.size',
  'GNU.sparse.major',
  'GNU.sparse.realsize',
  'SCHILY.xattr.user.a',
  'SCHILY.xattr.trusted.overlay.opaque',
  'LIBARCHIVE.xattr.user.b',
]
const VALUES = ['', 'a/b', '../a', '0', '7', '512', '1', '-1', '0,1,4,2', '99999999999', 'YWJj', '\0', '1.5']

const randomEntry = (random: Random): TarEntry => ({
  name: name(random),
  type: pick(random, ['0', '0', '0', '0', '0', '5', '5', '5', '5', '2', '6', '1', '3', 'S', 'V', '\0']),
  link: name(random),
  data: random(3) === 0 ? 'd'.repeat(random(1500)) : '',
  uid: random(70000),
  mode: random(0o10000),
  format: pick(random, ['ustar', 'gnu', 'v7']),
  ...(random(8) === 0
    ? { pax: { [pick(random, KEYS)]: pick(random, VALUES), [pick(random, KEYS)]: pick(random, VALUES) } }
    : {}),
})

const archive = (random: Random): Buffer =>
  tar(
    ...Array.from({ length: 1 + random(8) }, () => {
      if (random(20) > 0) return randomEntry(random)
      return extended(pick(random, ['x', 'g', 'L', 'K']), paxRecord(pick(random, KEYS), pick(random, VALUES)))
    }),
    random(20) === 0 ? header({ name: 'cut', size: random(4096) }) : Buffer.alloc(0),
  )

/** Flips, cuts, repeats; half of the time the headers' checksums are then put right, so that the damage is read. */
const damage = (random: Random, good: Buffer): Buffer => {
  let bytes = Buffer.from(good)
  for (let i = random(2) * random(5); i > 0; i--) {
    const at = random(bytes.length)
    const kind = random(4)
    if (kind === 0) bytes[at] = random(256)
    else if (kind === 1) bytes = bytes.subarray(0, Math.max(1, at))
    else if (kind === 2) bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(random(bytes.length))])
    else bytes.fill(pick(random, [0, 0x30, 0x37, 0x80, 0xff]), at, Math.min(bytes.length, at + random(12)))
  }
  if (random(2) === 0) {
    for (let at = 0; at + BLOCK <= bytes.length; at += BLOCK) {
      const block = bytes.subarray(at, at + BLOCK)
      if (block.toString('latin1', 257, 262) === 'ustar') seal(block)
    }
  }
  return bytes
}

const apply = async (target: string, bytes: Buffer, step: number): Promise<LayerStats | LayerFailure> => {
  const applier = new (loadLayerAddon().LayerApplier)(target, { maxBytes: 1 << 20, maxEntries: 1000 })
  for await (const chunk of chunks(bytes, step)) if (!(await applier.write(chunk))) break
  return applier.end()
}

const base = mkdtempSync(path.join(tmpdir(), 'slipway-fuzz-'))

const check = async (seed: number): Promise<'unpacked' | 'refused'> => {
  const random = randomFrom(seed)
  const bytes = damage(random, archive(random))
  const target = path.join(base, 'target')
  const stack = path.join(base, 'stack')
  for (const folder of [target, stack]) mkdirSync(folder)
  const result = await apply(target, bytes, pick(random, [0, 1, 100, 512, 513]))
  if (!result.ok && result.why === undefined) {
    assert.unreachable(`seed ${seed}: ${JSON.stringify(result)}: a hostile archive makes no system call fail`)
  }
  if (result.ok) await loadLayerAddon().flattenLayers([target, target], stack, path.join(base, 'scratch'))
  for (const folder of [target, stack, path.join(base, 'scratch')]) {
    assert.is((await loadLayerAddon().removeTree(folder)).ok, true, `seed ${seed}`)
  }
  return result.ok ? 'unpacked' : 'refused'
}

const title = 'no damaged archive crashes the applier, fails a system call, or changes what lies beside it'
Fuzz(title, async () => {
  mkdirSync(path.join(base, 'outside'))
  writeFileSync(path.join(base, 'outside', 'a'), 'keep')
  const before = censusOf(path.join(base, 'outside'))
  const seen = { unpacked: 0, refused: 0 }
  for (let i = 0; i < RUNS; i++) {
    seen[await check(SEED + i)]++
    if (i % 100 === 0) assert.equal(censusOf(path.join(base, 'outside')), before, `seed ${SEED + i}`)
  }
  assert.equal(censusOf(path.join(base, 'outside')), before)
  assert.equal(readdirSync(base), ['outside'])
  assert.ok(seen.unpacked > RUNS / 20 && seen.refused > RUNS / 20, JSON.stringify(seen))
})

Fuzz.after(() => rmSync(base, { recursive: true, force: true }))
Fuzz.run()
