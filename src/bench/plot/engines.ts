// The engines side by side on a logarithmic axis: a box for each, and the whole distribution as curves.
import type { EngineRow } from '../results.ts'
import { ascending } from '../statistics.ts'
import { humanNs, tickNs } from '../units.ts'
import { logScale, type Scale } from './scale.ts'
import { CURVE_STYLES, widthOf } from './style.ts'
import { coordinate, element, line, type Plot, rect, text } from './svg.ts'

const WIDTH = 900
const ROW = 30
const BOX = 14
const TOP = 40
const BOTTOM = 54

export const enginesPlot = (rows: readonly EngineRow[]): Plot | undefined => {
  if (rows.length === 0) return undefined
  const left = 16 + Math.max(...rows.map(({ title }) => widthOf(title)))
  const right = WIDTH - 96
  const bottom = TOP + rows.length * ROW
  const scale = scaleOf(rows, left, right)
  return {
    id: 'side-by-side',
    title: 'One start, from the call to the end of a program that only exits',
    description: medians(rows),
    width: WIDTH,
    height: bottom + BOTTOM,
    body: [
      ...legend(left),
      ...axis(scale, TOP - 4, bottom, (left + right) / 2),
      text(WIDTH - 8, TOP - 14, 'median', { className: 'strong', anchor: 'end' }),
      ...rows.flatMap((row, index) => box(row, TOP + index * ROW + ROW / 2, scale, left)),
    ],
  }
}

const KINDS = [
  ['inside', 'asked of a library inside the process'],
  ['command', 'a command of its own'],
  ['none', 'no isolation'],
] as const

const legend = (left: number): readonly string[] => {
  let x = left
  return KINDS.flatMap(([kind, words]) => {
    const here = x
    x += widthOf(words) + 34
    return [rect(here, 10, 12, 12, `${kind}-box`), text(here + 18, 20, words)]
  })
}

const medians = (rows: readonly EngineRow[]): string =>
  rows.map(({ title, summary }) => `${title}: median ${humanNs(summary.p50)}`).join('; ')

const scaleOf = (rows: readonly EngineRow[], left: number, right: number): Scale =>
  logScale(
    Math.max(1, Math.min(...rows.map(({ summary }) => summary.p5))),
    Math.max(2, ...rows.map(({ summary }) => summary.p99)),
    left,
    right,
  )

const axis = (scale: Scale, top: number, bottom: number, middle: number): readonly string[] => [
  text(middle, bottom + 42, 'from the call, or the vfork, to the end; logarithmic', {
    className: 'muted',
    anchor: 'middle',
  }),
  ...scale.minor.map((tick) => line(scale.at(tick), top, scale.at(tick), bottom, 'fine')),
  ...scale.ticks.flatMap((tick) => [
    line(scale.at(tick), top, scale.at(tick), bottom, 'grid'),
    text(scale.at(tick), bottom + 18, tickNs(tick), { className: 'muted', anchor: 'middle' }),
  ]),
]

/** Quartiles as a box, the median a line in it, whiskers from 5 % to 95 %. */
const box = (
  { title, kind, summary }: EngineRow,
  y: number,
  { at }: Scale,
  left: number,
): readonly string[] => {
  const { p5, p25, p50, p75, p95 } = summary
  const half = BOX / 2
  return [
    text(left - 10, y + 4, title, { anchor: 'end' }),
    line(at(p5), y, at(p25), y, `${kind}-thin`),
    line(at(p75), y, at(p95), y, `${kind}-thin`),
    line(at(p5), y - 4, at(p5), y + 4, `${kind}-thin`),
    line(at(p95), y - 4, at(p95), y + 4, `${kind}-thin`),
    rect(at(p25), y - half, Math.max(1.5, at(p75) - at(p25)), BOX, `${kind}-box`),
    rect(at(p50) - 1.25, y - half - 2, 2.5, BOX + 4, kind),
    text(WIDTH - 8, y + 4, humanNs(p50), { className: 'strong', anchor: 'end' }),
  ]
}

const CURVES_HEIGHT = 330
const LEGEND_ROW = 21
/** Of a curve: more than the eye can tell apart. */
const MAX_STEPS = 160

/** Empirical distributions: the share of starts that were over by then. */
export const distributionPlot = (rows: readonly EngineRow[]): Plot | undefined => {
  if (rows.length === 0) return undefined
  const left = 52
  const right = WIDTH - 40 - 26 - Math.max(...rows.map(({ title }) => widthOf(title)))
  const [top, bottom] = [24, Math.max(CURVES_HEIGHT, 24 + rows.length * LEGEND_ROW)]
  const scale = scaleOf(rows, left, right)
  const yOf = (share: number): number => bottom - share * (bottom - top)
  return {
    id: 'distribution',
    title: 'Share of starts that were over by then',
    description: medians(rows),
    width: WIDTH,
    height: bottom + BOTTOM,
    body: [
      ...axis(scale, top, bottom, (left + right) / 2),
      ...[0, 0.25, 0.5, 0.75, 1].flatMap((share) => [
        line(left, yOf(share), right, yOf(share), share === 0 ? 'axis' : 'grid'),
        text(left - 8, yOf(share) + 4, `${share * 100} %`, { className: 'muted', anchor: 'end' }),
      ]),
      ...rows.map((row, index) =>
        element('path', {
          d: curve(row, scale, yOf, left, right),
          class: curveClass(row, index),
        }),
      ),
      ...rows.flatMap((row, index) => {
        const y = top + 8 + index * LEGEND_ROW
        return [
          line(right + 22, y - 4, right + 46, y - 4, curveClass(row, index)),
          text(right + 54, y, row.title),
        ]
      }),
    ],
  }
}

/** slipway's own are told by their width. */
const curveClass = ({ id }: EngineRow, index: number): string =>
  `curve curve-${index % CURVE_STYLES}${id.startsWith('slipway') ? ' own' : ''}`

/** Steps from 0 to 1; those beyond the ends of the axis are drawn there. */
const curve = (
  { samples }: EngineRow,
  { at }: Scale,
  yOf: (share: number) => number,
  left: number,
  right: number,
): string => {
  const sorted = ascending(samples)
  const every = Math.max(1, Math.ceil(sorted.length / MAX_STEPS))
  const x = (value: number): number => Math.min(right, Math.max(left, at(value)))
  let path = `M${coordinate(x(sorted[0] ?? 1))} ${coordinate(yOf(0))}`
  for (let index = every - 1; index < sorted.length + every - 1; index += every) {
    const last = Math.min(index, sorted.length - 1)
    path += `H${coordinate(x(sorted[last] ?? 1))}V${coordinate(yOf((last + 1) / sorted.length))}`
  }
  return path
}
