// One start between two marks, to be traced: the marks are failing calls of access(2). Arguments: stage directory, shape as JSON.
import { accessSync } from 'node:fs'
import { openShape } from './slipway-shape.mjs'

const mark = (name) => {
  try {
    accessSync(name)
  } catch {} // it is the call that counts
}

const [stageDir, shape, begin, end] = process.argv.slice(2)
const box = await openShape(stageDir, JSON.parse(shape))
await box.run()
await box.run()
await new Promise((resolve) => setTimeout(resolve, 300)) // what the earlier runs left for later is done
mark(begin)
await box.run()
mark(end)
await box.close()
