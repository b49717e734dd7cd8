// Makes one start of a shape and writes its recording to standard output. Arguments: stage directory, shape as JSON.
import { recordStarts } from '../floor/record.mjs'

const [stageDir, shape] = process.argv.slice(2)
const recordings = []
recordStarts((recording) => recordings.push(recording))
const { openShape, stepsOf } = await import('./slipway-shape.mjs') // only now: the hook has to be there when the addon is loaded
const box = await openShape(stageDir, JSON.parse(shape))
await box.run()
await box.run() // the first start of an engine also makes directories that are there ever after
const infos = await stepsOf(box)
process.stdout.write(JSON.stringify({ ...recordings.at(-1), infos }))
// Without a close: the last engine of a root takes its cgroup directories along, and the floor works in them.
