import {
  chmodSync,
  copyFileSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { filterStore } from '../../src/adapters/filter-store.ts'
import { fnv1a } from '../../src/model/fnv.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('adapters/filter-store')
const parent = mkdtempSync(path.join(tmpdir(), 'filters-'))
const directory = path.join(parent, 'filters')
const store = filterStore(directory)
const filter = { instructions: Buffer.from('0123456789abcdef'), count: 2, flags: 4 }
const file = path.join(directory, fnv1a('ab'))

test.beforeEach(() => rmSync(directory, { recursive: true, force: true }))
test.after(() => rmSync(parent, { recursive: true, force: true }))

test('a filter reads back as it was written, and no other file stays', () => {
  store.write('ab', filter)
  const read = store.read('ab')
  assert.is(read?.count, 2)
  assert.is(read?.flags, 4)
  assert.is(Buffer.compare(Buffer.from(read?.instructions ?? []), filter.instructions), 0)
  assert.equal(readdirSync(directory), [fnv1a('ab')])
})

test('a key that was never written has no filter', () => {
  assert.is(store.read('cd'), undefined)
})

test('a file that is cut off, empty or too long is no filter', () => {
  store.write('ab', filter)
  truncateSync(file, 21)
  assert.is(store.read('ab'), undefined)
  truncateSync(file, 0)
  assert.is(store.read('ab'), undefined)
  writeFileSync(file, Buffer.alloc(8 + 8 * 4097))
  assert.is(store.read('ab'), undefined)
})

test('another key whose file has the same name has no filter', () => {
  store.write('ab', filter)
  copyFileSync(file, path.join(directory, fnv1a('ef')))
  assert.is(store.read('ef'), undefined)
})

test('a file that others may write is passed over', () => {
  store.write('ab', filter)
  chmodSync(file, 0o622)
  assert.is(store.read('ab'), undefined)
})

test('a symlink is passed over', () => {
  store.write('ab', filter)
  symlinkSync(file, path.join(directory, fnv1a('link')))
  assert.is(store.read('link'), undefined)
})

test('a directory that cannot be made is no error', () => {
  writeFileSync(directory, '')
  store.write('ab', filter)
  assert.is(store.read('ab'), undefined)
})

test.run()
