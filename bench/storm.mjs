// `node bench/storm.mjs [--sequential 2000] [--parallel 8] [--each 250]`: many containers, then a census. Fails on any leak.
import { parseArgs } from 'node:util'
import { buildTools, importSource } from './build.mjs'
import { shapeNamed } from './shapes.mjs'
import { enterPrivateMounts, makeStage } from './stage.mjs'

const { values } = parseArgs({
  options: {
    sequential: { type: 'string', default: '2000' },
    parallel: { type: 'string', default: '8' },
    each: { type: 'string', default: '250' },
    storage: { type: 'string', default: 'ext4-loop' },
  },
})

/** Runs `count` containers one after the other; failures are counted, not thrown. */
const lane = async (box, count, failures) => {
  for (let index = 0; index < count; index++) {
    try {
      await box.run()
    } catch (error) {
      failures.push(String(error?.message ?? error))
    }
  }
}

const storm = async (box, { lanes, each }) => {
  const failures = []
  const begin = performance.now()
  await Promise.all(Array.from({ length: lanes }, () => lane(box, each, failures)))
  const seconds = (performance.now() - begin) / 1000
  return { runs: lanes * each, failures, seconds, perSecond: (lanes * each) / seconds }
}

const report = (name, result, differences) => {
  const { runs, failures, seconds, perSecond } = result
  console.log(
    `${name}: ${runs} runs in ${seconds.toFixed(2)} s, ${perSecond.toFixed(0)} per second, ${failures.length} failed, ${differences.length} left behind`,
  )
  for (const line of [...new Set(failures)].slice(0, 5)) console.log(`  failed: ${line}`)
  for (const line of differences.slice(0, 20)) console.log(`  ${line}`)
  return failures.length + differences.length
}

/** The storms of one engine, each between two censuses; returns how many things went wrong. */
const storms = async (stage, { takeCensus, settledDifferences, censusCounts }) => {
  const { openShape, scopeOf } = await import('./drivers/slipway-shape.mjs')
  const box = await openShape(stage.dir, shapeNamed('all'))
  await box.run() // what an engine makes once is there from now on
  const scope = await scopeOf(box)
  await new Promise((resolve) => setTimeout(resolve, 200))
  const before = takeCensus(scope)
  console.log('before:', JSON.stringify(censusCounts(before)))
  let wrong = 0
  for (const [name, lanes, each] of [
    ['sequential', 1, Number(values.sequential)],
    [`parallel by ${values.parallel}`, Number(values.parallel), Number(values.each)],
  ]) {
    const result = await storm(box, { lanes, each })
    wrong += report(name, result, await settledDifferences(scope, before, 10_000))
  }
  console.log('after: ', JSON.stringify(censusCounts(takeCensus(scope))))
  await box.close()
  return wrong
}

enterPrivateMounts()
const stage = makeStage({ ...buildTools(), storage: values.storage })
let wrong = 1
try {
  wrong = await storms(stage, await importSource('test/support/census.ts'))
} finally {
  stage.dispose()
}
process.exit(wrong === 0 ? 0 : 1)
