// The runs of bench/history as curves: docs/history.svg.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { barsOf } from '../bars.mjs'
import { summary } from '../statistics.mjs'
import { drawPlot } from './draw.mjs'

/** The runs on file, in the order they were made. */
const readHistory = (project) => {
  const folder = path.join(project, 'bench/history')
  return readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .sort()
    .map((name) => JSON.parse(readFileSync(path.join(folder, name), 'utf8')))
}

const median = (samples, name, side) => {
  const values = samples?.[name]?.[side] ?? []
  return values.length > 0 ? summary(values).p50 : undefined
}

const COLD = 'launch-cold'
/** A command is timed from outside; a library, and the floor, by who calls it. */
const COLD_PEERS = [
  ['bwrap', 'all|bwrap --unshare-all'],
  ['crun', 'all|crun run'],
  ['runc', 'all|runc run'],
  ['podman', 'all|podman run'],
  ['docker', 'all|docker run'],
].map(([label, name]) => ({ label: `÷ ${label}`, by: [name, 'outside'] }))
const SLIPWAY = ['all|slipway', 'inside']
const FIRED = ['pool: call → exit', 'inside']
const POOL_PEERS = [
  { label: '÷ child_process', by: ['child_process.spawn', 'inside'] },
  { label: '÷ a cold start', by: ['cold: call → exit', 'inside'] },
]

/** `of` by `by`, both `[driver, side]`, in every run that has them. */
const curveOf = (runs, trial, of, { label, by }) => ({
  label,
  points: runs.flatMap(({ trials, environment }, run) => {
    const [value, base] = [of, by].map(([name, side]) => median(trials[trial], name, side))
    return value === undefined || base === undefined
      ? []
      : [{ run, value: value / base, isOpen: environment.dirty }]
  }),
})

const curvesOf = (runs, trial, of, peers) =>
  peers.map((peer) => curveOf(runs, trial, of, peer)).filter(({ points }) => points.length > 0)

const limitOf = (runs) => {
  const bars = runs.flatMap(({ trials }) => barsOf(COLD, trials[COLD] ?? {}))
  return bars.findLast(({ what }) => what.startsWith('slipway ÷ floor'))?.limit
}

const panelsOf = (runs) => {
  const limit = limitOf(runs)
  const floor = { label: '÷ floor', by: ['all|floor', 'inside'] }
  return [
    {
      title: "Cold start ÷ the kernel's own floor",
      axis: 'ratio of medians',
      height: 170,
      from: 1,
      ...(limit && { wanted: { value: limit, text: `wanted: at most ${limit}` } }),
      curves: curvesOf(runs, COLD, SLIPWAY, [floor]),
    },
    {
      title: 'Cold start ÷ other engines',
      axis: 'ratio of medians, logarithmic',
      height: 220,
      log: true,
      curves: curvesOf(runs, COLD, SLIPWAY, COLD_PEERS),
    },
    {
      title: 'Start from a pool, call → exit',
      axis: 'ratio of medians',
      height: 130,
      from: 0,
      curves: curvesOf(runs, 'pool', FIRED, POOL_PEERS),
    },
  ].filter(({ curves }) => curves.length > 0)
}

const placeOf = ({ kernel, cpus, cpu, node, cgroup, storage }) =>
  `kernel ${kernel}, ${cpus} × ${cpu}, Node ${node}, cgroups ${cgroup}, files on ${storage}`

const NOTES = [
  'Medians of one interleaved run each, Docker’s whole default shape; less is better.',
  'Ratios, since absolute times differ from day to day and from machine to machine.',
  'A hollow mark: the working tree had changes that were not committed.',
]

const isPlotted = ({ trials }) =>
  median(trials[COLD], ...SLIPWAY) !== undefined || median(trials.pool, ...FIRED) !== undefined

/** The SVG of a list of runs as bench/history has them. */
export const plotOf = (history) => {
  const runs = history.filter(isPlotted)
  if (runs.length === 0) throw new Error('plot history: bench/history: no run of a cold start or of a pool')
  const places = [...new Set(runs.map(({ environment }) => placeOf(environment)))]
  return drawPlot({
    title: 'slipway’s start-up latency over commits',
    runs: runs.map(({ environment }) => ({
      commit: environment.commit,
      date: environment.date,
      environment: places.indexOf(placeOf(environment)) + 1,
    })),
    panels: panelsOf(runs),
    notes: [...NOTES, ...places.map((place, index) => `Machine ${index + 1}: ${place}.`)],
  })
}

const fileOf = (project) => path.join(project, 'docs/history.svg')

/** Draws the history of the project at `project`. */
export const writePlot = (project) => writeFileSync(fileOf(project), plotOf(readHistory(project)))

/** What is wrong with the file in `project`; undefined when it is in step with the history. */
export const plotFault = (project) => {
  const file = fileOf(project)
  if (!existsSync(file))
    return 'plot history: docs/history.svg: there is none; node bench/plot-history.mjs --write'
  return readFileSync(file, 'utf8') === plotOf(readHistory(project))
    ? undefined
    : 'plot history: docs/history.svg: not what bench/history makes; node bench/plot-history.mjs --write'
}
