// Samples -> Markdown tables.
import { barsOf } from './bars.mjs'
import { shapes } from './shapes.mjs'
import { ms, summary } from './statistics.mjs'
import { SIZES_MIB } from './trials/resident-size.mjs'
import { BATCH } from './trials/throughput.mjs'

const FLOOR = 'floor'
const ratio = (ns, base) => (base ? (ns / base).toFixed(ns / base < 10 ? 2 : 0) : '')

const table = (head, rows) =>
  [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')

const versionOf = (text) => /\d+(\.\d+)+[^\s,]*/.exec(text ?? '')?.[0]

const conditions = ({ date, commit, dirty, kernel, cpus, cpu, node, cgroup, storage, load, versions }) => {
  const peers = Object.entries(versions).flatMap(([name, text]) =>
    text ? [`${name} ${versionOf(text)}`] : [],
  )
  return [
    `${date.slice(0, 16)}Z, commit ${commit}${dirty ? ' with changes' : ''}, kernel ${kernel}, ${cpus} × ${cpu}, Node ${node},`,
    `cgroups ${cgroup}, files on ${storage}, load average before ${load}; ${peers.join(', ')}. Milliseconds.`,
  ].join('\n')
}

/** `{ [shape]: { [driver]: { outside, inside? } } }`, summaries of samples filed as `<shape>|<driver>`. */
export const byShape = (samples) => {
  const made = {}
  for (const [key, { outside, inside }] of Object.entries(samples)) {
    const [shape, driver] = key.split('|')
    const row = { outside: summary(outside), ...(inside.length > 0 && { inside: summary(inside) }) }
    made[shape] = { ...made[shape], [driver]: row }
  }
  return made
}

const wholeRow = (floor, [name, { outside, inside }]) => [
  name,
  inside ? ms(inside.p50) : '',
  ...[outside.min, outside.p50, outside.p95, outside.p99].map(ms),
  outside.count,
  ratio(outside.p50, floor),
]

const wholeTable = (drivers) => {
  const floor = drivers[FLOOR]?.outside.p50
  const rows = Object.entries(drivers)
    .sort(([, a], [, b]) => a.outside.p50 - b.outside.p50)
    .map((row) => wholeRow(floor, row))
  return table(
    ["Docker's whole default shape", 'inside p50', 'min', 'p50', 'p95', 'p99', 'runs', '× floor'],
    rows,
  )
}

const matrixTable = (made) => {
  const names = [...new Set(shapes.flatMap(({ name }) => Object.keys(made[name] ?? {})))]
  const columns = names.filter((name) => shapes.filter((shape) => made[shape.name]?.[name]).length > 1)
  const cell = (shape, column) => (made[shape]?.[column] ? ms(made[shape][column].outside.p50) : '')
  const rows = shapes.map(({ name }) => [
    name,
    ...columns.map((column) => cell(name, column)),
    ratio(made[name]?.slipway?.outside.p50 ?? Number.NaN, made[name]?.[FLOOR]?.outside.p50),
  ])
  return table(
    [
      'isolated (each row adds to the one above)',
      ...columns.map((column) => `${column} p50`),
      'slipway ÷ floor',
    ],
    rows,
  )
}

const barsTable = (name, samples) => {
  const bars = barsOf(name, samples)
  const rows = bars.map(({ what, value, limit, sense }) => {
    const met = sense === 'at least' ? value >= limit : value <= limit
    return [what, value.toFixed(2), `${sense} ${limit}`, met ? 'yes' : '**no**']
  })
  return bars.length === 0 ? '' : table(['bar', 'measured', 'wanted', 'met'], rows)
}

const alone = (made) =>
  table(
    ['no isolation', 'inside p50', 'min', 'p50', 'p95', 'p99', 'runs'],
    Object.entries(made.none ?? {}).map((row) => wholeRow(undefined, row).slice(0, -1)),
  )

const launchCold = (samples, environment) => {
  const made = byShape(samples)
  return [
    conditions(environment),
    barsTable('launch-cold', samples),
    wholeTable(made.all),
    matrixTable(made),
    alone(made),
  ]
    .filter(Boolean)
    .join('\n\n')
}

const residentSize = (samples, environment) => {
  const cells = (driver, what) =>
    SIZES_MIB.map((size) => {
      const { p50, p99 } = summary(samples[`${size}|${driver}|${what}`].inside)
      return `${ms(p50)} / ${ms(p99)}`
    })
  const rows = ['slipway', 'child_process.spawn'].flatMap((driver) => [
    [`${driver}: call → exit`, ...cells(driver, 'time')],
    [`${driver}: longest stop of the event loop`, ...cells(driver, 'stall')],
  ])
  const head = ['p50 / p99', ...SIZES_MIB.map((size) => `${size} MiB resident`)]
  return [conditions(environment), barsTable('resident-size', samples), table(head, rows)].join('\n\n')
}

/** One row for each driver, its own times where it tells them. */
const oneTable = (name, title) => (samples, environment) => {
  const rows = Object.entries(samples).map(([driver, { inside, outside }]) => {
    const { min, p50, p95, p99, count } = summary(inside.length > 0 ? inside : outside)
    return [driver, ...[min, p50, p95, p99].map(ms), count]
  })
  const head = [title, 'min', 'p50', 'p95', 'p99', 'runs']
  return [conditions(environment), barsTable(name, samples), table(head, rows)].join('\n\n')
}

const countOf = (name) => (name === ONE ? 1 : Number(/^(\d+) at once$/.exec(name)?.[1] ?? BATCH))
const ONE = 'one call → exit'

const throughput = (samples, environment) => {
  const rows = Object.entries(samples).map(([name, { inside, outside }]) => {
    const count = countOf(name)
    const whole = summary(outside)
    const seen = inside.length > 0 ? ms(summary(inside).p50) : ''
    return [
      name,
      count,
      seen,
      ms(whole.p50),
      ms(whole.p95),
      Math.round((count * 1e9) / whole.p50),
      whole.count,
    ]
  })
  const head = ['containers', 'of one run', 'last ended p50', 'nothing left p50', 'p95', 'per second', 'runs']
  return [conditions(environment), barsTable('throughput', samples), table(head, rows)].join('\n\n')
}

const commandLine = (samples, environment) => {
  const node = summary(samples['node -e 0'].outside).p50
  const rows = Object.entries(samples).map(([name, { outside }]) => {
    const { min, p50, p95, p99, count } = summary(outside)
    return [name, ...[min, p50, p95, p99].map(ms), count, ratio(p50, node)]
  })
  const head = ['whole command', 'min', 'p50', 'p95', 'p99', 'runs', '× node -e 0']
  return [conditions(environment), barsTable('command-line', samples), table(head, rows)]
    .filter(Boolean)
    .join('\n\n')
}

/** The README's short table: whole starts alone. Undefined where the trial was not part of the run. */
export const readmeTable = ({ trials, environment }) => {
  const { all } = trials['launch-cold'] === undefined ? {} : byShape(trials['launch-cold'])
  if (all === undefined) return undefined
  const rows = Object.entries(all)
    .sort(([, a], [, b]) => a.outside.p50 - b.outside.p50)
    .map(([name, { outside }]) => [name, ms(outside.p50), ms(outside.p99), outside.count])
  return `${conditions(environment)}\n\n${table(['whole start to exit', 'p50', 'p99', 'runs'], rows)}`
}

/** Samples are filed as `<what>|<engine>`. What slipway alone was asked is in the bars. */
const pulls = (samples, environment) => {
  const parts = Object.keys(samples).map((key) => key.split('|'))
  const engines = [...new Set(parts.map(([, engine]) => engine))]
  const columns = [...new Set(parts.filter(([, engine]) => engine !== 'slipway').map(([what]) => what))]
  const cell = (what, engine) => {
    const found = samples[`${what}|${engine}`]
    if (found === undefined) return ''
    const { p50 } = summary(found.outside)
    const { p50: base } = summary(samples[`${what}|slipway`].outside)
    return `${(p50 / 1e9).toFixed(p50 < 1e9 ? 3 : 2)} (${ratio(p50, base)})`
  }
  const rows = engines.map((engine) => [
    engine.replace(/ (images )?pull$/, ''),
    ...columns.map((what) => cell(what, engine)),
  ])
  return [
    conditions(environment),
    barsTable('pull', samples),
    table(['seconds at p50 (÷ slipway)', ...columns], rows),
  ].join('\n\n')
}

export const renderers = {
  'launch-cold': launchCold,
  pool: oneTable('pool', 'seen by the caller'),
  'resident-size': residentSize,
  throughput,
  'command-line': commandLine,
  oci: oneTable('oci', 'OCI runtimes on one bundle'),
  pull: pulls,
}
