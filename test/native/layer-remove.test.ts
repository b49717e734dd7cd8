// Deleting trees that hostile programs have made.
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  closeSync,
  existsSync,
  linkSync,
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
import { lacking } from '../support/needs.ts'
import { assert, suite } from '../support/suite.ts'

const Remove = suite('native/layer: remove and flatten')
Remove.requires('root')
const native = loadLayerAddon()

/** On a tmpfs: quick, and on none of the machine's file systems. */
const inFolder = async (body: (folder: string) => Promise<void>): Promise<void> => {
  const folder = mkdtempSync(path.join(tmpdir(), 'slipway-remove-'))
  execFileSync('mount', ['-t', 'tmpfs', 'none', folder])
  try {
    await body(folder)
  } finally {
    // Lazily: the loop device of an image in it goes with the last copy of its mount, which a container that another test
    // starts at this moment may hold for a millisecond.
    execFileSync('umount', ['--lazy', folder])
    rmSync(folder, { recursive: true })
  }
}

/** On an ext4 in a file: it limits the links to one file. */
const onExt4 = (body: (folder: string) => Promise<void>): Promise<void> =>
  inFolder(async (outer) => {
    const folder = `${outer}/ext4`
    mkdirSync(folder)
    execFileSync('truncate', ['-s', '64M', `${outer}/image`])
    execFileSync('mkfs.ext4', ['-q', '-F', `${outer}/image`])
    execFileSync('mount', ['-o', 'loop', `${outer}/image`, folder])
    await body(folder).finally(() => execFileSync('umount', [folder]))
  })

Remove('a link is removed, not what it leads to', () =>
  inFolder(async (folder) => {
    mkdirSync(`${folder}/keep`)
    writeFileSync(`${folder}/keep/file`, 'k')
    mkdirSync(`${folder}/tree`)
    symlinkSync('../keep', `${folder}/tree/relative`)
    symlinkSync(`${folder}/keep`, `${folder}/tree/absolute`)
    assert.equal(await native.removeTree(`${folder}/tree`), { ok: true, entries: 3 })
    symlinkSync('keep', `${folder}/link`)
    assert.equal(await native.removeTree(`${folder}/link`), { ok: true, entries: 1 })
    assert.is(readFileSync(`${folder}/keep/file`, 'utf8'), 'k')
  }),
)

Remove('nothing there is a success, and a file is a tree of one', () =>
  inFolder(async (folder) => {
    assert.equal(await native.removeTree(`${folder}/none`), { ok: true, entries: 0 })
    assert.equal(await native.removeTree(`${folder}/no/ne`), { ok: true, entries: 0 })
    writeFileSync(`${folder}/file`, '')
    assert.equal(await native.removeTree(`${folder}/file`), { ok: true, entries: 1 })
  }),
)

Remove('a path that names no entry of a folder is refused', async () => {
  for (const wrong of ['/', '/tmp/..', '/tmp/.', 'relative', '']) {
    const result = await native.removeTree(wrong)
    assert.equal([result.ok, !result.ok && result.errno], [false, 22], wrong)
  }
})

Remove('a tree deeper than any path can be', () =>
  inFolder(async (folder) => {
    const script = `import os, sys
os.chdir(sys.argv[1])
for i in range(6000):
    os.mkdir('d' * 20); os.chdir('d' * 20)
open('f', 'w').close()`
    mkdirSync(`${folder}/tree`)
    execFileSync('python3', ['-c', script, `${folder}/tree`])
    const result = await native.removeTree(`${folder}/tree`)
    assert.equal(result, { ok: true, entries: 6002 })
    assert.equal(readdirSync(folder), [])
  }),
)

Remove('a folder of ten thousand names', () =>
  inFolder(async (folder) => {
    mkdirSync(`${folder}/tree`)
    for (let i = 0; i < 10_000; i++) symlinkSync('x', `${folder}/tree/${i}`)
    assert.equal(await native.removeTree(`${folder}/tree`), { ok: true, entries: 10_001 })
  }),
)

Remove('a mount inside is left alone, and named', () =>
  inFolder(async (folder) => {
    mkdirSync(`${folder}/tree/mounted`, { recursive: true })
    mkdirSync(`${folder}/data`)
    writeFileSync(`${folder}/data/file`, 'k')
    execFileSync('mount', ['--bind', `${folder}/data`, `${folder}/tree/mounted`])
    try {
      const result = await native.removeTree(`${folder}/tree`)
      assert.equal(result, { ok: false, entry: 'mounted', step: 'remove_open', errno: 18 })
      assert.is(readFileSync(`${folder}/data/file`, 'utf8'), 'k')
    } finally {
      execFileSync('umount', [`${folder}/tree/mounted`])
    }
  }),
)

Remove('a tree that may not be removed is named', () =>
  inFolder(async (folder) => {
    mkdirSync(`${folder}/tree`)
    execFileSync('mount', ['-o', 'remount,ro', folder])
    const result = await native.removeTree(`${folder}/tree`)
    assert.equal(result, { ok: false, entry: 'tree', step: 'remove_unlink', errno: 30 })
  }),
)

Remove('a live staging directory survives a sweep, a dead one does not', () =>
  inFolder(async (folder) => {
    const alive = await native.openStaging(folder)
    const dead = await native.openStaging(folder)
    if (!alive.ok || !dead.ok) throw new Error('no staging directory')
    closeSync(dead.lockFd)
    writeFileSync(`${folder}/stray`, '')
    assert.equal(await native.sweepStaging(folder), { ok: true, entries: 2 })
    assert.equal(readdirSync(folder), [path.basename(alive.path)])
    closeSync(alive.lockFd)
    const missing = await native.openStaging(`${folder}/none`)
    assert.is(missing.ok ? 0 : missing.errno, 2)
    assert.equal(await native.sweepStaging(`${folder}/none`), { ok: true, entries: 0 })
  }),
)

const MOST_LINKS = 65_000
const linksTitle =
  'a file with the most links its file system allows is copied once, and its names stay one file'
const lackingLoop = lacking('file:/dev/loop-control', 'program:mkfs.ext4')
if (lackingLoop !== undefined) Remove.skip(linksTitle, lackingLoop)
else
  Remove(linksTitle, () =>
    onExt4(async (folder) => {
      mkdirSync(`${folder}/layer`)
      mkdirSync(`${folder}/stack`)
      mkdirSync(`${folder}/more`)
      writeFileSync(`${folder}/layer/a`, 'data', { mode: 0o640 })
      linkSync(`${folder}/layer/a`, `${folder}/layer/b`)
      linkSync(`${folder}/layer/a`, `${folder}/layer/c`)
      for (let i = 3; i < MOST_LINKS - 1; i++) linkSync(`${folder}/layer/a`, `${folder}/more/${i}`)
      const result = await native.flattenLayers([`${folder}/layer`], `${folder}/stack`, `${folder}/scratch`)
      assert.is(result.ok && result.copies, 1)
      assert.is(existsSync(`${folder}/scratch`), false)
      const inodes = ['a', 'b', 'c'].map((name) => statSync(`${folder}/stack/${name}`).ino)
      assert.is(new Set(inodes).size, 2)
      for (const name of ['a', 'b', 'c']) {
        assert.is(readFileSync(`${folder}/stack/${name}`, 'utf8'), 'data')
        assert.is(statSync(`${folder}/stack/${name}`).mode & 0o777, 0o640)
      }
    }),
  )

Remove('a stack that is made layer by layer is the one that is made at once', async () => {
  await inFolder(async (folder) => {
    for (const layer of ['one', 'two', 'three']) mkdirSync(`${folder}/${layer}/etc`, { recursive: true })
    writeFileSync(`${folder}/one/etc/a`, 'one')
    chmodSync(`${folder}/one`, 0o711)
    writeFileSync(`${folder}/two/etc/a`, 'two')
    writeFileSync(`${folder}/three/etc/b`, 'three')
    chmodSync(`${folder}/three/etc`, 0o700)
    const layers = ['one', 'two', 'three'].map((layer) => `${folder}/${layer}`)
    for (const target of ['whole', 'grown']) mkdirSync(`${folder}/${target}`)
    assert.ok((await native.flattenLayers(layers, `${folder}/whole`, `${folder}/scratch`)).ok)
    for (const [at, layer] of layers.entries())
      assert.ok((await native.flattenLayers([layer], `${folder}/grown`, `${folder}/scratch`, at > 0)).ok)
    const compared = await native.compareTrees(`${folder}/whole`, `${folder}/grown`)
    assert.equal(compared, { ok: true, changes: [] })
    assert.is(readFileSync(`${folder}/grown/etc/a`, 'utf8'), 'two')
    assert.is(statSync(`${folder}/grown`).mode & 0o777, statSync(`${folder}/three`).mode & 0o777)
  })
})

Remove('flatten names what is missing', async () => {
  await inFolder(async (folder) => {
    mkdirSync(`${folder}/stack`)
    const layer = await native.flattenLayers([`${folder}/none`], `${folder}/stack`, `${folder}/s`)
    assert.equal(layer, { ok: false, entry: `${folder}/none`, step: 'stack_open_layer', errno: 2, layer: 0 })
    const target = await native.flattenLayers([], `${folder}/none`, `${folder}/s2`)
    assert.is(!target.ok && target.step, 'stack_open_target')
    const scratch = await native.flattenLayers([], `${folder}/stack`, `${folder}/s`)
    assert.is(!scratch.ok && scratch.step, 'stack_mkdir')
  })
})

Remove.run()
