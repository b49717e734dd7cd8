// Engines beside one another: in one process, in two, and at the end of a process. Many runs at once, and Node's event loop.
import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { cgroupNameOf } from '../../src/adapters/live.ts'
import { createEngine } from '../../src/index.ts'
import { takeCensus } from '../support/census.ts'
import { failure, librarySuite, restingCensus } from '../support/library.ts'
import { assert } from '../support/suite.ts'
import { buildProgram } from './build-program.ts'

const { test, box, scratch, run } = librarySuite('library/engines')
let script = ''

/** What the program said, how it ended, and how long that took. */
const program = async (
  task: object,
): Promise<{ said: Record<string, unknown>[]; code: number | null; ms: number }> => {
  const from = performance.now()
  const all = { root: box().root, rootfs: box().rootfs, ...task }
  const child = spawn(process.execPath, [script, JSON.stringify(all)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let text = ''
  child.stdout.on('data', (chunk) => {
    text += String(chunk)
  })
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
  const said = text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Record<string, unknown>)
  return { said, code, ms: performance.now() - from }
}

test('a process whose containers have ended ends by itself, without being told', async () => {
  script = await buildProgram()
  const { said, code } = await program({ what: 'run' })
  assert.is(said[0]?.stdout, 'hi\n')
  assert.is(code, 0)
})

test('a process waits for a container that runs', async () => {
  const { said, code, ms } = await program({ what: 'hold' })
  assert.equal(said, [{ exitCode: 7 }])
  assert.is(code, 0)
  assert.ok(ms >= 500, `${ms} ms`)
})

test('what is printed of a result is data alone', async () => {
  const { said } = await program({ what: 'run', options: { all: true, timeout: '10s' } })
  const { exit, exitCode, stdout, stderr, all, usage, timings, ...rest } = said[0] as Record<string, object>
  assert.equal(rest, {})
  assert.equal([exit, exitCode, stdout, stderr, all], [{ _tag: 'Exited', code: 0 }, 0, 'hi\n', '', 'hi\n'])
  const numbers = { ...usage, ...timings, steps: 0 }
  assert.equal(
    Object.values(numbers).filter((value) => typeof value !== 'number'),
    [],
  )
  const { steps } = timings as unknown as { steps: { step: string; durationUs: number; side: string }[] }
  assert.ok(steps.length > 20)
  assert.ok(steps.every(({ durationUs, side }) => durationUs >= 0 && /^(engine|beside|child)$/.test(side)))
})

test('two processes share one root', async () => {
  const storm = { what: 'storm', count: 40 }
  const [one, two] = await Promise.all([program(storm), program(storm)])
  assert.equal([one.said, two.said], [[{ wrong: 0 }], [{ wrong: 0 }]])
  assert.equal([one.code, two.code], [0, 0])
})

test('a container of another process is seen, and its name is taken', async () => {
  const other = createEngine({ root: box().root })
  const running = await other.start({ rootfs: box().rootfs }, ['sleep', '600'], { name: 'theirs' })
  assert.is((await box().engine.list()).find(({ name }) => name === 'theirs')?.pid, running.pid)
  const taken = await failure(box().engine.start({ rootfs: box().rootfs }, ['true'], { name: 'theirs' }))
  assert.is(taken.message, `the name "theirs" is in use by container ${running.id.slice(0, 12)}`)
  await other.close()
  assert.equal(await box().engine.list(), [])
})

test('the last engine of a root of its own takes its cgroup directories along, one that has company does not', async () => {
  const root = scratch('alone')
  const left = (): readonly string[] =>
    takeCensus({ directories: [root], cgroup: cgroupNameOf(root) }).cgroups
  const [first, last] = [createEngine({ root }), createEngine({ root })]
  for (const engine of [first, last]) await engine.run({ rootfs: box().rootfs }, ['true'])
  assert.ok(left().length > 0)
  await first.close()
  assert.is((await last.run({ rootfs: box().rootfs }, ['true'])).exitCode, 0)
  await last.close()
  assert.equal(left(), [])
})

test('twenty private engines live side by side in one process, without a warning', async () => {
  const warnings: Error[] = []
  const note = (warning: Error): void => void warnings.push(warning)
  process.on('warning', note)
  const engines = Array.from({ length: 20 }, (_, i) => createEngine({ root: `${box().root}-${i}` }))
  const image = { rootfs: box().rootfs }
  const held = await Promise.all(
    engines.map((engine, i) => engine.start(image, ['sleep', '600'], { name: 'same', hostname: `box${i}` })),
  )
  const listed = await Promise.all(engines.map((engine) => engine.list()))
  assert.equal(
    listed.map(([only, ...more]) => [only?.id, more.length]),
    held.map(({ id }) => [id, 0]),
  )
  await Promise.all(engines.map((engine) => engine.close()))
  await new Promise((resolve) => setImmediate(resolve))
  process.off('warning', note)
  assert.equal(warnings, [])
})

test('a hundred runs at once are each their own, and leave nothing', async () => {
  const image = { rootfs: box().rootfs }
  await box().engine.run(image, ['true'])
  const before = await restingCensus(box())
  const delay = monitorEventLoopDelay({ resolution: 1 })
  delay.enable()
  const results = await Promise.all(
    Array.from({ length: 100 }, (_, i) =>
      box().engine.run(image, ['sh', '-c', 'cat; echo "$N" >&2; exit "$N"'], {
        stdin: `in ${i}`,
        env: { N: `${i}` },
      }),
    ),
  )
  delay.disable()
  assert.equal(
    results.map(({ stdout, stderr, exitCode }) => [stdout, stderr, exitCode]),
    results.map((_, i) => [`in ${i}`, `${i}\n`, i]),
  )
  console.log(`event loop: longest delay ${(delay.max / 1e6).toFixed(1)} ms over 100 runs at once`)
  assert.equal(await box().unchanged(before), [])
})

test('the event loop turns while a start waits for a slow one', async () => {
  let turns = 0
  const turning = setInterval(() => turns++, 1)
  const result = await box().engine.run({ rootfs: box().rootfs }, ['sleep', '0.3'])
  clearInterval(turning)
  assert.is(result.exitCode, 0)
  assert.ok(turns > 50, `${turns} turns in 300 ms`)
})

test('an engine in a place that cannot be written to says so, and another one works', async () => {
  const error = await failure(createEngine({ root: '/proc/slipway' }).list())
  assert.match(error.message, /^mkdir: \/proc\/slipway: ENOENT/)
  writeFileSync(scratch('file'), '')
  const inTheWay = await failure(createEngine({ root: scratch('file') }).list())
  assert.is(inTheWay.message, `mkdir: ${scratch('file')}/run: ENOTDIR (not a directory)`)
  const wrong = await failure(createEngine({ roots: '/x' } as object).list())
  assert.is(wrong.message, 'roots: "/x": no such option; did you mean root?')

  assert.is((await box().engine.run({ rootfs: box().rootfs }, ['true'])).exitCode, 0)
})

run()
