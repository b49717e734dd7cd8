// Curves over runs -> SVG text: panels one above the other over one row of commits, labels at the ends of the curves.

const WIDTH = 960
const [LEFT, RIGHT] = [64, 214]
const PLOT = WIDTH - LEFT - RIGHT
const [TOP, PANEL_GAP, COMMITS] = [58, 54, 58]
const LABEL_GAP = 15
const LEAST_STEP = 68

/** Read in light and in dark surroundings; told apart without colour by marks and by the labels' order. */
const COLOURS = [
  ['#0969da', '#58a6ff'],
  ['#bc4c00', '#f0883e'],
  ['#1a7f37', '#3fb950'],
  ['#8250df', '#bc8cff'],
  ['#cf222e', '#ff7b72'],
  ['#57606a', '#8b949e'],
]
const MARKS = [
  'M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0z',
  'M-3.6-3.6h7.2v7.2h-7.2z',
  'M0-5l4.6 8.4h-9.2z',
  'M0-5l5 5l-5 5l-5-5z',
  'M0 5l4.6-8.4h-9.2z',
  'M-4.4-1.6h2.8v-2.8h3.2v2.8h2.8v3.2h-2.8v2.8h-3.2v-2.8h-2.8z',
]

const STYLE = (dark) =>
  [
    `.paper{fill:${dark ? '#0d1117' : '#ffffff'}}`,
    `text{fill:${dark ? '#e6edf3' : '#1f2328'};font:12px ui-sans-serif,system-ui,Helvetica,Arial,sans-serif}`,
    `.faint{fill:${dark ? '#9198a1' : '#59636e'}}`,
    `.grid{stroke:${dark ? '#2a313c' : '#e4e8ec'};fill:none}`,
    `.edge,.change{stroke:${dark ? '#9198a1' : '#59636e'};fill:none}`,
    ...COLOURS.map((pair, index) => {
      const colour = pair[dark ? 1 : 0]
      return `.c${index}{stroke:${colour}}text.c${index}{fill:${colour};stroke:none}.c${index}.mark{fill:${colour}}`
    }),
    `.mark.open{fill:${dark ? '#0d1117' : '#ffffff'}}`,
  ].join('')

const SHARED =
  '.title{font-size:15px;font-weight:600}.panel{font-weight:600}.small{font-size:11px}.curve{fill:none;stroke-width:2}.mark{stroke-width:1.5}.change{stroke-dasharray:2 3}.wanted{stroke-dasharray:6 4}'

const escaped = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
const at = (value) => String(Math.round(value * 10) / 10)

const text = (x, y, words, kind = '', anchor = 'start') =>
  `<text x="${at(x)}" y="${at(y)}"${kind && ` class="${kind}"`}${anchor === 'start' ? '' : ` text-anchor="${anchor}"`}>${escaped(words)}</text>`
const line = (x1, y1, x2, y2, kind) => `<path class="${kind}" d="M${at(x1)} ${at(y1)}L${at(x2)} ${at(y2)}"/>`

/** 1, 2 and 5 times powers of ten that enclose both ends. */
const logTicks = (low, high) => {
  const all = []
  for (let power = -6; power < 6; power++)
    for (const digit of [1, 2, 5]) all.push(Number((digit * 10 ** power).toPrecision(1)))
  const from = all.findLastIndex((tick) => tick <= low)
  const to = all.findIndex((tick) => tick >= high)
  return all.slice(from, to + 1)
}

const linearTicks = (low, high) => {
  const step =
    [0.05, 0.1, 0.2, 0.5, 1].find((size) => (high - low) / size <= 7) ?? Math.ceil((high - low) / 7)
  const [from, to] = [Math.floor(low / step + 1e-9), Math.ceil(high / step - 1e-9)]
  return Array.from({ length: to - from + 1 }, (_, index) => Number(((from + index) * step).toFixed(2)))
}

/** Where labels go that want to be at `wanted`, so that none covers another: downwards as far as needed, then back up. */
export const spread = (wanted, gap, bottom) => {
  const order = wanted.map((_, index) => index).sort((a, b) => wanted[a] - wanted[b])
  const places = [...wanted]
  for (const [rank, index] of order.entries())
    if (rank > 0) places[index] = Math.max(places[index], places[order[rank - 1]] + gap)
  for (const [rank, index] of [...order.entries()].reverse()) {
    const limit = rank === order.length - 1 ? bottom : places[order[rank + 1]] - gap
    places[index] = Math.min(places[index], limit)
  }
  return places
}

const xOf = (index, count) => LEFT + (count === 1 ? PLOT / 2 : 18 + (index * (PLOT - 36)) / (count - 1))

const scaleOf = ({ curves, wanted, from, log, height }, top) => {
  const points = curves.flatMap(({ points }) => points)
  const values = points.map(({ value }) => value).concat(wanted?.value ?? [], from ?? [])
  const ticks = (log ? logTicks : linearTicks)(Math.min(...values), Math.max(...values))
  const of = log ? Math.log : (value) => value
  const [low, high] = [of(ticks[0]), of(ticks.at(-1))]
  return { ticks, y: (value) => top + height - ((of(value) - low) / (high - low || 1)) * height }
}

const drawCurve = ({ points }, index, y, count) => {
  const places = points.map(({ run, value }) => `${at(xOf(run, count))} ${at(y(value))}`)
  const marks = points.map(
    ({ run, value, isOpen }) =>
      `<path class="mark c${index}${isOpen ? ' open' : ''}" transform="translate(${at(xOf(run, count))} ${at(y(value))})" d="${MARKS[index]}"/>`,
  )
  return [`<path class="curve c${index}" d="M${places.join('L')}"/>`, ...marks]
}

const numberText = (value) => value.toFixed(value < 0.1 ? 3 : 2)

const curveLabel = ({ label, points }, index) => {
  const { value } = points.at(-1)
  const draw = (x, y) => [
    `<path class="mark c${index}" transform="translate(${at(x)} ${at(y)})" d="${MARKS[index]}"/>`,
    text(x + 10, y + 4, `${label}: ${numberText(value)}`, `c${index}`),
  ]
  return { value, draw }
}

const wantedLabel = ({ value, text: words }) => ({
  value,
  draw: (x, y) => [line(x - 7, y, x + 6, y, 'edge wanted'), text(x + 10, y + 4, words, 'faint')],
})

const drawLabels = ({ curves, wanted, height }, y, top) => {
  const labels = [...curves.map(curveLabel), ...(wanted ? [wantedLabel(wanted)] : [])]
  const places = spread(
    labels.map(({ value }) => y(value)),
    LABEL_GAP,
    top + height,
  )
  return labels.flatMap(({ draw }, index) => draw(LEFT + PLOT + 14, places[index]))
}

const drawPanel = (panel, top, count) => {
  const { ticks, y } = scaleOf(panel, top)
  const { title, axis, wanted, curves, height } = panel
  return [
    text(LEFT, top - 12, title, 'panel'),
    ...ticks.flatMap((tick) => [
      line(LEFT, y(tick), LEFT + PLOT, y(tick), 'grid'),
      text(LEFT - 8, y(tick) + 4, String(tick), 'faint small', 'end'),
    ]),
    `<text class="faint small" text-anchor="middle" transform="translate(16 ${at(top + height / 2)}) rotate(-90)">${escaped(axis)}</text>`,
    line(LEFT, top, LEFT, top + height, 'edge'),
    line(LEFT, top + height, LEFT + PLOT, top + height, 'edge'),
    ...(wanted ? [line(LEFT, y(wanted.value), LEFT + PLOT, y(wanted.value), 'edge wanted')] : []),
    ...curves.flatMap((curve, index) => drawCurve(curve, index, y, count)),
    ...drawLabels(panel, y, top),
  ]
}

/** Of several runs side by side, only as many are named as there is room for; the last one always is. */
const namedRuns = (count) => {
  const every = Math.max(1, Math.ceil((count * LEAST_STEP) / PLOT))
  return Array.from({ length: count }, (_, index) => index).filter(
    (index) => (count - 1 - index) % every === 0,
  )
}

const drawCommits = (runs, top) => {
  const named = namedRuns(runs.length)
  return named.flatMap((index, rank) => {
    const { commit, date } = runs[index]
    const day = date.slice(0, 10)
    const isNewDay = rank === 0 || runs[named[rank - 1]].date.slice(0, 10) !== day
    const x = xOf(index, runs.length)
    return [
      text(x, top + 18, commit.slice(0, 7), 'small', 'middle'),
      text(x, top + 32, date.slice(11, 16), 'faint small', 'middle'),
      ...(isNewDay ? [text(x, top + 46, day, 'faint small', 'middle')] : []),
    ]
  })
}

/** A line where the machine, or what is below the engine, is another one than in the run before. */
const drawChanges = (runs, top, bottom) =>
  runs.flatMap(({ environment }, index) => {
    if (index === 0 || runs[index - 1].environment === environment) return []
    const x = (xOf(index - 1, runs.length) + xOf(index, runs.length)) / 2
    return [line(x, top, x, bottom, 'change'), text(x + 4, top - 2, `machine ${environment}`, 'faint small')]
  })

/**
 * `{ title, runs: [{ commit, date, environment }], panels: [{ title, axis, height, log?, from?, wanted?, curves: [{ label, points }] }],
 * notes: [] }` -> SVG. An axis begins with `from` if no value is below. A point is `{ run, value, isOpen }`, `run` an index of `runs`; `environment` is a number.
 */
export const drawPlot = ({ title, runs, panels, notes }) => {
  const tops = panels.map((_, index) =>
    panels.slice(0, index).reduce((top, { height }) => top + height + PANEL_GAP, TOP + 22),
  )
  const bottom = tops.at(-1) + panels.at(-1).height
  const height = bottom + COMMITS + 16 * notes.length + 8
  return `${[
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-label="${escaped(title)}">`,
    `<style>${SHARED}${STYLE(false)}@media (prefers-color-scheme:dark){${STYLE(true)}}</style>`,
    `<rect class="paper" width="${WIDTH}" height="${height}"/>`,
    text(LEFT, 28, title, 'title'),
    ...panels.flatMap((panel, index) => drawPanel(panel, tops[index], runs.length)),
    ...drawChanges(runs, tops[0], bottom),
    ...drawCommits(runs, bottom),
    ...notes.map((note, index) => text(LEFT, bottom + COMMITS + 8 + 16 * index, note, 'faint small')),
    '</svg>',
  ].join('\n')}\n`
}
