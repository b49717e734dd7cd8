// `node bench/compare.mjs A B [--rounds N] [--shape NAME] [--pool] [--json FILE]`: is a start of commit B faster than one of commit A?
// A revision of git, or `.` for the working tree. One resident driver of each, taking turns in one run.
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { buildTools, projectRoot } from './build.mjs'
import { environment } from './environment.mjs'
import { measure } from './measure.mjs'
import { shapeNamed, shapes } from './shapes.mjs'
import { CompareError, makeSide } from './sides.mjs'
import { enterPrivateMounts, makeStage } from './stage.mjs'
import { ms } from './statistics.mjs'
import { pText, rangeText, verdictOf } from './verdict.mjs'

const USAGE = 'usage: node bench/compare.mjs A B [--rounds N] [--shape NAME] [--pool] [--json FILE]'
/**
 * Two processes of one program differ a little for as long as they live, e.g. by where things came to lie in memory. So both are
 * started anew several times, and sides take turns in what else could matter: who is first, and which stage is whose.
 */
const ROUNDS_EACH = 24
const sessionsOf = (rounds) => Math.max(2, Math.floor(rounds / ROUNDS_EACH))
const LEAST_ROUNDS = 4
/** A pool has 12 sandboxes, and makes new ones only when it has been left alone for a moment. */
const COLD = { block: 5, gapUs: 1000 }
const POOL = { block: 5, gapUs: 3000 }

const wrong = (why) => {
  throw new CompareError(`compare: read arguments: ${why}\n${USAGE}`)
}

const parsed = (args) => {
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: {
        rounds: { type: 'string', default: '240' },
        shape: { type: 'string', default: 'all' },
        pool: { type: 'boolean', default: false },
        json: { type: 'string' },
      },
    })
  } catch (error) {
    return wrong(error.message)
  }
}

const readArguments = (args) => {
  const { values, positionals } = parsed(args)
  if (positionals.length !== 2) wrong(`two revisions are compared, not ${positionals.length}`)
  const rounds = Number(values.rounds)
  if (!Number.isInteger(rounds) || rounds < LEAST_ROUNDS)
    wrong(`--rounds ${values.rounds}: not a whole number from ${LEAST_ROUNDS} on`)
  const shape = shapeNamed(values.shape)
  const names = shapes.filter(({ mount }) => mount).map(({ name }) => name)
  if (!shape?.mount) wrong(`--shape ${values.shape}: not one of ${names.join(', ')}`)
  return { revisions: positionals, rounds, shape, pool: values.pool, json: values.json }
}

/** The driver comes from the side's own checkout: it speaks that commit's interface. */
const driverOf = async (side, stage, { shape, pool, block }) => {
  const drivers = await import(pathToFileURL(path.join(side.folder, 'bench/drivers/node.mjs')).href)
  const make = pool ? drivers.poolDriver : drivers.slipwayDriver
  if (make === undefined) throw new CompareError(`compare: find driver: ${side.label}: it knows no pools`)
  return make(stage, shape, { name: side.name, block })
}

const turned = (list, session) => (session % 2 === 0 ? list : list.toReversed())

const measureSession = async (sides, stages, session, { shape, pool, rounds }) => {
  const { block, gapUs } = pool ? POOL : COLD
  const drivers = await Promise.all(
    sides.map((side, index) => driverOf(side, turned(stages, session)[index], { shape, pool, block })),
  )
  const { a, b } = measure(stages[0], turned(drivers, session), {
    rounds: Math.ceil(rounds / sessionsOf(rounds)),
    gapUs,
  })
  return { a: a.inside, b: b.inside }
}

const measured = async (sides, options) => {
  // Stores of their own: two commits may not agree about what lies in one.
  const stages = []
  const sessions = []
  try {
    for (const _ of sides) stages.push(makeStage(buildTools()))
    while (sessions.length < sessionsOf(options.rounds))
      sessions.push(await measureSession(sides, stages, sessions.length, options))
    return sessions
  } finally {
    for (const stage of stages.reverse()) stage.dispose()
  }
}

const sideLine = (name, { count, min, p50, p95 }, label) =>
  `${name}  p50 ${ms(p50)}  min ${ms(min)}  p95 ${ms(p95)} ms  ${count} starts  ${label}`

const millis = ({ estimate, low, high }) => {
  const [middle, from, to] = [estimate, low, high].map((ns) => (ns / 1e6).toFixed(3))
  return `${middle} ms (${from} to ${to})`
}

const told = ({ a, b, ratio, rounds, sessions, verdict }, [labelA, labelB]) =>
  [
    sideLine('A', a, labelA),
    sideLine('B', b, labelB),
    `B ÷ A, medians of all starts: ${ratio.toFixed(3)}`,
    `${rounds.count} rounds: shift ${millis(rounds.shiftNs)}, B faster in ${(100 * rounds.smaller).toFixed(0)} % of all pairs, rank test ${pText(rounds.p)}`,
    `${sessions.count} sessions: shift ${(100 * sessions.shift.estimate).toFixed(1)} % (between ${rangeText(sessions.shift)} with ${(100 * sessions.shift.certainty).toFixed(0)} % certainty), signed-rank test ${pText(sessions.p)}`,
    verdict,
  ].join('\n')

const compare = async (options) => {
  const sides = options.revisions.map((revision, index) => ({
    name: 'ab'[index],
    ...makeSide(projectRoot, revision),
  }))
  const sessions = await measured(sides, options)
  const { block } = options.pool ? POOL : COLD
  const result = verdictOf(sessions, block)
  const labels = sides.map(({ label }) => label)
  console.log(told(result, labels))
  if (options.json === undefined) return
  const file = {
    environment: environment(projectRoot, 'ext4-loop'),
    sides: sides.map(({ label, commit }) => ({ label, commit })),
    shape: options.shape.name,
    pool: options.pool,
    block,
    result,
    sessions,
  }
  writeFileSync(options.json, `${JSON.stringify(file)}\n`)
}

try {
  const options = readArguments(process.argv.slice(2))
  enterPrivateMounts()
  await compare(options)
} catch (error) {
  if (!(error instanceof CompareError)) throw error
  console.error(error.message)
  process.exitCode = 2
}
