// One lane of the storm: whole lives of containers, one after the other, each step told before it is taken. Whoever reads that kills
// this process at any moment. Arguments: directory of the state, bundle, name of the lane, number of the first cycle, and how many.
import { readFileSync, writeSync } from 'node:fs'
import path from 'node:path'
import { openRuntime } from '../../dist/runtime.js'

const [root, bundle, group, lane, first, count] = process.argv.slice(2)
const runtime = openRuntime({ root })
const SILENT = { stdin: 'ignore', stdout: 'ignore', stderr: 'ignore' }
const document = JSON.parse(readFileSync(path.join(bundle, 'config.json'), 'utf8'))

const tell = (text) => writeSync(1, `${text}\n`)
const expect = (what, found, ...wanted) => {
  if (!wanted.includes(found)) throw new Error(`${what}: ${found}, wanted ${wanted.join(' or ')}`)
}
const status = async (id) => (await runtime.state(id)).status
const failure = (promise) =>
  promise.then(
    () => 'no failure',
    ({ error }) => error._tag,
  )
/** A program that ends, or one that stays until it is killed. */
const specOf = (id, stays) => ({
  ...document,
  process: { ...document.process, args: stays ? ['/bin/busybox', 'sleep', '100000'] : ['/true'] },
  linux: { ...document.linux, cgroupsPath: `${group}/${id}` },
})

const lives = {
  /** create, start, the wait for the end, delete. */
  whole: async (id) => {
    const { exit } = await runtime.create(id, bundle, { ...SILENT, spec: specOf(id, false) })
    expect('after create', await status(id), 'created')
    tell(`start ${id}`)
    await runtime.start(id)
    tell(`wait ${id}`)
    expect('exit code', await exit, 0)
    expect('after the end', await status(id), 'stopped')
  },
  /** One that stays, with another process in it, frozen for a moment, and killed. */
  stays: async (id) => {
    const { exit } = await runtime.create(id, bundle, { ...SILENT, spec: specOf(id, true) })
    tell(`start ${id}`)
    await runtime.start(id)
    expect('after start', await status(id), 'running')
    tell(`exec ${id}`)
    expect('exit code of exec', await (await runtime.exec(id, ['/true'], SILENT)).exit, 0)
    tell(`pause ${id}`)
    await runtime.pause(id)
    expect('after pause', await status(id), 'paused')
    await runtime.resume(id)
    tell(`kill ${id}`)
    await runtime.kill(id, 'KILL')
    expect('exit code', await exit, 137)
    expect('after the kill', await status(id), 'stopped')
  },
  /** Its first process is killed while it waits for `start`. */
  unborn: async (id) => {
    const { pid, exit } = await runtime.create(id, bundle, { ...SILENT, spec: specOf(id, false) })
    tell(`kill ${id}`)
    process.kill(pid, 'SIGKILL')
    await exit
    expect('after the kill', await status(id), 'stopped')
    expect('start of a dead one', await failure(runtime.start(id)), 'WrongStatus')
  },
}
/** Three whole lives, then one of the others in turn. */
const lifeOf = (cycle) => (cycle % 8 === 7 ? lives.unborn : cycle % 8 === 3 ? lives.stays : lives.whole)

for (let cycle = Number(first); cycle < Number(first) + Number(count); cycle++) {
  const id = `${lane}-${cycle}`
  tell(`create ${id}`)
  await lifeOf(cycle)(id)
  tell(`delete ${id}`)
  await runtime.delete(id)
  expect('after delete', await failure(runtime.state(id)), 'ContainerNotFound')
  tell(`done ${id}`)
}
tell('end')
process.exit(0)
