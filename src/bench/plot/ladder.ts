// The default shape built up step by step: how long a start with everything so far takes.
import type { LadderRow } from '../results.ts'
import { humanNs, signedNs, tickNs } from '../units.ts'
import { linearScale } from './scale.ts'
import { widthOf } from './style.ts'
import { line, type Plot, rect, text } from './svg.ts'

const WIDTH = 900
const ROW = 28
const TOP = 40
const BOTTOM = 54
const NUMBER = 84
const GAP = 20
const BAR = 13

export const ladderPlot = (rows: readonly LadderRow[]): Plot | undefined => {
  if (rows.length < 2) return undefined
  const left = 16 + Math.max(...rows.map(({ title }) => widthOf(title)))
  const right = WIDTH - 2 * NUMBER - GAP
  const bottom = TOP + rows.length * ROW
  const scale = linearScale(0, Math.max(...rows.map(({ summary }) => summary.p75)), left, right, 7)
  return {
    id: 'built-up',
    title: 'The default isolation, built up step by step',
    description: rows.map(({ title, summary }) => `${title}: ${humanNs(summary.p50)}`).join('; '),
    width: WIDTH,
    height: bottom + BOTTOM,
    body: [
      ...scale.ticks.flatMap((tick) => [
        line(scale.at(tick), TOP - 4, scale.at(tick), bottom, tick === 0 ? 'axis' : 'grid'),
        text(scale.at(tick), bottom + 18, tickNs(tick), { className: 'muted', anchor: 'middle' }),
      ]),
      text((left + right) / 2, bottom + 42, 'from the call to the exit known', {
        className: 'muted',
        anchor: 'middle',
      }),
      text(right + GAP + NUMBER - 8, TOP - 14, 'start', { className: 'strong', anchor: 'end' }),
      text(right + GAP + 2 * NUMBER - 8, TOP - 14, 'step', { className: 'strong', anchor: 'end' }),
      ...rows.flatMap((row, index) =>
        rung(row, rows[index - 1], TOP + index * ROW + ROW / 2, scale.at, left, right),
      ),
    ],
  }
}

const rung = (
  { title, summary: { p25, p50, p75 }, added }: LadderRow,
  before: LadderRow | undefined,
  y: number,
  at: (value: number) => number,
  left: number,
  right: number,
): readonly string[] => {
  const from = Math.min(before?.summary.p50 ?? 0, p50)
  return [
    text(left - 10, y + 4, title, { anchor: 'end' }),
    rect(at(0), y - BAR / 2, at(from) - at(0), BAR, 'soft'),
    rect(at(from), y - BAR / 2, at(p50) - at(from), BAR, 'alone'),
    line(at(p25), y, at(p75), y, 'together-range'),
    line(at(p50), y - BAR / 2 - 3, at(p50), y + BAR / 2 + 3, 'together-thin'),
    text(right + GAP + NUMBER - 8, y + 4, humanNs(p50), { anchor: 'end' }),
    text(right + GAP + 2 * NUMBER - 8, y + 4, added === undefined ? '' : signedNs(added.p50), {
      className: 'muted',
      anchor: 'end',
    }),
  ]
}
