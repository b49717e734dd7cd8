// What each part of the isolation costs, alone and together: one row for each, a dot for the median, a line for the quartiles.
import type { CostRow } from '../results.ts'
import type { Difference } from '../statistics.ts'
import { humanNs, tickNs } from '../units.ts'
import { linearScale, type Scale } from './scale.ts'
import { widthOf } from './style.ts'
import { circle, diamond, line, type Plot, rect, text } from './svg.ts'

const WIDTH = 900
const ROW = 26
const TOP = 66
const BOTTOM = 54
const NUMBER = 82
/** Space between the end of the axis and the numbers. */
const GAP = 24

export const costsPlot = (rows: readonly CostRow[]): Plot | undefined => {
  if (rows.length === 0) return undefined
  const own = rows.filter(({ extra }) => !extra).sort(byCost)
  const extras = rows.filter(({ extra }) => extra).sort(byCost)
  const left = 16 + Math.max(...rows.map(({ title }) => widthOf(title)))
  const right = WIDTH - 2 * NUMBER - GAP
  const scale = scaleOf(rows, left, right)
  const gap = own.length > 0 && extras.length > 0 ? ROW : 0
  const bottom = TOP + (own.length + extras.length) * ROW + gap
  const place = (index: number): number => TOP + index * ROW + ROW / 2
  return {
    id: 'cost-of-parts',
    title: 'What each part of the isolation costs',
    description: describe(own),
    width: WIDTH,
    height: bottom + BOTTOM,
    body: [
      ...legend(left),
      ...numbersHead(right),
      ...own.flatMap((_, index) => band(index, place(index))),
      ...extras.flatMap((_, index) => band(index, place(own.length + index) + gap)),
      ...axis(scale, bottom),
      text((left + right) / 2, bottom + 42, 'longer than a start without the part', {
        className: 'muted',
        anchor: 'middle',
      }),
      ...own.flatMap((row, index) => rowMarks(row, place(index), scale, left, right)),
      ...(gap > 0
        ? [
            text(left - 10, place(own.length) + 4, 'on top of the whole:', {
              className: 'muted',
              anchor: 'end',
            }),
          ]
        : []),
      ...extras.flatMap((row, index) => rowMarks(row, place(own.length + index) + gap, scale, left, right)),
    ],
  }
}

const band = (index: number, y: number): readonly string[] =>
  index % 2 === 0 ? [rect(0, y - ROW / 2, WIDTH, ROW, 'band')] : []

const byCost = (a: CostRow, b: CostRow): number => weight(b) - weight(a)
const weight = ({ alone, together }: CostRow): number =>
  Math.max(alone?.p50 ?? -Infinity, together?.p50 ?? -Infinity)

const scaleOf = (rows: readonly CostRow[], left: number, right: number): Scale => {
  const all = rows.flatMap(({ alone, together }) => [alone, together]).filter((each) => each !== undefined)
  const low = Math.min(0, ...all.map(({ p25 }) => p25))
  const high = Math.max(1000, ...all.map(({ p75 }) => p75))
  return linearScale(low, high, left, right, 7)
}

const legend = (left: number): readonly string[] => [
  circle(left + 5, 18, 4.5, 'alone'),
  text(left + 16, 22, 'alone: in a bare container'),
  diamond(left + 205, 18, 5.5, 'together'),
  text(left + 216, 22, 'together: what the whole is slower by'),
  circle(left + 5, 38, 4, 'alone-open'),
  text(left + 16, 42, 'hollow: cannot be told from nothing (95 %)', { className: 'muted' }),
]

const numbersHead = (right: number): readonly string[] => [
  text(right + GAP + NUMBER - 8, TOP - 12, 'alone', { className: 'strong', anchor: 'end' }),
  text(right + GAP + 2 * NUMBER - 8, TOP - 12, 'together', { className: 'strong', anchor: 'end' }),
]

const axis = (scale: Scale, bottom: number): readonly string[] =>
  scale.ticks.flatMap((tick) => [
    line(scale.at(tick), TOP - 4, scale.at(tick), bottom, tick === 0 ? 'axis' : 'grid'),
    text(scale.at(tick), bottom + 18, tickNs(tick), { className: 'muted', anchor: 'middle' }),
  ])

const rowMarks = (row: CostRow, y: number, scale: Scale, left: number, right: number): readonly string[] => [
  text(left - 10, y + 4, row.title, { anchor: 'end' }),
  ...mark(row.alone, y - 5, scale, 'alone'),
  ...mark(row.together, y + 5, scale, 'together'),
  ...number(row.alone, right + GAP + NUMBER - 8, y),
  ...number(row.together, right + GAP + 2 * NUMBER - 8, y),
]

const mark = (found: Difference | undefined, y: number, scale: Scale, name: string): readonly string[] => {
  if (found === undefined) return []
  const shape = name === 'alone' ? circle : diamond
  const [radius, className] = [name === 'alone' ? 4.2 : 5.2, isCertain(found) ? name : `${name}-open`]
  return [
    line(scale.at(found.p25), y, scale.at(found.p75), y, `${name}-range`),
    shape(scale.at(found.p50), y, radius, className),
  ]
}

/** Zero is outside of the interval. */
export const isCertain = ({ low, high }: Difference): boolean => low > 0 || high < 0

const number = (found: Difference | undefined, x: number, y: number): readonly string[] => [
  text(x, y + 4, found === undefined ? '–' : humanNs(found.p50), {
    className: found !== undefined && isCertain(found) ? 'ink' : 'muted',
    anchor: 'end',
  }),
]

const describe = (rows: readonly CostRow[]): string =>
  rows
    .slice(0, 5)
    .map(({ title, alone, together }) => `${title}: ${say(alone)} alone, ${say(together)} together`)
    .join('; ')
const say = (found: Difference | undefined): string => (found === undefined ? 'unknown' : humanNs(found.p50))
