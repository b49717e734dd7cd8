// Resident driver: many containers in one go. Arguments: stage directory, shape as JSON, how many, how many at a time. It reports the
// time until the last one has ended, and answers when nothing of them is left.
import { growTo, serve } from './resident.mjs'
import { openShape, rightOf } from './slipway-shape.mjs'

const WARM_UP_RUNS = 300

const [stageDir, shape, count, lanes] = process.argv.slice(2)
const held = growTo(40)
const { engine, image, options } = await openShape(stageDir, JSON.parse(shape))

const one = async (removals) => {
  const container = rightOf(await engine.start(image, ['/true'], options)())
  removals.push(container.removed)
  const { exitCode } = await container.exit
  if (exitCode !== 0) throw new Error(`exit code ${exitCode}`)
}

const batch = async (total, atATime) => {
  const removals = []
  const begin = process.hrtime.bigint()
  let left = total
  const lane = async () => {
    while (left-- > 0) await one(removals)
  }
  await Promise.all(Array.from({ length: atATime }, lane))
  const ended = process.hrtime.bigint() - begin
  await Promise.all(removals)
  return ended
}

await batch(WARM_UP_RUNS, 4)
serve(() => batch(Number(count), Number(lanes)))
process.on('exit', () => held.length) // the memory stays reachable to the end
