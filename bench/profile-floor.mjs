// `node bench/profile-floor.mjs [shape] [--runs 500] [--top 40]`: what each operation of the child costs, without any engine around.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { buildTools } from './build.mjs'
import { makeFloor } from './drivers/floor.mjs'
import { shapeNamed } from './shapes.mjs'
import { enterPrivateMounts, makeStage } from './stage.mjs'
import { percentile } from './statistics.mjs'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    runs: { type: 'string', default: '500' },
    top: { type: 'string', default: '40' },
    storage: { type: 'string' },
  },
})

const BODY_BYTES = 40

/** An operation that was skipped has no stamp and took no time. */
const durations = (stamps) => {
  let last = 0
  return stamps.map((stamp) => {
    const took = stamp === 0 ? 0 : stamp - last
    if (stamp !== 0) last = stamp
    return took
  })
}

/** Microseconds of each operation in each run: `rows[run][operation]`. */
const readProfiles = (bytes) => {
  const rows = []
  for (let at = 0; at + BODY_BYTES <= bytes.length; ) {
    const [startNs, endNs, start, end] = [0, 8, 16, 24].map((offset) =>
      Number(bytes.readBigUInt64LE(at + offset)),
    )
    const count = bytes.readUInt32LE(at + 36)
    const usPerTick = (endNs - startNs) / 1000 / (end - start)
    const stamps = Array.from(
      { length: count },
      (_, index) => bytes.readUInt32LE(at + BODY_BYTES + 4 * index) * usPerTick,
    )
    rows.push(durations(stamps))
    at += BODY_BYTES + 4 * count
  }
  return rows
}

const sumOf = (numbers) => numbers.reduce((sum, value) => sum + value, 0)

/** Operations of one step on one thing are summed up; the tenth percentile is least disturbed by other work. */
const summarise = (rows, infos) => {
  const groups = new Map()
  infos.forEach(({ step, path: what }, index) => {
    const name = `${step} ${(what ?? '').replace(/[0-9a-f]{12,64}/g, 'ID')}`.slice(0, 80)
    groups.set(name, [...(groups.get(name) ?? []), index])
  })
  return [...groups].map(([name, indices]) => {
    const costs = rows.map((row) => sumOf(indices.map((index) => row[index] ?? 0))).sort((a, b) => a - b)
    return { name, calls: indices.length, low: percentile(costs, 0.1), median: percentile(costs, 0.5) }
  })
}

enterPrivateMounts()
const stage = makeStage({ ...buildTools(), ...(values.storage && { storage: values.storage }) })
try {
  const shape = shapeNamed(positionals[0] ?? 'all')
  const [program, helper] = makeFloor(stage, shape, ['-DPROFILE'])
  const { infos } = JSON.parse(
    readFileSync(path.join(stage.dir, `floor-cold-${shape.name}/recording.json`), 'utf8'),
  )
  const { stderr } = spawnSync(program, [helper], {
    input: 'g'.repeat(Number(values.runs)),
    maxBuffer: 1 << 30,
  })
  const rows = readProfiles(stderr).filter((row) => row.length <= infos.length)
  const steps = summarise(rows, infos).sort((a, b) => b.low - a.low)
  console.log(
    `${rows.length} runs; all operations together: ${sumOf(steps.map(({ low }) => low)).toFixed(0)} µs (p10 of each)`,
  )
  console.log('   p10 µs   p50 µs calls step')
  for (const { name, calls, low, median } of steps.slice(0, Number(values.top))) {
    console.log(
      `${low.toFixed(1).padStart(9)}${median.toFixed(1).padStart(9)}${String(calls).padStart(6)} ${name}`,
    )
  }
} finally {
  stage.dispose()
}
