// Makes one start of a shape and writes its recording to standard output. Arguments: stage directory, shape as JSON, and `pool` for
// a start from a pool.
import { recordStarts } from '../floor/record.mjs'

const [stageDir, shape, kind] = process.argv.slice(2)
const recordings = []
recordStarts((recording) => recordings.push(recording))
const { NOTHING_AHEAD, openShape, startsFromPool, stepsOf } = await import('./slipway-shape.mjs') // only now: the hook has to be there when the addon is loaded
const box = await openShape(stageDir, JSON.parse(shape), NOTHING_AHEAD)
const run = kind === 'pool' ? await startsFromPool(box) : box.run
await run()
await run() // the first start of an engine also makes directories that are there ever after
const recording = recordings.findLast(({ fireFiles }) => (kind === 'pool') === (fireFiles !== undefined))
const infos = kind === 'pool' ? undefined : await stepsOf(box)
process.stdout.write(JSON.stringify({ ...recording, infos }))
// Without a close: the last engine of a root takes its cgroup directories along, and the floor works in them.
