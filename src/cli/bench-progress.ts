// Progress of a benchmark: one live line on a terminal, plain lines now and then elsewhere.
import type { BenchProgress } from '../bench/main.ts'
import { humanTime } from '../bench/units.ts'
import type { Output } from './command.ts'

export interface BenchDisplay {
  readonly update: (progress: BenchProgress) => void
  readonly finish: () => void
}

const FRAME_MS = 100
/** Between two lines of one phase where nobody watches a terminal. */
const PLAIN_MS = 10_000

export const benchProgress = (output: Output, nowMs: () => number = Date.now): BenchDisplay =>
  output.isTTY() ? live(output, nowMs) : plain(output, nowMs)

/** `parts  round 12  cgroup+memory  48 s left` */
export const progressLine = ({ phase, title, round, leftMs }: BenchProgress): string =>
  [
    phase,
    ...(round === undefined ? [] : [`round ${round + 1}`]),
    ...(leftMs === undefined ? [] : [`${humanTime(leftMs)} left`]),
    title,
  ].join('  ')

const live = (output: Output, nowMs: () => number): BenchDisplay => {
  let drawnMs = Number.NEGATIVE_INFINITY
  return {
    update: (progress) => {
      if (nowMs() - drawnMs < FRAME_MS) return
      drawnMs = nowMs()
      output.write(`\r\x1b[2K${progressLine(progress).slice(0, output.columns() - 1)}`)
    },
    finish: () => output.write('\r\x1b[2K'),
  }
}

const plain = (output: Output, nowMs: () => number): BenchDisplay => {
  let phase: string | undefined
  let toldMs = Number.NEGATIVE_INFINITY
  return {
    update: (progress) => {
      if (progress.phase === phase && nowMs() - toldMs < PLAIN_MS) return
      phase = progress.phase
      toldMs = nowMs()
      output.write(`${progressLine(progress)}\n`)
    },
    finish: () => {},
  }
}
