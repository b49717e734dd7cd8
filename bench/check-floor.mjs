// `node bench/check-floor.mjs [shape...]`: the floor makes exactly the system calls slipway's own start makes. Uses strace.
import { buildTools } from './build.mjs'
import { makeFloor } from './drivers/floor.mjs'
import { floorCalls, isStart, partsOf, tracedStarts } from './floor/calls.mjs'
import { differences, nameOf, normalised } from './floor/trace.mjs'
import { shapeNamed, shapes } from './shapes.mjs'
import { enterPrivateMounts, makeStage } from './stage.mjs'

/**
 * The page in which a start tells how far it has come, so that one that is killed names its step: a descriptor that survives
 * the helper's exec, two words of its arguments, and a mapping. It is what slipway adds to its floor.
 */
const withoutProgress = (child) => {
  const kept = child.findIndex(({ text }) => /^fcntl\(\d+, F_SETFD, 0\)/.test(text))
  return child
    .filter((call, index) => index !== kept && nameOf(call) !== 'mmap')
    .map((call) => ({
      ...call,
      text: call.text.replace(/(\["slipway-init", "\d+"), "\d+", "\d+"\]/, '$1]'),
    }))
}

const compare = (title, slipway, floor) => {
  const rows = differences(slipway.map(normalised), floor.map(normalised))
  console.log(`  ${title}: slipway ${slipway.length} calls, floor ${floor.length}, ${rows.length} differ`)
  for (const { call, left, right } of rows)
    console.log(`    slipway ${left} × floor ${right} × ${call.slice(0, 160)}`)
  return rows.length
}

const checkShape = (stage, shape) => {
  const floor = floorCalls(stage, makeFloor(stage, shape))
  const [slipway] = tracedStarts(stage, shape).map(partsOf)
  console.log(`${shape.name}`)
  return (
    compare('engine', slipway.engine.filter(isStart), floor.engine.filter(isStart)) +
    compare('second thread', slipway.beside.filter(isStart), floor.beside.filter(isStart)) +
    compare('child', withoutProgress(slipway.child), floor.child)
  )
}

enterPrivateMounts()
const names = process.argv.slice(2)
const wanted = names.length > 0 ? names.map(shapeNamed) : shapes.filter(({ mount }) => mount)
const stage = makeStage(buildTools())
let wrong = 0
try {
  for (const shape of wanted) wrong += checkShape(stage, shape)
} finally {
  stage.dispose()
}
console.log(wrong === 0 ? 'the floor makes the same system calls' : `${wrong} kinds of call differ`)
process.exit(wrong === 0 ? 0 : 1)
