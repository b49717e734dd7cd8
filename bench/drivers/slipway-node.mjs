// Resident driver: slipway in this process. Arguments: stage directory, shape as JSON, MiB resident, `time` or `stall`,
// `ignore` or `pipe` for the payload's output, `plain` for starts that find nothing made ahead.
import { growTo, longestStall, serve, timed } from './resident.mjs'
import { NOTHING_AHEAD, openShape } from './slipway-shape.mjs'

const WARM_UP_RUNS = 300

const [stageDir, shape, megabytes, what, output, ahead] = process.argv.slice(2)
const held = growTo(Number(megabytes))
const box = await openShape(stageDir, JSON.parse(shape), ahead === 'plain' ? NOTHING_AHEAD : {})

const work = () => box.run({ stdout: output, stderr: output })
// What is measured is a service's start, not its first ones: V8 compiles what has run often enough.
for (let run = 0; run < WARM_UP_RUNS; run++) await work()
serve(() => (what === 'stall' ? longestStall(work) : timed(work)))
process.on('exit', () => held.length) // the memory stays reachable to the end
