// How scopes begin and end: by themselves, by failures, by kill -9 of the runtime.
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { assert, suite } from '../../support/suite.ts'
import { sleepMs, until } from '../life-cycle/support.ts'
import {
  fileOf,
  isThere,
  MANAGER,
  MB,
  openScopes,
  SCOPE_NEEDS,
  type Scopes,
  show,
  unitOf,
} from './support.ts'

const test = suite('oci/systemd/ends')
test.requires(...SCOPE_NEEDS)

let box: Scopes
test.before(() => {
  box = openScopes()
})
test.after(() => box.close())

test('a start that fails leaves no scope', async () => {
  for (const change of [
    { args: ['/no/such/program'] },
    { more: { hooks: { createRuntime: [{ path: '/bin/false' }] } } },
  ]) {
    const id = box.newId()
    const { code, err } = await box.create(id, change)
    assert.is(code, 1, err)
    box.nothingLeft(id)
  }
})

test('pause, resume and the end for lack of memory', async () => {
  const id = await box.scope({
    linux: { resources: { memory: { limit: 16 * MB, swap: 16 * MB } } },
    args: [
      'sh',
      '-c',
      `until [ -e /work/go ]; do sleep 0.1; done; x=${'x'.repeat(16)}; while :; do x=$x$x; done`,
    ],
  })
  await box.ok('start', id)
  await box.ok('pause', id)
  assert.is((await box.state(id)).status, 'paused')
  await box.ok('resume', id)
  writeFileSync(path.join(box.rootfs, 'work/go'), '')
  await box.untilStatus(id, 'stopped')
  // It is not kept as one that failed.
  await until('the scope is gone', () => (isThere(unitOf(id)) ? undefined : true))
  await box.removed(id)
})

test('create may be killed at any moment', async () => {
  const startedMs = Date.now()
  await box.removed(await box.scope())
  const wholeMs = Date.now() - startedMs
  const found = { nothing: 0, container: 0 }
  const tries = 4
  for (let attempt = 0; attempt < tries; attempt++) {
    const id = box.newId()
    const { child, end } = box.begin([...MANAGER, 'create', '--bundle', box.bundleOf(id), id])
    await sleepMs((wholeMs * (attempt + 0.5)) / tries)
    child.kill('SIGKILL')
    await end
    // Whoever had not come to be the container ends with its creator, and the scope with the last of them.
    await sleepMs(500)
    found[isThere(unitOf(id)) ? 'container' : 'nothing']++
    if (isThere(unitOf(id))) assert.is.not(fileOf(id, 'cgroup.procs'), '')
    const { code, err } = await box.call(['delete', '--force', id])
    assert.is(code, 0, err)
    await until(`nothing is left: ${box.left(id).join('; ')}`, () =>
      isThere(unitOf(id)) || box.left(id).length > 0 ? undefined : true,
    )
  }
  console.log('after a killed create:', found)
})

test('without a path it is in system.slice, named after its id; its end is the end of the scope', async () => {
  const id = box.newId()
  const change = { args: ['true'], linux: { cgroupsPath: undefined } }
  await box.ok(...MANAGER, 'create', '--bundle', box.bundle(id, change), id)
  const unit = `slipway-${id}.scope`
  assert.is(show(unit, 'ControlGroup').ControlGroup, `/system.slice/${unit}`)
  await box.ok('start', id)
  await box.untilStatus(id, 'stopped')
  await until('the scope is gone', () => (isThere(unit) ? undefined : true))
  await box.gone(id)
})

test('a unit that is there is refused by the name of the error, and left alone', async () => {
  const first = await box.scope()
  const second = box.newId()
  const path = `slipway-test.slice:life:${first}`
  const { code, err } = await box.create(second, { linux: { cgroupsPath: path } })
  assert.is(code, 1)
  assert.match(err, /systemd: StartTransientUnit: life-.*: org\.freedesktop\.systemd1\.UnitExists: /)
  assert.equal(box.left(second), [])
  assert.is((await box.state(first)).status, 'created')
  await box.removed(first)
})

test('a cgroupsPath of another form is refused', async () => {
  const id = box.newId()
  const { code, err } = await box.create(id, { linux: { cgroupsPath: '/a/b' } })
  assert.is(code, 1)
  assert.match(err, /linux\.cgroupsPath: .*is not of the form slice:prefix:name/)
  assert.equal(box.left(id), [])
})

test.run()
