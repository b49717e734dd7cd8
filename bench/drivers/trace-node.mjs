// Starts to be traced, each between two marks: failing calls of access(2). Arguments: stage directory, shape as JSON, both marks,
// how many starts, `cold` or `pool`.
import { accessSync } from 'node:fs'
import { NOTHING_AHEAD, openPool, openShape, rightOf } from './slipway-shape.mjs'

/** What earlier starts left for later is done by then. */
const QUIET_MS = 300
/** More than are started: none has to be made in between. */
const SIZE = { min: 12, max: 12 }

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds))
const mark = (name) => {
  try {
    accessSync(name)
  } catch {} // it is the call that counts
}

const [stageDir, shape, begin, end, starts, kind] = process.argv.slice(2)
const box = await openShape(stageDir, JSON.parse(shape), NOTHING_AHEAD)

const fromPool = async () => {
  const pool = await openPool(box, SIZE)
  const full = async () => {
    while (pool.stats().waiting < SIZE.min) await pause(10)
    await pause(QUIET_MS)
  }
  const run = async () => {
    const { exitCode } = rightOf(await pool.run(['/true'], { stdout: 'ignore', stderr: 'ignore' })())
    if (exitCode !== 0 || pool.stats().misses > 0) throw new Error(`exit code ${exitCode}, or an empty pool`)
  }
  return { full, run }
}

const cold = { full: () => pause(QUIET_MS), run: () => box.run() }
const { full, run } = kind === 'pool' ? await fromPool() : cold

// The first starts of an engine also make what is there ever after.
for (let start = 0; start < 2; start++) await run()
for (let start = 0; start < Number(starts); start++) {
  await full()
  mark(begin)
  await run()
  mark(end)
}
await box.close()
