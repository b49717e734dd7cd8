// Resident driver: starts from a pool of sandboxes made ahead. Arguments: stage directory, shape as JSON, MiB resident, `exit` or
// `exec`: until when, `ignore` or `pipe` for the payload's output, `half` for sandboxes without a root.
import { growTo, serve } from './resident.mjs'
import { openPool, openShape, rightOf } from './slipway-shape.mjs'

const WARM_UP_RUNS = 300
/** More than a block of runs takes, so that no measured start has to make its sandbox. */
const SIZE = { min: 12, max: 12 }

const [stageDir, shape, megabytes, until, output, half] = process.argv.slice(2)
const held = growTo(Number(megabytes))
const box = await openShape(stageDir, JSON.parse(shape))
const pool = await openPool(box, SIZE, half === 'half')
const own = { stdout: output, stderr: output, ...(half === 'half' ? { image: box.image } : {}) }

const work = async () => {
  const begin = process.hrtime.bigint()
  const { exitCode, timings } = rightOf(await pool.run(['/true'], own)())
  const took = process.hrtime.bigint() - begin
  if (exitCode !== 0) throw new Error(`exit code ${exitCode}`)
  if (pool.stats().misses > 0) throw new Error('the pool was empty')
  return until === 'exec' ? BigInt(Math.round(timings.toExecMs * 1e6)) : took
}
const full = async () => {
  while (pool.stats().waiting < SIZE.min) await new Promise((resolve) => setTimeout(resolve, 1))
}

for (let run = 0; run < WARM_UP_RUNS; run++) {
  await full()
  await work()
}
await full()
serve(work)
process.on('exit', () => held.length) // the memory stays reachable to the end
