// The steps of a start with their measured times, as a chart of text.
import type { StepTiming, Timings, Usage } from '../model/exit.ts'
import { formatSize } from '../model/units.ts'
import type { Context, Output } from './command.ts'
import { humanMicros } from './human.ts'
import { alignColumns, bar, isUtf8, printable, type Style, styleFor } from './table.ts'

const BAR_COLUMNS = 24
const TIME_COLUMNS = 11
const MIN_DETAIL = 12

/** Keeps the end of a long text: of a path that is the part that tells. */
const shorten = (text: string, limit: number): string =>
  text.length <= limit ? text : `…${text.slice(text.length - limit + 1)}`

export interface ChartOptions {
  readonly utf8: boolean
  readonly style: Style
  /** Characters in a line, or `undefined` for no limit: a pipe gets every detail in full. */
  readonly columns: number | undefined
}

export const chartOptions = (output: Output, env: Context['env']): ChartOptions => ({
  utf8: isUtf8(env),
  style: styleFor(output, env),
  columns: output.isTTY() ? output.columns() : undefined,
})

/** Thinking, not doing: in a fresh process it outlasts all steps together, and would leave them no bars. */
const NOT_A_SCALE = 'decide'

/**
 * One line per step in the order they ran: number, who, what, microseconds, a bar against the longest, and on what. Only
 * the last is of any length, and is cut at the edge of a terminal.
 */
export const stepChart = (steps: readonly StepTiming[], options: ChartOptions): readonly string[] => {
  const longest = Math.max(...steps.filter(({ step }) => step !== NOT_A_SCALE).map((step) => step.durationUs))
  const rows = steps.map((step, i) => [
    String(i + 1).padStart(String(steps.length).length),
    step.side,
    step.step,
    `${step.durationUs.toFixed(1)} µs`.padStart(TIME_COLUMNS),
  ])
  const [header = '', ...lines] = alignColumns([
    ['#', 'side', 'step', 'time'.padStart(TIME_COLUMNS)],
    ...rows,
  ])
  const room = (options.columns ?? Number.POSITIVE_INFINITY) - header.length - BAR_COLUMNS - 4
  const charted = steps.map((step, i) => {
    const drawn = bar(longest > 0 ? step.durationUs / longest : 0, BAR_COLUMNS, options.utf8)
    const gap = ' '.repeat(BAR_COLUMNS - drawn.length + 2)
    const detail = shorten(printable(step.detail ?? ''), Math.max(MIN_DETAIL, room))
    return `${lines[i]}  ${options.style.blue(drawn)}${gap}${detail}`.trimEnd()
  })
  return [options.style.bold(header), ...charted]
}

const total = (steps: readonly StepTiming[], side: StepTiming['side']): number =>
  steps.filter((step) => step.side === side).reduce((sum, step) => sum + step.durationUs, 0)

/** The three figures of a run in one line: how long to the program, in the program, and what it used. */
export const summaryLine = (timings: Timings, usage: Usage): string => {
  const ms = (value: number) => humanMicros(value * 1000)
  const peak = usage.peakMemoryBytes === undefined ? '' : `, peak memory ${formatSize(usage.peakMemoryBytes)}`
  return `start ${ms(timings.toExecMs)}, program ${ms(timings.toExitMs - timings.toExecMs)}, cpu ${ms(usage.cpuMs)}${peak}`
}

/** Where the time of the start went, on both sides of the clone. What the engine's second thread does takes no time of its own. */
export const sharesLine = (timings: Timings): string => {
  const engine = total(timings.steps, 'engine')
  const child = total(timings.steps, 'child')
  const rest = Math.max(0, timings.toExecMs * 1000 - engine - child)
  return `engine ${humanMicros(engine)}, child ${humanMicros(child)}, between the steps ${humanMicros(rest)}`
}

/** What `run --timing` adds on standard error. */
export const timingText = (timings: Timings, usage: Usage): string => {
  const slowest = [...timings.steps].sort((a, b) => b.durationUs - a.durationUs).slice(0, 3)
  const named = slowest.map((step) => `${step.step} ${humanMicros(step.durationUs)}`).join(', ')
  return `slipway: ${summaryLine(timings, usage)}\n${named === '' ? '' : `  slowest steps: ${named}\n`}`
}
