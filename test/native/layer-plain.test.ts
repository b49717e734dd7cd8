// Archives that are no layers: every hostile one stays inside, names that mean something in layers are names, and what was filled is moved.
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { loadLayerAddon } from '../../src/adapters/layer-native.ts'
import { assert, suite } from '../support/suite.ts'
import { hostileCases, makeOutside } from './layer-hostile.ts'
import { censusOf } from './layer-listing.ts'
import { chunks, type TarEntry, tar } from './layer-tar.ts'

const Plain = suite('native/layer: archives that are no layers')
Plain.requires('root', 'program:getfattr')
const base = mkdtempSync(path.join(tmpdir(), 'sp-'))
const outside = path.join(base, 'outside')
const target = path.join(base, 'target')

Plain.before(() => makeOutside(outside))
Plain.after(() => rmSync(base, { recursive: true, force: true }))

const apply = async (bytes: Buffer, limits: object = {}) => {
  rmSync(target, { recursive: true, force: true })
  mkdirSync(target)
  const applier = new (loadLayerAddon().LayerApplier)(target, { ...limits, plain: true })
  for await (const chunk of chunks(bytes, 300)) if (!(await applier.write(chunk))) break
  return applier.end()
}

for (const hostile of hostileCases(outside))
  Plain(`${hostile.name}: nothing outside has changed`, async () => {
    const before = censusOf(outside)
    await apply(hostile.bytes, hostile.limits)
    assert.equal(censusOf(outside), before)
    assert.equal(readdirSync(base).sort(), ['outside', 'target'])
  })

const entry = (name: string, more: Partial<TarEntry> = {}): TarEntry => ({ name, data: 'x', ...more })

Plain('whiteouts, opaque marks and the bookkeeping of AUFS are names', async () => {
  const names = ['.wh.a', 'd/.wh..wh..opq', '.wh..wh.plnk/b', '.wh.dir/inside']
  const result = await apply(tar(...names.map((name) => entry(name))))
  assert.ok(result.ok)
  for (const name of names) assert.is(readFileSync(path.join(target, name), 'utf8'), 'x', name)
  if (result.ok) assert.is(result.whiteouts, 0)
})

Plain(
  'a device of the number 0:0 is a device, and a directory that takes its place hides nothing',
  async () => {
    const zero = entry('n', { type: '3', data: '', major: 0, minor: 0 })
    assert.ok((await apply(tar(zero))).ok)
    assert.ok(lstatSync(path.join(target, 'n')).isCharacterDevice())
    assert.ok((await apply(tar(zero, { name: 'n/', type: '5' }))).ok)
    assert.ok(lstatSync(path.join(target, 'n')).isDirectory())
  },
)

Plain('a hard link to what is not in the archive is refused, and no note of layers is left', async () => {
  const refused = await apply(tar(entry('l', { type: '1', link: 'elsewhere', data: '' })))
  assert.ok(!refused.ok && /not in the archive before it/.test(refused.why ?? ''))
  assert.ok((await apply(tar(entry('a/b/c')))).ok)
  const notes = spawnSync('getfattr', ['-R', '-d', '-m', '-', target], { encoding: 'utf8' }).stdout
  assert.is(notes.trim(), '')
})

const from = path.join(base, 'from')
const into = path.join(base, 'into')
const fresh = (): void => {
  for (const folder of [from, into]) {
    rmSync(folder, { recursive: true, force: true })
    mkdirSync(folder)
  }
}

Plain('all entries of a directory are moved, with what the directory itself has', async () => {
  fresh()
  chmodSync(from, 0o1710)
  mkdirSync(path.join(from, 'd'))
  writeFileSync(path.join(from, 'd', 'f'), 'f')
  symlinkSync('/nowhere', path.join(from, 'l'))
  const { ino } = statSync(into)
  assert.equal(await loadLayerAddon().moveEntries(from, into), { ok: true, entries: 2 })
  assert.is(statSync(into).ino, ino)
  assert.is(statSync(into).mode & 0o7777, 0o1710)
  assert.equal(readdirSync(into).sort(), ['d', 'l'])
  assert.ok(!existsSync(from))
})

Plain('what is taken stays, a source that is gone is a success, and every failure is told', async () => {
  fresh()
  writeFileSync(path.join(from, 'a'), 'new')
  writeFileSync(path.join(into, 'a'), 'old')
  writeFileSync(path.join(from, 'b'), 'b')
  const { moveEntries } = loadLayerAddon()
  assert.equal(await moveEntries(from, into), { ok: true, entries: 1 })
  assert.is(readFileSync(path.join(into, 'a'), 'utf8'), 'old')
  assert.equal(await moveEntries(from, into), { ok: true, entries: 0 })
  fresh()
  rmSync(into, { recursive: true })
  const missing = await moveEntries(from, into)
  assert.ok(!missing.ok && missing.step === 'move_open' && missing.errno === 2)
  symlinkSync(outside, into)
  const link = await moveEntries(from, into)
  assert.ok(!link.ok && link.step === 'move_open' && link.errno === 20)
  rmSync(into)
  mkdirSync(into)
  writeFileSync(path.join(from, 'x'), '')
  assert.is(spawnSync('mount', ['-t', 'tmpfs', 'none', into]).status, 0)
  const across = await moveEntries(from, into)
  spawnSync('umount', [into])
  assert.ok(!across.ok && across.step === 'move_rename' && across.errno === 18)
})

Plain.run()
