// The ledgers of several starts of one shape, as one; two of them side by side; and when which thread was at work.
import type { StepTiming } from '../model/exit.ts'
import type { Style } from './table.ts'

type Side = StepTiming['side']
const SIDES: readonly Side[] = ['engine', 'beside', 'child']

export const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? 0
}

/**
 * Every step that at least half of the starts had, with its median begin and length, in the order of the begins. Steps are the same
 * when they do the same to the same thing for the same time in a start.
 */
export const medianSteps = (starts: readonly (readonly StepTiming[])[]): readonly StepTiming[] => {
  if (starts.length === 1) return starts[0] ?? []
  const found = new Map<string, StepTiming[]>()
  for (const steps of starts) {
    const times = new Map<string, number>()
    for (const step of steps) {
      const what = `${step.side}\0${step.step}\0${step.detail ?? ''}`
      const time = times.get(what) ?? 0
      times.set(what, time + 1)
      const key = `${what}\0${time}`
      found.set(key, [...(found.get(key) ?? []), step])
    }
  }
  return [...found.values()]
    .filter((same) => same.length * 2 >= starts.length)
    .map((same) => ({
      ...(same[0] as StepTiming),
      startUs: median(same.map(({ startUs }) => startUs)),
      durationUs: median(same.map(({ durationUs }) => durationUs)),
    }))
    .sort((a, b) => a.startUs - b.startUs)
}

/** What two ledgers spend on a step in all. */
export interface StepDifference {
  readonly side: Side
  readonly step: string
  readonly count: readonly [number, number]
  readonly us: readonly [number, number]
}

/** The largest difference first; steps that both do equally long, to a tenth of a microsecond, are left out. */
export const differences = (
  one: readonly StepTiming[],
  other: readonly StepTiming[],
): readonly StepDifference[] => {
  const totals = new Map<string, StepDifference>()
  ;[one, other].forEach((steps, which) => {
    for (const { side, step, durationUs } of steps) {
      const key = `${side}\0${step}`
      const { count, us } = totals.get(key) ?? { count: [0, 0], us: [0, 0] }
      const add = (pair: readonly [number, number], value: number): readonly [number, number] =>
        which === 0 ? [pair[0] + value, pair[1]] : [pair[0], pair[1] + value]
      totals.set(key, { side, step, count: add(count, 1), us: add(us, durationUs) })
    }
  })
  const by = ({ us }: StepDifference): number => Math.abs(us[1] - us[0])
  return [...totals.values()]
    .filter((row) => by(row) >= 0.1 || row.count[0] !== row.count[1])
    .sort((a, b) => by(b) - by(a))
}

export interface StripOptions {
  readonly utf8: boolean
  readonly style: Style
  /** Characters for the time from the call to the program's execution. */
  readonly columns: number
}

const SHADES = { utf8: [' ', '░', '▒', '▓', '█'], ascii: [' ', '.', ':', '+', '#'] } as const

/** One line for each thread that had a part, with how busy it was at each moment, and a line of time. */
export const activityStrip = (
  steps: readonly StepTiming[],
  untilUs: number,
  { utf8, style, columns }: StripOptions,
): readonly string[] => {
  const perColumn = untilUs / columns
  const shades = SHADES[utf8 ? 'utf8' : 'ascii']
  const lines = SIDES.flatMap((side) => {
    const own = steps.filter((step) => step.side === side)
    if (own.length === 0) return []
    const cells = Array.from({ length: columns }, (_, column) => {
      const [from, to] = [column * perColumn, (column + 1) * perColumn]
      const busy = own.reduce(
        (sum, { startUs, durationUs }) =>
          sum + Math.max(0, Math.min(to, startUs + durationUs) - Math.max(from, startUs)),
        0,
      )
      return shades[Math.min(4, Math.ceil((4 * busy) / perColumn - 0.05))] ?? ' '
    })
    return [`${side.padEnd(8)}${style.blue(cells.join('').trimEnd())}`]
  })
  return [...lines, `${' '.repeat(8)}${timeAxis(untilUs, columns)}`]
}

/** A mark every 100 µs, 250 µs, 500 µs, 1 ms … such that ten characters lie between two at least. */
const timeAxis = (untilUs: number, columns: number): string => {
  const wide = [100, 250, 500, 1000, 2000, 5000, 10_000, 50_000, 100_000, 1_000_000]
  const everyUs = wide.find((us) => (us / untilUs) * columns >= 10) ?? untilUs
  let axis = ''
  for (let us = 0; us < untilUs; us += everyUs) {
    const column = Math.round((us / untilUs) * columns)
    axis = `${axis.padEnd(column)}|${us === 0 ? '0' : `${us / 1000} ms`}`
  }
  return axis
}
