// The network namespace that is made before the start that gets it: as fresh as one made for it, for one container, and gone with the engine.
import { readlinkSync } from 'node:fs'
import { NetworksAhead } from '../../src/adapters/networks-ahead.ts'
import { createEngine, type Engine } from '../../src/index.ts'
import type { Addon, Execution } from '../../src/native/addon.ts'
import { heldNetworks } from '../support/census.ts'
import { librarySuite, restingCensus, until } from '../support/library.ts'
import { assert } from '../support/suite.ts'

const { test, box, run } = librarySuite('library/networks-ahead')

const image = () => ({ rootfs: box().rootfs })
const LOOK = `cat /proc/net/dev | wc -l; ls /sys/class/net; cat /sys/class/net/lo/operstate
ip addr show lo | awk '/inet /{print $2}'; ip addr add 10.9.8.7/32 dev lo`
const makesOne = (steps: readonly { readonly side: string; readonly step: string }[]): boolean =>
  steps.some(({ side, step }) => side === 'beside' && step === 'open network namespace')

const withEngine = async (count: number, body: (engine: Engine) => Promise<void>): Promise<void> => {
  const engine = createEngine({ root: `${box().root}-ahead-${count}`, networksAhead: count })
  try {
    await body(engine)
  } finally {
    await engine.close()
  }
}

test('each container gets a fresh one, made for it or before it', () =>
  withEngine(2, async (engine) => {
    const before = heldNetworks().length
    const security = { capAdd: ['NET_ADMIN'] }
    for (let i = 0; i < 6; i++) {
      const { stdout, timings } = await engine.run(image(), ['sh', '-c', LOOK], { security })
      assert.is(stdout, '3\nlo\nunknown\n127.0.0.1/8\n', 'lo is up, and there is nothing of the one before')
      assert.is(makesOne(timings.steps), i === 0, 'the first start makes its own')
      await until('two are ready', () => heldNetworks().length - before === 2)
    }
  }))

test('many at once make their own where none is ready, and no more are kept than was asked for', () =>
  withEngine(2, async (engine) => {
    const before = heldNetworks().length
    const quiet = { stdout: 'ignore', stderr: 'ignore' } as const
    const started = Array.from({ length: 20 }, () => engine.start(image(), ['sleep', '60'], quiet))
    const running = await Promise.all(started)
    const own = running.map(({ pid }) => readlinkSync(`/proc/${pid}/ns/net`))
    assert.is(new Set([...own, readlinkSync('/proc/self/ns/net')]).size, 21)
    for (const container of running) container.kill('SIGKILL')
    await Promise.all(running.map(({ removed }) => removed))
    await until('two are ready', () => heldNetworks().length - before === 2)
  }))

test('none is made for a start without one of its own, nor where none is wanted', async () => {
  await withEngine(1, async (engine) => {
    const before = heldNetworks().length
    await engine.run(image(), ['true'], { network: 'host' })
    await engine.run(image(), ['true'], { network: 'host' })
    assert.is(heldNetworks().length, before)
  })
  await withEngine(0, async (engine) => {
    for (let i = 0; i < 3; i++) assert.ok(makesOne((await engine.run(image(), ['true'])).timings.steps))
    assert.is(heldNetworks().length, 0)
  })
})

test('one that is ready goes with a start that fails or is aborted, and with the engine', async () => {
  await box().engine.run(image(), ['true'])
  const resting = await restingCensus(box())
  await withEngine(1, async (engine) => {
    await engine.run(image(), ['true'])
    await until('one is ready', () => heldNetworks().length === 1)
    await engine.run(image(), ['nowhere']).catch(() => {})
    await engine.run(image(), ['true'], { signal: AbortSignal.abort() }).catch(() => {})
    await engine.run(image(), ['true'], { timeout: 1 }).catch(() => {})
    await until('one is ready again', () => heldNetworks().length === 1)
  })
  assert.is(heldNetworks().length, 0)
  assert.equal(await box().unchanged(resting), [])
})

/** An addon that makes namespaces when it is told to; descriptors are numbers. */
const fakeAddon = () => {
  const asked: ((result: Execution) => void)[] = []
  const closed: number[] = []
  let next = 100
  const answer = (ok: boolean): void =>
    asked.shift()?.({
      ok,
      op: 0,
      errno: ok ? 0 : 12,
      data: Buffer.alloc(0),
      slots: Float64Array.of(-1, next++),
    })
  const addon = {
    executeInNetwork: (_plan: Uint8Array, _slots: Int32Array, done: (result: Execution) => void) => {
      asked.push(done)
      return () => {}
    },
    closeFds: (fds: Int32Array) => closed.push(...fds),
    letGo: () => {},
  }
  return { addon: addon as unknown as Addon, asked, closed, answer }
}

test('one that is old is not used, one that could not be made is not missed, one that comes too late is closed', async () => {
  const { addon, asked, closed, answer } = fakeAddon()
  const networks = new NetworksAhead(addon, 'x64', 1)
  const told = () => new Promise((resolve) => setImmediate(resolve))
  assert.is(networks.take(), -1)
  networks.refill()
  networks.refill()
  assert.is(asked.length, 1, 'one at a time, and no more than wanted')
  answer(true)
  await told()
  const now = Date.now
  try {
    Date.now = () => now() + 11 * 60 * 1000
    assert.is(networks.take(), -1)
  } finally {
    Date.now = now
  }
  assert.equal(closed, [100])
  networks.refill()
  answer(true)
  await told()
  assert.is(networks.take(), 101)
  networks.refill()
  const closing = networks.close()
  answer(true)
  await closing
  assert.equal(closed, [100, 102])
  networks.refill()
  assert.is(asked.length, 0)
})

test('one that cannot be made is asked for again by the next start, not before', async () => {
  const { addon, asked, answer } = fakeAddon()
  const networks = new NetworksAhead(addon, 'x64', 1)
  networks.refill()
  answer(false)
  await new Promise((resolve) => setImmediate(resolve))
  assert.is(asked.length, 0)
  assert.is(networks.take(), -1)
  networks.refill()
  assert.is(asked.length, 1)
})

run()
