// The engine's directories on disks that take none: what mkdir(2) says is what is told, by whoever makes them.
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { replaceFile } from '../../src/adapters/content-store-files.ts'
import { eventJournal } from '../../src/adapters/event-journal.ts'
import { filterStore } from '../../src/adapters/filter-store.ts'
import { makeFolders } from '../../src/adapters/make-folders.ts'
import { unflushedTrees } from '../../src/adapters/unflushed-trees.ts'
import { noteOwned } from '../../src/adapters/volume-owners.ts'
import { loadAddon } from '../../src/native/load.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('adapters/make folders')
let scratch = ''
let disk = ''
test.before(() => {
  scratch = mkdtempSync(path.join(tmpdir(), 'slipway-folders-'))
  disk = path.join(scratch, 'disk')
  mkdirSync(disk)
})
test.after(() => rmSync(scratch, { recursive: true, force: true }))

const errorOf = (body: () => unknown): NodeJS.ErrnoException => {
  try {
    body()
  } catch (error) {
    return error as NodeJS.ErrnoException
  }
  throw new Error('it was made')
}

test('all that is missing is made, each for its owner alone, and what is there stays as it is', () => {
  const folder = path.join(scratch, 'a', 'b', 'c')
  makeFolders(folder, 0o700)
  makeFolders(folder, 0o755)
  assert.is(statSync(path.join(scratch, 'a', 'b')).mode & 0o777, 0o700)
  assert.is(statSync(folder).mode & 0o777, 0o700)
})

test('a file in the way, and a place where nothing can be made, are told', () => {
  writeFileSync(path.join(scratch, 'file'), '')
  assert.is(errorOf(() => makeFolders(path.join(scratch, 'file'), 0o700)).code, 'EEXIST')
  assert.is(errorOf(() => makeFolders(path.join(scratch, 'file', 'below'), 0o700)).code, 'ENOTDIR')
  assert.is(errorOf(() => makeFolders('/proc/none/below', 0o700)).code, 'ENOENT')
})

test.requires('root')

const readOnly = async (body: () => Promise<void> | void): Promise<void> => {
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'ro,size=64k', 'none', disk])
  try {
    await body()
  } finally {
    execFileSync('umount', [disk])
  }
}
const rejected = async (attempt: Promise<unknown>): Promise<NodeJS.ErrnoException> =>
  attempt.then(
    () => {
      throw new Error('it was made')
    },
    (error) => error,
  )

test('a read-only disk is EROFS and the folder, for whoever reads events, writes a record or notes a tree', () =>
  readOnly(async () => {
    const addon = loadAddon()
    const at = (...names: readonly string[]): string => path.join(disk, ...names)
    const errors = [
      errorOf(() => makeFolders(at('a', 'b'), 0o700)),
      errorOf(() => eventJournal({ addon, arch: 'x64', folder: at('events') }).read(false)),
      await rejected(replaceFile(at('records', 'one.json'), '{}')),
      await rejected(unflushedTrees(at('unflushed'), 'boot').note('layer', `sha256:${'a'.repeat(64)}`)),
    ]
    assert.equal(
      errors.map(({ code, path: where }) => [code, where]),
      ['a', 'events', 'records', 'unflushed'].map((name) => ['EROFS', at(name)]),
    )
  }))

test('what can do without them does: a filter is compiled again, an event and an owner are not noted', () =>
  readOnly(() => {
    const filter = { instructions: Buffer.alloc(8), count: 1, flags: 0 }
    filterStore(path.join(disk, 'filters')).write('key', filter)
    eventJournal({ addon: loadAddon(), arch: 'x64', folder: path.join(disk, 'events') }).note({
      Type: 'image',
      Action: 'pull',
      Actor: { ID: 'a', Attributes: {} },
    })
    noteOwned({ root: disk, containers: path.join(disk, 'containers') } as never, 'c'.repeat(64), ['v'])
    assert.equal(readdirSync(disk), [])
  }))

test.run()
