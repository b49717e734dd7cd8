// Verbs on a few names from several processes at once, chosen at random: what they answer, and what is there in the end, is what a pure model
// allows in some order, and what the kernel says. A failure prints its seed and its trace, as short as it could be made:
// `SLIPWAY_LIFE_SEED=…` gives the same histories, `SLIPWAY_LIFE_TRACE='…'` that one, twenty times; `SLIPWAY_LIFE_HISTORIES` how many.
import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface, type Interface } from 'node:readline'
import fc from 'fast-check'
import { cgroupNameOf } from '../../src/adapters/live.ts'
import { statusOf } from '../../src/model/container-status.ts'
import { bundleProgram } from '../support/bundle.ts'
import { librarySuite } from '../support/library.ts'
import type { LifeOp, LifeResult, PlainVerb } from '../support/life-model.ts'
import { untruths } from '../support/life-truth.ts'
import { isPossible, type Observed } from '../support/linearize.ts'
import { assert } from '../support/suite.ts'

const { test, box, run } = librarySuite('engine/life')
const SEED = Number(process.env.SLIPWAY_LIFE_SEED ?? Math.floor(Math.random() * 2 ** 31))
const HISTORIES = Number(process.env.SLIPWAY_LIFE_HISTORIES ?? 200)
const TRACE = process.env.SLIPWAY_LIFE_TRACE
const PROCESSES = 3
/** A history that failed once may need luck to fail again. */
const TRIES = 6
const MIB = 2 ** 20

/** What each process does, one after the other. */
type Trace = readonly (readonly LifeOp[])[]

const name = fc.constantFrom('red', 'blue')
const memory = fc.constantFrom(64 * MIB, 80 * MIB)
const plain = (...verbs: readonly PlainVerb[]): fc.Arbitrary<LifeOp> =>
  fc.record({ verb: fc.constantFrom(...verbs), name })
const common: readonly fc.WeightedArbitrary<LifeOp>[] = [
  { weight: 4, arbitrary: fc.record({ verb: fc.constant('create' as const), name, memory }) },
  { weight: 6, arbitrary: plain('start') },
  { weight: 9, arbitrary: plain('stop', 'restart', 'kill') },
  { weight: 6, arbitrary: plain('remove', 'removeByForce') },
  { weight: 5, arbitrary: plain('inspect', 'attach') },
  { weight: 3, arbitrary: fc.record({ verb: fc.constant('rename' as const), name, to: name }) },
  { weight: 2, arbitrary: fc.record({ verb: fc.constant('update' as const), name, memory }) },
]
/** What is executed in one that is paused may have to wait for its end: not in one history. */
const traces = fc.constantFrom(plain('pause', 'pause', 'unpause'), plain('exec')).chain((special) =>
  fc.array(fc.array(fc.oneof(...common, { weight: 6, arbitrary: special }), { minLength: 2, maxLength: 5 }), {
    minLength: PROCESSES,
    maxLength: PROCESSES,
  }),
)

interface Worker {
  readonly child: ChildProcess
  readonly ask: (op: LifeOp) => Promise<LifeResult>
}
const startWorker = (script: string): Worker => {
  const child = spawn(process.execPath, [script, box().root, box().rootfs], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const lines: Interface = createInterface({ input: child.stdout as NodeJS.ReadableStream })
  let answer = (_: LifeResult): void => {}
  let fail = (_: Error): void => {}
  child.on('exit', () => fail(new Error('a process of the test ended')))
  lines.on('line', (line) => answer(JSON.parse(line) as LifeResult))
  return {
    child,
    ask: (op) =>
      new Promise((resolve, reject) => {
        answer = resolve
        fail = reject
        child.stdin?.write(`${JSON.stringify(op)}\n`)
      }),
  }
}

const observed = async ({ ask }: Worker, ops: readonly LifeOp[]): Promise<readonly Observed[]> => {
  const history: Observed[] = []
  for (const op of ops) {
    const askedMs = performance.now()
    const result = await ask(op)
    history.push({ op, result, askedMs, answeredMs: performance.now() })
  }
  return history
}

/** Undefined where all is well. Nothing is left afterwards. */
const wrongWith = async (workers: readonly Worker[], trace: Trace): Promise<string | undefined> => {
  const { engine, root } = box()
  const seen = await Promise.all(workers.map((worker, index) => observed(worker, trace[index] ?? [])))
  const history = seen.flat()
  const untrue = await untruths(engine, { root, runtime: `${root}/run`, cgroup: cgroupNameOf(root) })
  const there = await engine.list()
  const inspected = await Promise.all(there.map(({ id }) => engine.containers.inspect(id)))
  const last = inspected
    .map((each) => `${each.document.name}: ${statusOf(each)} ${each.document.options.memory}`)
    .sort()
    .join(', ')
  for (const { id } of there) await engine.remove(id, { force: true })
  if (untrue.length > 0) return untrue.join('\n')
  if (isPossible(history, last)) return undefined
  const lines = seen.map((each) =>
    each.map(({ op, result }) => `${JSON.stringify(op)} → ${result}`).join('\n  '),
  )
  return `no order of these gives these answers and then <${last}>:\n  ${lines.join('\n and\n  ')}`
}

/** One verb less after the other, as long as it still fails. */
const shrunk = async (workers: readonly Worker[], trace: Trace): Promise<Trace> => {
  for (const [lane, ops] of trace.entries())
    for (const at of ops.keys()) {
      const fewer = trace.map((each, other) =>
        other === lane ? each.filter((_, index) => index !== at) : each,
      )
      for (let tries = 0; tries < TRIES; tries++)
        if ((await wrongWith(workers, fewer)) !== undefined) return shrunk(workers, fewer)
    }
  return trace
}

test(`${HISTORIES} histories of ${PROCESSES} processes are possible ones, and the kernel agrees`, async () => {
  console.log(`seed ${SEED}`)
  const script = await bundleProgram('test/engine/life-process.ts')
  const workers = Array.from({ length: PROCESSES }, () => startWorker(script))
  try {
    const chosen: readonly Trace[] =
      TRACE === undefined
        ? fc.sample(traces, { seed: SEED, numRuns: HISTORIES })
        : Array.from({ length: 20 }, () => JSON.parse(TRACE) as Trace)
    for (const trace of chosen) {
      const wrong = await wrongWith(workers, trace)
      if (wrong === undefined) continue
      const least = await shrunk(workers, trace)
      throw new Error(`seed ${SEED}: ${wrong}\nSLIPWAY_LIFE_TRACE='${JSON.stringify(least)}'`)
    }
  } finally {
    for (const { child } of workers) child.stdin?.end()
    await Promise.all(workers.map(({ child }) => new Promise((resolve) => child.once('close', resolve))))
  }
})

const at = (op: LifeOp, result: LifeResult, askedMs: number, answeredMs: number): Observed => ({
  op,
  result,
  askedMs,
  answeredMs,
})
const CREATE: LifeOp = { verb: 'create', name: 'red', memory: 1 }
test('the model tells a right history from a wrong one', async () => {
  const created = at(CREATE, 'ok', 0, 1)
  const both = (askedMs: number, answeredMs: number): Observed[] => [
    created,
    at({ verb: 'start', name: 'red' }, 'ok', 2, 9),
    at({ verb: 'remove', name: 'red' }, 'ok', askedMs, answeredMs),
  ]
  assert.ok(isPossible([created], 'red: created 1'))
  assert.not.ok(isPossible([created], 'red: running 1'))
  assert.not.ok(isPossible([created, at(CREATE, 'ok', 2, 3)], 'red: created 1'))
  assert.ok(isPossible([created, at(CREATE, 'NameInUse', 2, 3)], 'red: created 1'))
  // Before the start or not at all: a container that runs is not removed.
  assert.not.ok(isPossible(both(3, 8), 'red: running 1'))
  assert.not.ok(isPossible(both(10, 11), ''))
  assert.ok(
    isPossible(
      [
        created,
        at({ verb: 'start', name: 'red' }, 'ContainerNotFound', 2, 9),
        at({ verb: 'remove', name: 'red' }, 'ok', 3, 8),
      ],
      '',
    ),
  )
})
run()
