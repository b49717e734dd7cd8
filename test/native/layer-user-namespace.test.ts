// Layers in a user namespace: unpacked, laid over each other and removed by a process that shares memory with this one.

import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  closeSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { loadLayerAddon } from '../../src/adapters/layer-native.ts'
import type { Addon } from '../../src/native/addon.ts'
import { lacking } from '../support/needs.ts'
import { assert, suite } from '../support/suite.ts'
import { type TarFile, tarOf } from '../support/tar-builder.ts'

const Inside = suite('native/layer-user-namespace')
/** Root is root, as an ordinary user is root in its own: others are far away. */
const FIRST = 2_100_000_000
const COUNT = 1000
const native = loadLayerAddon()
const addon = native as unknown as Addon
let folder = ''
let namespace = -1
let made = 0

const reason = lacking('root')
const test = (name: string, body: () => void | Promise<void>): void => {
  if (reason === undefined) Inside(name, body)
  else Inside.skip(name, reason)
}

Inside.before(() => {
  if (reason !== undefined) return
  folder = mkdtempSync(path.join(tmpdir(), 'slipway-inside-'))
  const cloned = addon.cloneIntoUserNamespace()
  if (typeof cloned === 'number') throw new Error(`no user namespace: ${cloned}`)
  const [pid, pidfd] = cloned
  for (const map of ['uid_map', 'gid_map'])
    writeFileSync(`/proc/${pid}/${map}`, `0 0 1\n1 ${FIRST + 1} ${COUNT - 1}\n`)
  namespace = openSync(`/proc/${pid}/ns/user`, 'r')
  addon.endClone(pidfd)
})
Inside.after(() => {
  if (reason !== undefined) return
  closeSync(namespace)
  rmSync(folder, { recursive: true, force: true })
})

const inside = (id: number): number => (id === 0 ? 0 : id - FIRST)

const newFolder = (): string => {
  const directory = path.join(folder, `layer${++made}`)
  mkdirSync(directory)
  return directory
}

const unpack = async (files: readonly TarFile[], directory = newFolder()) => {
  const applier = new native.LayerApplier(directory, { userNamespace: namespace })
  await applier.write(tarOf(files))
  return { directory, result: await applier.end() }
}

const LOWER: readonly TarFile[] = [
  { name: 'a/', type: '5', uid: 5, gid: 6, mode: 0o700 },
  { name: 'a/file', data: 'x'.repeat(100_000), uid: 999, gid: 0, mode: 0o4755 },
  { name: 'b/c', data: 'c', uid: 7 },
  { name: 'device', type: '3', device: [1, 3] },
  { name: 'linked', data: 'linked', uid: 8 },
]
const UPPER: readonly TarFile[] = [
  { name: 'a/.wh..wh..opq' },
  { name: '.wh.b' },
  { name: 'again', type: '1', linkName: 'linked' },
]

const attributes = (file: string): string =>
  spawnSync('getfattr', ['-d', '-m', '-', '--absolute-names', file], { encoding: 'utf8' }).stdout

test('files belong to the ids of the map, and device nodes are left out', async () => {
  const { directory, result } = await unpack(LOWER)
  assert.ok(result.ok)
  assert.is(result.skippedDevices, 1)
  const owner = (name: string): number[] => {
    const { uid, gid, mode } = lstatSync(path.join(directory, name))
    return [inside(uid), inside(gid), mode & 0o7777]
  }
  assert.equal(owner('a'), [5, 6, 0o700])
  assert.equal(owner('a/file'), [999, 0, 0o4755])
  assert.equal(owner('b'), [0, 0, 0o755])
  assert.not.ok(lstatSync(path.join(directory, 'device'), { throwIfNoEntry: false }))
})

test('what overlayfs is told is told in user.* attributes, and stacks are made by them', async () => {
  const lower = await unpack(LOWER)
  const upper = await unpack(UPPER)
  assert.ok(upper.result.ok)
  assert.match(attributes(path.join(upper.directory, 'a')), /^user\.overlay\.opaque="y"$/m)
  assert.not.match(attributes(path.join(upper.directory, 'a')), /trusted/)
  assert.is(lstatSync(path.join(upper.directory, 'b')).rdev, 0)
  const target = newFolder()
  const flat = await native.flattenLayers(
    [lower.directory, upper.directory],
    target,
    path.join(folder, 'scratch'),
    false,
    namespace,
  )
  assert.ok(flat.ok)
  const names = spawnSync('find', ['.', '-mindepth', '1'], { cwd: target, encoding: 'utf8' }).stdout
  assert.equal(names.trim().split('\n').sort(), ['./a', './again', './linked'])
  assert.is(lstatSync(path.join(target, 'again')).uid, FIRST + 8)
})

test('an id outside of the map is refused with the entry and the ids', async () => {
  const { result } = await unpack([{ name: 'far', data: '', uid: COUNT, gid: 3 }])
  assert.not.ok(result.ok)
  if (result.ok) return
  assert.equal(
    [result.entry, result.why],
    ['far', 'it belongs to uid 1000 and gid 3, and the user namespace has no such id'],
  )
})

test('a tree of those ids is removed in the namespace, and one of others is not', async () => {
  const { directory } = await unpack(LOWER)
  const removed = await native.removeTree(directory, namespace)
  assert.equal(removed, { ok: true, entries: 6 })
  const foreign = path.join(folder, 'foreign')
  mkdirSync(path.join(foreign, 'kept'), { recursive: true })
  chownSync(foreign, 12_345, 12_345)
  chmodSync(foreign, 0o755)
  const refused = await native.removeTree(foreign, namespace)
  assert.not.ok(refused.ok)
  assert.ok(lstatSync(path.join(foreign, 'kept')).isDirectory())
})

test('what is no user namespace is refused, and nothing is done', async () => {
  const { directory } = await unpack(LOWER)
  const network = openSync('/proc/self/ns/net', 'r')
  const removed = await native.removeTree(directory, network)
  closeSync(network)
  assert.equal(removed, { ok: false, step: 'enter_user_namespace', errno: 22 })
  assert.ok(lstatSync(directory).isDirectory())
  const applier = new native.LayerApplier(directory, { userNamespace: 1_000_000 })
  await applier.write(tarOf(UPPER))
  const result = await applier.end()
  assert.equal(
    [result.ok, 'step' in result && result.step, 'errno' in result && result.errno],
    [false, 'enter_user_namespace', 9],
  )
})

test('many at a time, each beside this process, and one that is given up', async () => {
  const all = await Promise.all(Array.from({ length: 12 }, () => unpack(LOWER)))
  assert.ok(all.every(({ result }) => result.ok))
  const applier = new native.LayerApplier(newFolder(), { userNamespace: namespace })
  await applier.write(tarOf(LOWER).subarray(0, 700))
  assert.equal(await applier.abort(), { ok: false, why: 'it was stopped' })
})

Inside.run()
