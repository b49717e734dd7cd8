// The addon's own watching of descriptors, which hosts without libuv depend on: here in Node, where it can be sanitized.
import { once } from 'node:events'
import path from 'node:path'
import { Worker } from 'node:worker_threads'
import { loadAddon } from '../../src/native/load.ts'
import { until } from '../support/library.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('native/channel')
const EAGAIN = -11
const EPIPE = -32
const EPERM = 1
const addon = loadAddon()
const file = JSON.stringify(process.env.SLIPWAY_ADDON ?? path.resolve('build/Release/slipway.node'))

type Told = (readonly [readable: boolean, writable: boolean])[]
const pipe = (reads: boolean): readonly [number, number] => {
  const ends = addon.pipe(reads, 0)
  if (typeof ends === 'number') throw new Error(`no pipe: ${ends}`)
  return ends
}
const channel = (fd: number) => {
  const told: Told = []
  return { told, on: new addon.Channel(fd, (readable, writable) => told.push([readable, writable])) }
}
const close = (...fds: readonly number[]): void => addon.closeFds(Int32Array.from(fds))
const nothingComes = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 30))

test('this host can be watched from a thread', () => {
  assert.ok(addon.watchDescriptors(true))
})

test('each wait is answered once, when there is something', async () => {
  const [theirs, mine] = [...pipe(true)].reverse() as [number, number]
  const { told, on } = channel(mine)
  const buffer = Buffer.alloc(8)
  assert.is(on.read(buffer), EAGAIN)
  assert.is(on.wait(false), 0)
  await nothingComes()
  assert.equal(told, [])
  assert.is(addon.writeFd(theirs, Buffer.from('hello')), 5)
  await until('it is told', () => told.length > 0)
  assert.is(on.read(buffer), 5)
  addon.writeFd(theirs, Buffer.from('more'))
  await nothingComes()
  assert.equal(told, [[true, false]], 'nobody waits')
  assert.is(on.wait(false), 0)
  await until('it is told again', () => told.length === 2)
  assert.is(buffer.toString('utf8', 0, on.read(buffer)), 'more')
  on.wait(false)
  close(theirs)
  await until('the end is told', () => told.length === 3)
  assert.is(on.read(buffer), 0)
  on.close()
  close(mine)
})

test('a full pipe can be waited for, and one that nobody reads is an error and no signal', async () => {
  const [theirs, mine] = pipe(false)
  const { told, on } = channel(mine)
  const bytes = Buffer.alloc(1 << 20)
  assert.is(on.write(bytes), 64 << 10)
  assert.is(on.write(bytes), EAGAIN)
  on.wait(true)
  await nothingComes()
  assert.equal(told, [])
  close(theirs)
  await until('it is told', () => told.length === 1)
  assert.equal(told, [[false, true]])
  assert.is(on.write(bytes), EPIPE)
  assert.is(addon.writeFd(mine, bytes), EPIPE)
  on.close()
  close(mine)
})

test('what is closed is never told, though its descriptor number lives on', async () => {
  const [mine, theirs] = pipe(true)
  const first = channel(mine)
  first.on.wait(false)
  addon.writeFd(theirs, Buffer.from('x'))
  first.on.close()
  const second = channel(mine)
  second.on.wait(false)
  await until('the other one is told', () => second.told.length === 1)
  await nothingComes()
  assert.equal(first.told, [])
  assert.is.not(first.on.wait(false), 0)
  second.on.close()
  close(mine, theirs)
})

test('a file that cannot be watched is an error', async () => {
  const { openSync, closeSync } = await import('node:fs')
  const fd = openSync(process.execPath, 'r')
  const { on } = channel(fd)
  assert.is(on.wait(false), EPERM)
  on.close()
  closeSync(fd)
})

test('a worker thread that is terminated while it waits takes its thread along', async () => {
  const { readdirSync } = await import('node:fs')
  const threads = (): number => readdirSync('/proc/self/task').length
  const code = `
    const module_ = { exports: {} }
    process.dlopen(module_, ${file})
    const { Channel, pipe, watchDescriptors } = module_.exports
    watchDescriptors(true)
    const [mine] = pipe(true, 0)
    new Channel(mine, () => {}).wait(false)
    require('node:worker_threads').parentPort.postMessage('waits')`
  const terminated = async (): Promise<void> => {
    const worker = new Worker(code, { eval: true })
    await once(worker, 'message')
    await worker.terminate()
  }
  await terminated()
  const before = threads()
  for (let round = 0; round < 5; round++) await terminated()
  await until('no thread is left', () => threads() <= before)
})

test.run()
