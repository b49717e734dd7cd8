// Files of a root that is in use, out and in: what comes out goes in again, and neither an archive nor a link leads out of the root.
import { execFileSync } from 'node:child_process'
import {
  closeSync,
  constants,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { loadLayerAddon } from '../../src/adapters/layer-native.ts'
import type { Addon } from '../../src/native/addon.ts'
import type { ReceiveChoices } from '../../src/native/layer-addon.ts'
import { assert, suite } from '../support/suite.ts'
import { type TarFile, tarOf } from '../support/tar-builder.ts'
import { treeList } from '../support/tree-list.ts'
import { hostileCases, makeOutside } from './layer-hostile.ts'

const Places = suite('native/layer: roots in use')
Places.requires('root')
const native = loadLayerAddon()
const addon = native as unknown as Addon
const DAMAGED = Number(process.env.SLIPWAY_FUZZ_RUNS ?? 150)
let folder = ''
let made = 0
const at = (...names: string[]): string => path.join(folder, ...names)

Places.before(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'slipway-places-'))
})
Places.after(() => {
  execFileSync('rm', ['-rf', folder])
})

const newFolder = (): string => {
  const directory = at(`root${++made}`)
  mkdirSync(directory)
  return directory
}
/** A descriptor of it, as a container's root is held. */
const withRoot = async <A>(directory: string, use: (root: number) => Promise<A>): Promise<A> => {
  const root = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY)
  try {
    return await use(root)
  } finally {
    closeSync(root)
  }
}

const archived = async (root: string, from: string, name: string, follow = false) => {
  const file = at(`archive${++made}`)
  const result = await withRoot(root, (fd) =>
    native.archivePlace({ root: fd, path: from }, follow, name, openSync(file, 'w')),
  )
  return { result, file }
}
const USUAL: ReceiveChoices = { keepOwner: true, replace: false, followLinks: true }
const received = (
  root: string,
  into: string,
  bytes: Buffer | string,
  choices = USUAL,
  namespace?: number,
) => {
  const file = typeof bytes === 'string' ? bytes : at('given')
  if (typeof bytes !== 'string') writeFileSync(file, bytes)
  return withRoot(root, (fd) =>
    native.receiveArchive({ root: fd, path: into }, choices, openSync(file, 'r'), namespace),
  )
}

Places('what comes out goes in again, to the last attribute', async () => {
  const from = newFolder()
  const long = `${'long/'.repeat(30)}`
  mkdirSync(path.join(from, 'top', long), { recursive: true })
  writeFileSync(path.join(from, 'top', long, 'x'.repeat(200)), 'far away')
  writeFileSync(path.join(from, 'top', 'file'), Buffer.alloc(700_000, 'abc'))
  writeFileSync(path.join(from, 'top', 'holes'), 'x')
  truncateSync(path.join(from, 'top', 'holes'), 200 << 20)
  linkSync(path.join(from, 'top', 'file'), path.join(from, 'top', 'twice'))
  symlinkSync('/nowhere', path.join(from, 'top', 'link'))
  execFileSync(
    'sh',
    [
      '-c',
      'mkfifo pipe; mknod dev c 1 3; chown 5:6 file pipe dev; chown -h 7:8 link; chmod 4751 file; chmod 1570 long; touch -hd @1000.123456789 file link pipe long',
    ],
    {
      cwd: path.join(from, 'top'),
    },
  )
  const { result, file } = await archived(from, '/top', 'other')
  assert.ok(result.ok)
  const to = newFolder()
  const put = await received(to, '/', file)
  assert.ok(put.ok, JSON.stringify(put))
  assert.equal(treeList(path.join(to, 'other')), treeList(path.join(from, 'top')))
  assert.ok(lstatSync(path.join(to, 'other', 'holes')).blocks < 1000)
  // Over what is there already it is the same.
  assert.ok((await received(to, '/', file)).ok)
  assert.equal(treeList(path.join(to, 'other')), treeList(path.join(from, 'top')))
})

Places('links lead nowhere but into the root, and no part of a path is more than a name', async () => {
  const [root, outside] = [newFolder(), newFolder()]
  makeOutside(outside)
  const before = treeList(outside)
  const up = `${'../'.repeat(30)}${outside.slice(1)}`
  for (const [name, target] of [
    ['absolute', outside],
    ['relative', up],
    ['magic', '/proc/self/root'],
    ['round', 'round'],
  ] as const)
    symlinkSync(target, path.join(root, name))
  await withRoot(root, async (fd) => {
    for (const name of [
      'absolute/file',
      'relative/file',
      'magic/etc',
      '/../../../etc/passwd',
      `/${up}/file`,
    ]) {
      const found = await native.statPlace({ root: fd, path: name }, true)
      assert.equal(found.ok ? found : found.errno, 2, name)
    }
    const link = await native.statPlace({ root: fd, path: 'absolute' }, false)
    assert.is(link.ok ? link.link : link.errno, outside)
    const round = await native.statPlace({ root: fd, path: 'round' }, true)
    assert.is(round.ok ? '' : round.errno, 40)
  })
  for (const name of ['absolute', 'relative', 'magic'])
    for (const choices of [USUAL, { ...USUAL, followLinks: false }]) {
      const bytes = tarOf([{ name: `${name}/new`, data: 'x' }])
      assert.not.ok((await received(root, '/', bytes, choices)).ok, name)
      assert.not.ok((await received(root, `/${name}`, tarOf([{ name: 'new', data: 'x' }]), choices)).ok, name)
    }
  assert.equal(treeList(outside), before)
})

Places('an archive that means harm changes nothing outside, whatever of it is refused', async () => {
  const outside = newFolder()
  makeOutside(outside)
  const before = treeList(outside)
  for (const { name, bytes } of hostileCases(outside))
    for (const choices of [USUAL, { keepOwner: false, replace: true, followLinks: false }]) {
      const around = newFolder()
      const root = path.join(around, 'root')
      mkdirSync(path.join(root, 'in'), { recursive: true })
      writeFileSync(path.join(around, 'canary'), 'x')
      // A sparse file of petabytes is a file like any other here, and some file systems take it.
      await received(root, '/in', bytes, choices)
      assert.equal(readdirSync(around).sort(), ['canary', 'root'], name)
      // Links are followed inside the root, where they are followed at all.
      if (!choices.followLinks) assert.equal(readdirSync(root), ['in'], name)
      assert.is(readFileSync(path.join(around, 'canary'), 'utf8'), 'x', name)
    }
  assert.is(execFileSync('find', [folder, '-name', '.slipway-*'], { encoding: 'utf8' }), '')
  assert.equal(treeList(outside), before)
})

Places('damaged archives are answered, and leave no half file', async () => {
  const files: readonly TarFile[] = [
    { name: 'a/', type: '5' },
    { name: 'a/file', data: 'x'.repeat(3000) },
    { name: 'a/twice', type: '1', linkName: 'a/file' },
    { name: 'a/link', type: '2', linkName: 'file' },
    { name: 'a/pipe', type: '6' },
  ]
  const good = tarOf(files)
  let state = 1
  const random = (below: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    return state % below
  }
  const around = newFolder()
  for (let run = 0; run < DAMAGED; run++) {
    mkdirSync(path.join(around, 'in'))
    const bytes = Buffer.from(good.subarray(0, run % 3 === 0 ? random(good.length) : good.length))
    for (let times = random(4); times > 0 && bytes.length > 0; times--)
      bytes[random(bytes.length)] = random(256)
    await received(around, '/in', bytes)
    assert.equal(readdirSync(around), ['in'])
    assert.not.ok(
      (readdirSync(path.join(around, 'in'), { recursive: true }) as string[]).some((name) =>
        name.includes('.slipway-'),
      ),
    )
    rmSync(path.join(around, 'in'), { recursive: true })
  }
})

Places(
  'in a user namespace whoever has no other name there is its root, and this process is as it was',
  async () => {
    const FIRST = 2_100_000_000
    const cloned = addon.cloneIntoUserNamespace()
    if (typeof cloned === 'number') throw new Error(`no user namespace: ${cloned}`)
    const [pid, pidfd] = cloned
    for (const map of ['uid_map', 'gid_map']) writeFileSync(`/proc/${pid}/${map}`, `0 ${FIRST} 1000\n`)
    const namespace = openSync(`/proc/${pid}/ns/user`, 'r')
    addon.endClone(pidfd)
    try {
      const root = newFolder()
      execFileSync('chown', [`${FIRST}:${FIRST}`, root])
      const bytes = tarOf([
        { name: 'own', data: 'x' },
        { name: 'other', data: 'x', uid: 999, gid: 5 },
        { name: 'null', type: '3', device: [1, 3] },
      ])
      const put = await received(root, '/', bytes, USUAL, namespace)
      assert.equal(put, { ok: true, entries: 3, bytes: 2, skippedDevices: 1 })
      const ids = (name: string) => {
        const { uid, gid } = lstatSync(path.join(root, name))
        return [uid - FIRST, gid - FIRST]
      }
      assert.equal(
        [ids('own'), ids('other')],
        [
          [0, 0],
          [999, 5],
        ],
      )
      const strange = await received(
        root,
        '/',
        tarOf([{ name: 'far', uid: 1000, data: 'x' }]),
        USUAL,
        namespace,
      )
      assert.equal(strange.ok ? strange : [strange.step, strange.errno], ['copy_chown', 22])
      assert.not.ok(existsSync(path.join(root, 'far')))
      // Root of the namespace is nobody where its ids do not reach.
      const closed = newFolder()
      const refused = await received(closed, '/', bytes, USUAL, namespace)
      assert.equal(refused.ok ? refused : refused.errno, 13)
      assert.equal(readdirSync(closed), [])
      assert.equal([process.geteuid?.(), process.getegid?.()], [0, 0])
      assert.match(readFileSync('/proc/self/status', 'utf8'), /^Uid:\t0\t0\t0\t0$/m)
    } finally {
      closeSync(namespace)
    }
  },
)

Places.run()
