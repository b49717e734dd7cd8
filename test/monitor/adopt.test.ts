// A monitor that is killed at any moment: the container goes on, and another one takes its place.
import { execFileSync } from 'node:child_process'
import {
  appendFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import type { MonitorState } from '../../src/model/monitor-state.ts'
import { lacking } from '../support/needs.ts'
import { assert, suite } from '../support/suite.ts'
import { type Driver, endContainer, type Monitor, openDriver, type Wanted } from './driver.ts'
import { bytesOf, COMPACT, JSON_FILE, jsonOf, textOf } from './logs.ts'

const Adopt = suite('monitor/adopt')
Adopt.requires('root', 'program:busybox')

let driver: Driver
Adopt.before(() => {
  driver = openDriver()
  // Whoever reads it waits until somebody writes.
  execFileSync('mkfifo', [path.join(driver.rootfs, 'work', 'gate')])
})
Adopt.after(() => driver.close())

/** Writes numbered lines until it is told to stop. */
const COUNTS = 'trap "echo last; exit 4" TERM; i=0; while :; do i=$((i+1)); echo $i; done'
const WAITS = 'trap "exit 4" TERM; echo ready; while :; do sleep 0.02; done'

const killed = async (monitor: Monitor): Promise<void> => {
  monitor.kill()
  assert.equal(await monitor.ended(), { signal: 9 })
}

/** A container that runs without its monitor, which was killed once it had read `said`. */
const orphaned = async (
  script: string,
  { said, ...wanted }: Wanted & { readonly said?: string } = {},
): Promise<{ readonly first: Monitor; readonly before: MonitorState }> => {
  const first = driver.start(script, wanted)
  const before = await first.client.state('running')
  if (said !== undefined) await first.client.reads('stdout', said)
  await killed(first)
  return { first, before }
}

const successor = (old: Monitor, { pid, begunMs, restarts }: MonitorState, wanted: Wanted = {}): Monitor =>
  driver.adopt(old, WAITS, { ...wanted, adopts: { pid, begunMs, restarts } })

Adopt('the container lives on, and its end is recorded by the next monitor', async () => {
  const { first, before } = await orphaned(WAITS, { said: 'ready' })
  const second = successor(first, before)
  const state = await second.client.state('running')
  assert.equal([state.pid, state.startTime, state.begunMs], [before.pid, before.startTime, before.begunMs])
  assert.is(await second.client.ask({ _tag: 'Stop', signal: 15 }), 0)
  const exit = await second.client.exit()
  assert.is(exit.exitCode, 4)
  assert.ok(exit.stopped)
  assert.is(exit.begunMs, before.begunMs)
  assert.equal(second.record(), exit)
  assert.equal(await second.ended(), { code: 0 })
  assert.equal(readdirSync(second.runDirectory), ['lock'])
  assert.equal(
    second.groups.filter((group) => existsSync(group)),
    [],
  )
})

Adopt('one that ended while nobody was there has its record, too', async () => {
  const { first, before } = await orphaned('read x </work/gate; exit 6')
  const pidfd = driver.pidfdOf(before.pid)
  process.kill(before.pid, 'SIGKILL')
  await driver.eventually('its end', () => !existsSync(`/proc/${before.pid}`))
  const second = driver.adopt(first, WAITS, {
    adopts: { pid: before.pid, begunMs: before.begunMs, restarts: 0 },
    pidfd,
  })
  const exit = await second.client.exit()
  assert.is(exit.exitCode, lacking('linux:6.15') === undefined ? 137 : -1)
  assert.equal(await second.ended(), { code: 0 })
})

Adopt('its restart policy goes on counting', async () => {
  const { first, before } = await orphaned(WAITS, { said: 'ready' })
  const second = successor(
    first,
    { ...before, restarts: 1 },
    {
      restart: { kind: 'on-failure', maximumRetries: 2, firstMs: 1, longestMs: 1, settledMs: 100_000 },
    },
  )
  await second.client.state('running')
  assert.is(await second.client.ask({ _tag: 'Signal', signal: 9 }), 0)
  assert.is((await second.client.exit()).restarts, 1)
  const again = await second.client.state('running')
  assert.is(again.restarts, 2)
  assert.is.not(again.pid, before.pid)
  await second.client.reads('stdout', 'ready')
  assert.is(await second.client.ask({ _tag: 'Signal', signal: 15 }), 0)
  assert.is((await second.client.exit()).exitCode, 4)
  await second.client.state('stopped')
})

const numbersIn = (text: string): readonly number[] =>
  text
    .split('\n')
    .filter((line) => line !== '' && line !== 'last')
    .map(Number)

for (const form of [COMPACT, JSON_FILE])
  Adopt(`${form.kind}: however often a monitor is killed, no line is lost`, async () => {
    const log = { ...form, maxBytes: 200_000, maxFiles: 100_000 }
    let monitor = driver.start(COUNTS, { log })
    const state = await monitor.client.state('running')
    for (let round = 0; round < 12; round++) {
      // At whatever it is doing then.
      await new Promise((resolve) => setTimeout(resolve, 3 * round))
      await killed(monitor)
      monitor = successor(monitor, state, { log })
      await monitor.client.state('running')
    }
    assert.is(await monitor.client.ask({ _tag: 'Stop', signal: 15 }), 0)
    await monitor.client.exit()
    const text = textOf(form.kind, monitor.log, 'stdout')
    assert.ok(text.endsWith('\nlast\n'))
    const numbers = numbersIn(text)
    if (form === JSON_FILE) {
      // A line that was in the log and had not left the FIFO is there twice.
      const jumps = numbers.filter((number, index) => index > 0 && number > (numbers[index - 1] ?? 0) + 1)
      assert.equal(jumps, [])
    } else {
      assert.equal(numbers.filter((number, index) => number !== index + 1).slice(0, 5), [])
    }
    assert.ok(numbers.length > 100)
  })

for (const request of [
  { _tag: 'Stop', signal: 15 },
  { _tag: 'Signal', signal: 15 },
] as const) {
  Adopt(`${request._tag}, asked for before the monitor is there, is done as at any time`, async () => {
    const { first, before } = await orphaned(WAITS, { said: 'ready' })
    const second = successor(first, before)
    assert.is(await second.client.ask(request), 0)
    const exit = await second.client.exit()
    assert.equal([exit.exitCode, exit.signal, exit.stopped], [4, undefined, request._tag === 'Stop'])
  })
}

Adopt('a record that was cut short is repaired, and the log goes on behind it', async () => {
  const { first, before } = await orphaned('echo one; read x </work/gate', { said: 'one' })
  const segment = path.join(first.log, '00000001')
  const size = statSync(segment).size
  // As one that was killed between the bytes and their size.
  const head = Buffer.alloc(16)
  head.writeUInt8(2, 4)
  head.writeBigInt64LE(BigInt(Date.now()) * 1_000_000n, 8)
  appendFileSync(segment, Buffer.concat([head, Buffer.from('cut short')]))
  const second = successor(first, before)
  await second.client.state('running')
  assert.is(bytesOf(second.log, 'stderr').toString(), 'cut short')
  await killed(second)
  // And one whose head alone was written.
  appendFileSync(segment, head)
  const third = successor(second, before)
  await third.client.state('running')
  assert.is(statSync(segment).size, size + 16 + 9)
  assert.is(bytesOf(third.log, 'stdout').toString(), 'one\n')
  await endContainer(third.client)
})

Adopt('a line that was cut short is written anew', async () => {
  const first = driver.start('echo one; read x </work/gate', { log: JSON_FILE })
  const before = await first.client.state('running')
  await driver.eventually('a line', () => jsonOf(first.log, 'stdout') === 'one\n')
  await killed(first)
  const segment = path.join(first.log, '00000001')
  const size = statSync(segment).size
  appendFileSync(segment, '{"log":"tw')
  const second = successor(first, before, { log: JSON_FILE })
  await second.client.state('running')
  assert.is(statSync(segment).size, size)
  await endContainer(second.client)
})

Adopt('a log of the other form is left as it is', async () => {
  const { first, before } = await orphaned('echo one; read x </work/gate; echo two', { said: 'one' })
  const segment = path.join(first.log, '00000001')
  const bytes = readFileSync(segment)
  const second = successor(first, before, { log: JSON_FILE })
  await second.client.state('running')
  writeFileSync(path.join(driver.rootfs, 'work', 'gate'), '\n', { flag: 'r+' })
  await second.client.exit()
  assert.equal(readFileSync(segment), bytes)
  assert.match(readFileSync(path.join(second.log, '00000002'), 'utf8'), /^\{"log":"two\\n"/)
})

Adopt('a segment that lost its end with the power is cut where it is no log any more', async () => {
  const { first, before } = await orphaned('echo one; read x </work/gate', { said: 'one' })
  const segment = path.join(first.log, '00000001')
  const size = statSync(segment).size
  let last = first
  for (const zeros of [9, 4096, 400_000]) {
    appendFileSync(segment, Buffer.alloc(zeros))
    last = successor(last, before)
    await last.client.state('running')
    assert.is(statSync(segment).size, size)
    await killed(last)
  }
  truncateSync(segment, 0)
  const third = successor(last, before)
  await third.client.state('running')
  await endContainer(third.client)
  assert.is(bytesOf(third.log, 'stdout').length, 0)
})

Adopt('a terminal hangs up with its monitor: who reads it has come to its end', async () => {
  const { before } = await orphaned('cat', { change: { process: { terminal: true } } })
  await driver.eventually('its end', () => !existsSync(`/proc/${before.pid}`))
})

Adopt('one that does not care for its terminal is adopted without it', async () => {
  const change = { process: { terminal: true } }
  const { first, before } = await orphaned('trap "" HUP; while :; do sleep 0.02; done', { change })
  const second = successor(first, before, { change })
  await second.client.state('running')
  await endContainer(second.client)
})

/** As the next command does: who runs is adopted, and what never came to run is killed by its groups. */
const takeOver = async (old: Monitor, wanted: Wanted): Promise<Monitor | undefined> => {
  const state = driver.stateOf(old)
  if (state?.status === 'running' && driver.isAlive(state.pid)) return successor(old, state, wanted)
  await driver.removeGroups(old)
  return undefined
}

Adopt(
  'killed at any moment of a start, a run or an end, it leaves nothing that the next command does not find',
  async () => {
    for (let round = 0; round < 40; round++) {
      const monitor = driver.start('echo one; echo two; exit 3')
      // A start takes some milliseconds, and so does an end.
      await new Promise((resolve) => setTimeout(resolve, round))
      monitor.kill()
      await monitor.ended()
      const next = await takeOver(monitor, {})
      if (next !== undefined) {
        await next.client.exit()
        assert.equal(await next.ended(), { code: 0 })
        // A program that ends while nobody has the other end takes with it what is in its FIFOs.
        assert.ok('one\ntwo\n'.startsWith(bytesOf(next.log, 'stdout').toString()))
      }
      await driver.eventually('nothing of it is alive', () => driver.helpersOf(monitor).length === 0)
      assert.equal(
        monitor.groups.filter((group) => existsSync(group)),
        [],
      )
      // Another one may begin in the same place.
      const again = driver.restart(monitor, 'exit 4')
      assert.is((await again.client.exit()).exitCode, 4)
      assert.equal(await again.ended(), { code: 0 })
    }
  },
)

Adopt.run()
