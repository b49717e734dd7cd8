// Sources of bind mounts that are made on the way to a start.
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { makeBindSources } from '../../src/adapters/bind-sources.ts'
import { expectMessage, expectRight } from '../support/either.ts'
import { assert, suite } from '../support/suite.ts'

const BindSources = suite('adapters/bind-sources')
let top = ''
BindSources.beforeEach(() => {
  top = mkdtempSync(path.join(tmpdir(), 'bind-sources-'))
})
BindSources.afterEach(() => rmSync(top, { recursive: true, force: true }))

const makeAll = makeBindSources(async (folder) => {
  try {
    mkdirSync(folder, { mode: 0o755 })
    return 0
  } catch (error) {
    return Math.abs((error as NodeJS.ErrnoException).errno ?? 0)
  }
})
const make = (source: string, createSource = true) =>
  makeAll({ mounts: [{ type: 'bind', source, target: '/t', createSource }] })()

BindSources('a missing folder is made with its parents', async () => {
  expectRight(await make(path.join(top, 'a/b/c')))
  assert.is(statSync(path.join(top, 'a/b/c')).mode & 0o777, 0o755)
})

BindSources('a file or folder that is there stays as it is', async () => {
  writeFileSync(path.join(top, 'file'), 'x')
  mkdirSync(path.join(top, 'folder'), { mode: 0o700 })
  for (const name of ['file', 'folder']) expectRight(await make(path.join(top, name)))
  assert.is(statSync(path.join(top, 'file')).size, 1)
  assert.is(statSync(path.join(top, 'folder')).mode & 0o777, 0o700)
})

BindSources('nothing is made for a mount that does not ask for it', async () => {
  expectRight(await make(path.join(top, 'a'), false))
  expectRight(await makeAll({ mounts: [{ type: 'tmpfs', target: '/t' }] })())
  expectRight(await makeAll({})())
  assert.equal(readdirSync(top), [])
})

BindSources('a source below a file is a failure that names it', async () => {
  writeFileSync(path.join(top, 'file'), '')
  const source = path.join(top, 'file/x')
  assert.is(expectMessage(await make(source)), `make bind source: ${source}: ENOTDIR (not a directory)`)
})

BindSources('a source whose parents cannot be made is a failure that names it', async () => {
  const source = '/proc/nothing/deep'
  assert.is(
    expectMessage(await make(source)),
    'make bind source: /proc/nothing: ENOENT (no such file or directory)',
  )
})

BindSources.run()
