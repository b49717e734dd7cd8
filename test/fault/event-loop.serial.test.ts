// Node's event loop through starts, failures, kills and teardown: no turn is longer than an idle loop's by more than 2 ms.
import { closeSync, openSync, readSync } from 'node:fs'
import { type PerformanceEntry, PerformanceObserver } from 'node:perf_hooks'
import type { SlipwayError } from '../../src/index.ts'
import { engineNeeds } from '../support/engine.ts'
import { lacking } from '../support/needs.ts'
import { assert, suite } from '../support/suite.ts'
import { type FaultBox, openFaultBox, type Shape } from './shapes.ts'

const Loop = suite('fault/event-loop')
const reason = engineNeeds() ?? lacking(`file:/proc/self/task/${process.pid}/schedstat`)
let box: FaultBox
Loop.before(async () => {
  if (reason === undefined) box = await openFaultBox()
})
Loop.after(async () => {
  if (reason === undefined) await box.close()
})
const test = (name: string, body: () => Promise<void>): void => {
  if (reason === undefined) Loop(name, body)
  else Loop.skip(name, reason)
}

const WINDOWS = 21
const LANES = 4
const ALLOWED_MS = 2

interface Clock {
  /** performance.now() */
  readonly now: number
  /** On a CPU, and ready to run without one, in milliseconds (proc_pid_schedstat(5)). */
  readonly ranMs: number
  readonly waitedMs: number
  /** How often this thread has gone to sleep. */
  readonly sleeps: number
}

const buffer = Buffer.alloc(4096)
const textOf = (fd: number): string => buffer.toString('latin1', 0, readSync(fd, buffer, 0, buffer.length, 0))
const readClock = (schedstat: number, status: number): Clock => {
  const [ran, waited] = textOf(schedstat).split(' ')
  const sleeps = Number(/^voluntary_ctxt_switches:\s*(\d+)/m.exec(textOf(status))?.[1])
  return { now: performance.now(), ranMs: Number(ran) / 1e6, waitedMs: Number(waited) / 1e6, sleeps }
}

interface Turn {
  readonly begin: number
  readonly end: number
  readonly ms: number
}

/**
 * What a turn took by its own doing: its time without that in which the machine was busy elsewhere. One that never slept
 * took what it ran: the rest is the hypervisor's.
 */
const turnOf = (before: Clock, after: Clock): Turn => {
  const ranMs = after.ranMs - before.ranMs
  const aloneMs = after.now - before.now - (after.waitedMs - before.waitedMs)
  return { begin: before.now, end: after.now, ms: after.sleeps === before.sleeps ? ranMs : aloneMs }
}

/**
 * Lengths of the loop's turns while `work` goes on, in milliseconds: without V8's collections, too, which wait for helper
 * threads that are as short of a CPU.
 */
const turnsDuring = async (work: () => Promise<unknown>): Promise<readonly number[]> => {
  const turns: Turn[] = []
  const collections: PerformanceEntry[] = []
  const observer = new PerformanceObserver((list) => collections.push(...list.getEntries()))
  observer.observe({ entryTypes: ['gc'] })
  const own = `/proc/self/task/${process.pid}`
  const [schedstat, status] = [openSync(`${own}/schedstat`, 'r'), openSync(`${own}/status`, 'r')]
  let last = readClock(schedstat, status)
  let over = false
  const turn = (): void => {
    const now = readClock(schedstat, status)
    turns.push(turnOf(last, now))
    last = now
    if (!over) setImmediate(turn)
  }
  setImmediate(turn)
  await work()
  over = true
  // Entries arrive in a later turn.
  await new Promise((resolve) => setTimeout(resolve, 20))
  observer.disconnect()
  closeSync(schedstat)
  closeSync(status)
  return turns.map((each) => (each.ms > 1 ? withoutCollections(each, collections) : each.ms))
}

const withoutCollections = (turn: Turn, collections: readonly PerformanceEntry[]): number =>
  collections
    .filter(({ startTime }) => startTime >= turn.begin && startTime < turn.end)
    .reduce((ms, { duration }) => Math.max(0, ms - duration), turn.ms)

const sorted = (values: readonly number[]): readonly number[] => [...values].sort((a, b) => a - b)
const quantile = (values: readonly number[], part: number): number =>
  sorted(values)[Math.min(values.length - 1, Math.floor(values.length * part))] ?? 0
const median = (values: readonly number[]): number => quantile(values, 0.5)

/** One container of each kind of ending: by itself, killed, out of time, and three that never start. */
const mixture = async (shape: Shape): Promise<void> => {
  const start = (argv: readonly string[], options: object = {}) =>
    box.engine.start(shape.image, argv, { ...shape.options, ...options })
  const ends = async (argv: readonly string[]): Promise<void> => {
    const container = await start(argv)
    if (argv[0] === 'sleep') container.kill(9)
    await container.exit
    await container.removed
  }
  const fails = async (tag: string, argv: readonly string[], options: object = {}): Promise<void> => {
    const error = await start(argv, options).then(
      () => undefined,
      (thrown: SlipwayError) => thrown.error,
    )
    assert.is(error?._tag, tag)
  }
  await ends(['true'])
  await ends(['sleep', '60'])
  await fails('CommandNotFound', ['no-such-command'])
  const missing = { type: 'bind', source: '/no/such/source', target: '/x' }
  await fails('SyscallFailed', ['true'], { mounts: [missing] })
  await fails('Cancelled', ['true'], { signal: AbortSignal.abort(new Error('never')) })
}

const storm = (shape: Shape) => (): Promise<unknown> =>
  Promise.all(Array.from({ length: LANES }, () => mixture(shape)))

for (const name of [
  "Docker's default on image layers",
  'in the namespaces of the host, behind a small init',
]) {
  test(`${name}: the longest turn of a storm is that of an idle loop, give or take ${ALLOWED_MS} ms`, async () => {
    const shape = box.shape(name)
    // Plans are made and JavaScript is compiled once for a shape.
    for (let round = 0; round < 10; round++) await storm(shape)()
    const idle: (readonly number[])[] = []
    const busy: (readonly number[])[] = []
    for (let window = 0; window < WINDOWS; window++) {
      const from = performance.now()
      busy.push(await turnsDuring(storm(shape)))
      const tookMs = performance.now() - from
      idle.push(await turnsDuring(() => new Promise((resolve) => setTimeout(resolve, tookMs))))
    }
    const worst = (windows: readonly (readonly number[])[]): number[] =>
      windows.map((turns) => turns.reduce((longest, each) => Math.max(longest, each), 0))
    const line = (windows: readonly (readonly number[])[]): string => {
      const all = windows.flat()
      const [p99, max] = [quantile(all, 0.99), Math.max(...worst(windows))]
      return `median of the windows' longest ${median(worst(windows)).toFixed(2)} ms, p99 ${p99.toFixed(3)} ms, longest ${max.toFixed(2)} ms`
    }
    console.log(
      `${name}, ${WINDOWS} windows of ${LANES * 5} starts\n  busy: ${line(busy)}\n  idle: ${line(idle)}`,
    )
    const beyond = median(worst(busy)) - median(worst(idle))
    assert.ok(beyond <= ALLOWED_MS, `${beyond.toFixed(2)} ms beyond an idle loop`)
  })
}

Loop.run()
