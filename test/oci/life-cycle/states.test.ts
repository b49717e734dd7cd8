// From create to delete: what a container is at each instant, and which operations its status refuses.
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { assert, suite } from '../../support/suite.ts'
import { type Box, NEEDS, openBox, PEERS, until } from './support.ts'

const test = suite('oci/life-cycle/states')
test.requires(...NEEDS)

let box: Box
test.before(() => {
  box = openBox()
})
test.after(() => box.close())

/** A program that says that it has run. */
const witness = () => {
  const file = path.join(box.rootfs, 'work', 'ran')
  rmSync(file, { force: true })
  return { args: ['sh', '-c', 'echo yes > /work/ran; exec sleep 1000'], hasRun: () => existsSync(file) }
}

test('a container is created, running, stopped and gone', async () => {
  const { args, hasRun } = witness()
  const id = await box.created({ args, more: { annotations: { 'com.example.key': 'value' } } })
  const created = await box.state(id)
  assert.is(created.status, 'created')
  assert.equal(created.annotations, { 'com.example.key': 'value' })
  assert.ok(existsSync(`/proc/${created.pid}`))
  assert.not(hasRun())
  await box.ok('start', id)
  await until('the program runs', () => hasRun() || undefined)
  const running = await box.state(id)
  assert.equal([running.status, running.pid], ['running', created.pid])
  await box.ok('kill', id, 'KILL')
  const stopped = await box.untilStatus(id, 'stopped')
  assert.is(stopped.pid, 0)
  await box.ok('delete', id)
  assert.equal(box.left(id), [])
})

test('a created container can be killed and deleted, and its program never runs', async () => {
  const { args, hasRun } = witness()
  const id = await box.created({ args })
  await box.ok('kill', id, 'KILL')
  await box.untilStatus(id, 'stopped')
  await box.ok('delete', id)
  assert.not(hasRun())
  assert.equal(box.left(id), [])
})

test('a created container can be deleted at once', async () => {
  const id = await box.created()
  await box.ok('delete', id)
  assert.equal(box.left(id), [])
})

test('what runs is deleted by force only', async () => {
  const id = await box.started()
  const { code, err } = await box.call(['delete', id])
  assert.is(code, 1)
  assert.match(err, /not stopped/)
  assert.is((await box.state(id)).status, 'running')
  await box.gone(id)
})

test('what is paused is deleted by force', async () => {
  const id = await box.started()
  await box.ok('pause', id)
  await box.gone(id)
})

test('an id is taken once, and the first container is untouched', async () => {
  const id = await box.started()
  const before = await box.state(id)
  const { code, err } = await box.call(['create', '--bundle', box.bundle(id), id])
  assert.is(code, 1)
  assert.match(err, /container with given ID already exists/)
  assert.equal(await box.state(id), before)
  assert.is(await box.ok('exec', id, 'echo', 'here'), 'here\n')
  await box.gone(id)
})

test('a container starts once', async () => {
  const id = await box.started()
  const again = await box.call(['start', id])
  assert.is(again.code, 1)
  assert.match(again.err, /container not created: .* is running/)
  await box.ok('kill', id, '9')
  await box.untilStatus(id, 'stopped')
  assert.match((await box.call(['start', id])).err, /is stopped/)
  await box.gone(id)
})

test('exec works in a created container, not in a paused or stopped one', async () => {
  const id = await box.created()
  assert.is(await box.ok('exec', id, 'echo', 'early'), 'early\n')
  await box.ok('start', id)
  await box.ok('pause', id)
  const paused = await box.call(['exec', id, 'true'])
  assert.equal([paused.code, /is paused/.test(paused.err)], [255, true])
  await box.ok('resume', id)
  await box.ok('kill', id, '9')
  await box.untilStatus(id, 'stopped')
  const stopped = await box.call(['exec', id, 'true'])
  assert.equal([stopped.code, /container not running/.test(stopped.err)], [255, true])
  await box.gone(id)
})

test('a program that is not there is told at create, and nothing is left', async () => {
  const id = box.newId()
  const { code, err } = await box.call(['create', '--bundle', box.bundle(id, { args: ['nope'] }), id])
  assert.is(code, 1)
  assert.match(err, /exec: \\?"nope\\?": executable file not found in \$PATH/)
  assert.equal(box.left(id), [])
})

test('a process that has the number of a dead one is never signalled', async () => {
  const id = await box.started()
  const { pid } = await box.state(id)
  const file = path.join(box.root, id, 'state.json')
  const kept = readFileSync(file, 'utf8')
  const { init, ...rest } = JSON.parse(kept)
  assert.is(init.pid, pid)
  writeFileSync(file, JSON.stringify({ ...rest, init: { pid, startTime: init.startTime - 1 } }))
  assert.is((await box.state(id)).status, 'stopped')
  assert.match((await box.call(['kill', id, '9'])).err, /container not running/)
  assert.ok(existsSync(`/proc/${pid}/cgroup`))
  writeFileSync(file, kept)
  assert.is((await box.state(id)).status, 'running')
  await box.gone(id)
})

for (const peer of PEERS) {
  test(`the states are those of ${peer}`, async () => {
    const seen = async (runtime: 'slipway' | typeof peer) => {
      const id = await box.created({}, { runtime })
      const shape = async () => {
        const { status, pid } = await box.state(id, runtime)
        return [status, pid > 0]
      }
      const shapes = [await shape()]
      await box.call(['start', id], { runtime })
      shapes.push(await shape())
      await box.call(['pause', id], { runtime })
      shapes.push(await shape())
      await box.call(['resume', id], { runtime })
      await box.call(['kill', id, 'KILL'], { runtime })
      await until('it ends', () =>
        box.left(id).some((line) => line.startsWith('process')) ? undefined : true,
      )
      shapes.push(await shape())
      const { code } = await box.call(['delete', id], { runtime })
      return [...shapes, code]
    }
    assert.equal(await seen('slipway'), await seen(peer))
  })
}

test.run()
