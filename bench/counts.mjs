// `node bench/counts.mjs [--write]`: how long the launch path is, in system calls, operations and instructions. Fails unless it is as
// bench/counts.json says; --write makes that file anew. Root, strace and valgrind are needed.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { buildTools, projectRoot } from './build.mjs'
import { heldCapabilities, MASKED, READONLY } from './bundle.mjs'
import {
  changedTexts,
  changesBetween,
  countCold,
  countFired,
  countPrograms,
  flattened,
  leastOf,
} from './counting.mjs'
import { recordStart } from './drivers/floor.mjs'
import { tracedStarts } from './floor/calls.mjs'
import { countInstructions, tools } from './instructions.mjs'
import { shapeNamed, shapes } from './shapes.mjs'
import { enterPrivateMounts, makeStage } from './stage.mjs'

const FILE = path.join(projectRoot, 'bench/counts.json')
const STARTS = 5
/** Of a count of instructions: a compiler's version says much about it, but not all. */
const TOLERANCE = 0.02

/** They differ from one machine or boot to the next, and no plan depends on them. */
const NO_MATTER = ['bootId', 'kernelRelease', 'cpus', 'memoryBytes', 'nofileHard']

/** What the length of a start depends on besides the code: HostFacts, what this process may do, and which paths there are to mask. */
const hostOf = (stage) => {
  const { facts } = JSON.parse(readFileSync(path.join(stage.run, 'slipway/facts.json'), 'utf8'))
  const counting = Object.entries(facts).filter(([name]) => !NO_MATTER.includes(name))
  return {
    ...flattened(Object.fromEntries(counting)),
    capabilities: String(heldCapabilities().length),
    protectedFromOom: String(Number(readFileSync('/proc/self/oom_score_adj', 'utf8')) < 0),
    masked: MASKED.filter(existsSync).join(' '),
    readonly: READONLY.filter(existsSync).join(' '),
  }
}

const environmentOf = (stage) => ({
  host: hostOf(stage),
  node: { version: process.version },
  tools: tools() ?? { counter: 'not installed' },
})

const countShape = (stage, shape) => ({
  ...leastOf(tracedStarts(stage, shape, { count: STARTS }).map(countCold)),
  ...countPrograms(recordStart(stage, shape), shape),
})

const countPool = (stage, shape) =>
  leastOf(tracedStarts(stage, shape, { count: STARTS, kind: 'pool' }).map(countFired))

/** Every thing that is counted: `count` makes its numbers anew, `needs` names the parts of the environment they depend on. */
const thingsOf = (stage) => {
  const all = shapeNamed('all')
  const calls = (name, count) => ({ name, count, needs: ['host', 'node'], tolerance: 0 })
  const instructions = () => countInstructions(stage, recordStart(stage, all))
  return [
    ...shapes
      .filter(({ mount }) => mount)
      .map((shape) => calls(`cold ${shape.name}`, () => countShape(stage, shape))),
    calls('pool all', () => countPool(stage, all)),
    { name: 'instructions all', count: instructions, needs: ['host', 'tools'], tolerance: TOLERANCE },
  ]
}

const sums = (counts) =>
  Object.entries(counts)
    .map(([part, numbers]) => `${part} ${numbers.total ?? Object.values(numbers).reduce((a, b) => a + b, 0)}`)
    .join(', ')

/** Why what is on file says nothing about this machine; empty where it does. */
const reasonToSkip = ({ needs }, recorded, here) =>
  needs
    .flatMap((part) => changedTexts(recorded[part], here[part]))
    .map(({ name, before, now }) => `recorded where ${name} is ${before}, here it is ${now}`)
    .join('; ')

const word = ({ recorded, now }) =>
  now > recorded ? 'more' : 'fewer: if that is meant, node bench/counts.mjs --write'

/** What an engine does by the clock, e.g. a pool's looks at the host, may fall into one count; a change is there in each. */
const TRIES = 3
const steadyChanges = (thing, recorded) => {
  for (let tries = 1; ; tries++) {
    const counts = thing.count()
    const changes = changesBetween(recorded, counts, thing.tolerance)
    if (changes.length === 0 || tries === TRIES) return { counts, changes }
  }
}

/** `passed`, `failed` or `skipped`, told on standard output. */
const check = (thing, recorded, reason) => {
  if (reason !== '') {
    console.log(`skip ${thing.name}: ${reason}`)
    return 'skipped'
  }
  const { counts, changes } = steadyChanges(thing, recorded)
  console.log(`${changes.length === 0 ? 'ok  ' : 'FAIL'} ${thing.name}: ${sums(counts)}`)
  for (const change of changes)
    console.log(
      `     ${thing.name}: ${change.name}: ${change.now}, recorded ${change.recorded}: ${word(change)}`,
    )
  return changes.length === 0 ? 'passed' : 'failed'
}

const write = (things, environment) => {
  const counted = things.map(({ name, count }) => {
    const counts = count()
    console.log(`${name}: ${sums(counts)}`)
    return [name, counts]
  })
  writeFileSync(FILE, `${JSON.stringify({ environment, counts: Object.fromEntries(counted) }, null, 2)}\n`)
}

const compare = (things, environment) => {
  const recorded = JSON.parse(readFileSync(FILE, 'utf8'))
  const results = things.map((thing) =>
    check(thing, recorded.counts[thing.name], reasonToSkip(thing, recorded.environment, environment)),
  )
  const gone = Object.keys(recorded.counts).filter((name) => things.every((thing) => thing.name !== name))
  for (const name of gone) console.log(`FAIL ${name}: recorded, and no such thing is counted`)
  const count = (result) => results.filter((one) => one === result).length
  const failed = count('failed') + gone.length
  const skipped = count('skipped') > 0 ? `, ${count('skipped')} skipped` : ''
  console.log(`${count('passed')} passed, ${failed} failed${skipped}`)
  return failed
}

const { values } = parseArgs({ options: { write: { type: 'boolean', default: false } } })
enterPrivateMounts()
process.env.TMPDIR = '/tmp' // paths are part of a plan: equally long ones everywhere
const stage = makeStage(buildTools())
let failed = 0
try {
  recordStart(stage, shapeNamed('all')) // and the facts of this host are on file
  const [things, environment] = [thingsOf(stage), environmentOf(stage)]
  if (values.write) write(things, environment)
  else failed = compare(things, environment)
} finally {
  stage.dispose()
}
process.exit(failed === 0 ? 0 : 1)
