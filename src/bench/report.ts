// The report: one page of HTML that needs nothing but itself. Pure.
import { formatSize } from '../model/units.ts'
import { DARK_PLOT_STYLE, PAGE_SCRIPT, PAGE_STYLE, PLOT_STYLE } from './page.ts'
import { costsPlot, isCertain } from './plot/costs.ts'
import { distributionPlot, enginesPlot } from './plot/engines.ts'
import { ladderPlot } from './plot/ladder.ts'
import { escapeText, type Plot, svgOf } from './plot/svg.ts'
import type { CostRow, EngineRow, LadderRow, Results } from './results.ts'
import type { Difference } from './statistics.ts'
import { humanNs, humanTime, signedNs } from './units.ts'

export const plotsOf = ({ costs, ladder, engines }: Results): readonly Plot[] =>
  [costsPlot(costs), ladderPlot(ladder), enginesPlot(engines), distributionPlot(engines)].filter(
    (plot) => plot !== undefined,
  )

const CAPTIONS: Readonly<Record<string, string>> = {
  'cost-of-parts':
    'Medians of what a start with the part takes longer than one without it, over all rounds; lines from the lower to the upper quartile of the rounds. Together is less than alone where the part’s work overlaps with that of others: slipway makes the network, the root and the groups beside the container’s own process.',
  'built-up':
    'Each bar is a start with everything so far; its strong end is what the step added. The mark is the median, the line the quartiles.',
  'side-by-side':
    'Boxes from the lower to the upper quartile with the median, whiskers from 5 % to 95 % of all starts. The axis is logarithmic: equal distances are equal factors.',
  distribution:
    'A steep curve is a steady engine; one that leans to the right has slow starts. Thick: slipway. The axis is logarithmic.',
}

/** `pngNote`: what is said about PNG files. */
export const reportHtml = (results: Results, pngNote: string): string => {
  const { environment: env, partial } = results
  const plots = new Map(plotsOf(results).map((plot) => [plot.id, plot]))
  const figure = (id: string): string => {
    const plot = plots.get(id)
    return plot === undefined ? '' : figureHtml(plot)
  }
  const body = [
    '<h1>What isolation costs here</h1>',
    `<p class="muted">slipway ${e(env.slipway)} · ${e(env.cpu)} × ${env.cpus} · Linux ${e(env.kernel)} · ${e(env.date)} · ${results.starts} starts in ${humanTime(results.elapsedMs)}</p>`,
    partial
      ? '<p class="partial"><strong>Partial.</strong> The run was ended before its time: there are fewer samples than planned, and rows may be missing.</p>'
      : '',
    isBusy(env)
      ? `<p class="partial"><strong>A busy machine.</strong> Its load average was ${env.loadBefore.toFixed(2)} on ${env.cpus} processors before anything was measured: figures are larger and less certain than on an idle one.</p>`
      : '',
    figuresHtml(results),
    results.costs.length > 0
      ? section('cost', 'What each part costs', figure('cost-of-parts'), costsTable(results.costs))
      : '',
    results.ladder.length > 1
      ? section('ladder', 'Built up step by step', figure('built-up'), ladderTable(results.ladder))
      : '',
    results.engines.length > 0
      ? section(
          'engines',
          'slipway beside what is installed here',
          figure('side-by-side'),
          figure('distribution'),
          enginesTable(results.engines),
          whatTheyIsolate(results.engines),
        )
      : '',
    results.missing.length > 0 ? section('missing', 'Not measured', missingTable(results)) : '',
    section('method', 'How it was measured', methodHtml(results)),
    section('environment', 'Where it was measured', environmentTable(results)),
    section('cite', 'How to cite it', citeHtml(results)),
    `<footer>${e(pngNote)}</footer>`,
  ]
  return document_(
    `What isolation costs: slipway bench, ${env.date.slice(0, 10)}`,
    body.filter((part) => part !== ''),
  )
}

/** Somebody else had work for a third of the machine. */
const isBusy = ({ loadBefore, cpus }: Results['environment']): boolean => loadBefore > cpus / 3

const e = escapeText

const document_ = (title: string, body: readonly string[]): string => `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${e(title)}</title>
<style>${PAGE_STYLE}</style>
<style id="plot-style">${PLOT_STYLE}</style>
<style>${DARK_PLOT_STYLE}</style>
</head>
<body>
<main>
${body.join('\n')}
</main>
<script>${PAGE_SCRIPT}</script>
</body>
</html>
`

const section = (id: string, title: string, ...parts: readonly string[]): string =>
  `<section aria-labelledby="${id}"><h2 id="${id}">${e(title)}</h2>\n${parts.filter((part) => part !== '').join('\n')}</section>`

const figureHtml = (plot: Plot): string =>
  `<figure>${svgOf(plot)}<figcaption>${e(CAPTIONS[plot.id] ?? '')}</figcaption><div class="tools"><button type="button" data-plot="${e(plot.id)}" hidden>Save as PNG</button></div></figure>`

interface Column<Row> {
  readonly title: string
  readonly text: (row: Row) => string
  readonly isNumber?: true
  readonly isFaint?: (row: Row) => boolean
}

const tableHtml = <Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string => {
  const head = columns.map(
    ({ title, isNumber }) => `<th scope="col"${isNumber ? ' class="n"' : ''}>${e(title)}</th>`,
  )
  const cell = (row: Row, { text, isNumber, isFaint }: Column<Row>): string => {
    const classes = [...(isNumber ? ['n'] : []), ...(isFaint?.(row) === true ? ['faint'] : [])]
    return `<td${classes.length > 0 ? ` class="${classes.join(' ')}"` : ''}>${e(text(row))}</td>`
  }
  const lines = rows.map((row) => `<tr>${columns.map((column) => cell(row, column)).join('')}</tr>`)
  return `<div class="scroll"><table><thead><tr>${head.join('')}</tr></thead><tbody>\n${lines.join('\n')}\n</tbody></table></div>`
}

const figuresHtml = ({ ladder, engines }: Results): string => {
  const named = (id: string): EngineRow | undefined => engines.find((row) => row.id === id)
  const own = named('slipway')
  const bare = ladder[0]
  const whole = ladder.at(-1)
  const pool = named('slipway-pool')
  const rival = engines.find(({ id }) => COMPARABLE.has(id))
  const figures: (readonly [string, string] | undefined)[] = [
    own && [humanNs(own.summary.p50), 'a container with the whole default isolation, call to exit'],
    pool && [humanNs(pool.summary.p50), 'the same, from a sandbox made ahead'],
    bare === undefined || whole === undefined || bare === whole
      ? undefined
      : [
          signedNs(whole.summary.p50 - bare.summary.p50),
          `from the barest container (${humanNs(bare.summary.p50)}) to the whole (${humanNs(whole.summary.p50)})`,
        ],
    own &&
      rival && [
        `${factor(rival.summary.p50 / own.summary.p50)} ×`,
        `${rival.title} as against slipway: the fastest other engine here that isolates as much`,
      ],
  ]
  const items = figures
    .filter((figure) => figure !== undefined)
    .map(([value, words]) => `<li><strong>${e(value)}</strong><span>${e(words)}</span></li>`)
  return `<ul class="figures">${items.join('')}</ul>`
}

/** Engines that isolate as much. */
const COMPARABLE: ReadonlySet<string> = new Set(['crun', 'runc', 'podman', 'docker'])

const factor = (value: number): string => (value >= 9.95 ? value.toFixed(0) : value.toFixed(2))

const middle = (found: Difference | undefined): string => (found === undefined ? '–' : humanNs(found.p50))
const range = (found: Difference | undefined): string =>
  found === undefined ? '–' : `${humanNs(found.p25)} … ${humanNs(found.p75)}`
const interval = (found: Difference | undefined): string => {
  if (found === undefined || !Number.isFinite(found.low) || !Number.isFinite(found.high))
    return 'too few rounds'
  return `${humanNs(found.low)} … ${humanNs(found.high)}`
}
const isNoise = (found: Difference | undefined): boolean => found === undefined || !isCertain(found)

const costsTable = (rows: readonly CostRow[]): string =>
  tableHtml<CostRow>(
    [
      { title: 'Part', text: ({ title, extra }) => (extra ? `${title} (on top)` : title) },
      { title: 'What it is', text: ({ what }) => what },
      {
        title: 'Alone',
        isNumber: true,
        text: ({ alone }) => middle(alone),
        isFaint: ({ alone }) => isNoise(alone),
      },
      { title: '95 %', isNumber: true, text: ({ alone }) => interval(alone), isFaint: () => true },
      {
        title: 'Together',
        isNumber: true,
        text: ({ together }) => middle(together),
        isFaint: ({ together }) => isNoise(together),
      },
      { title: '95 %', isNumber: true, text: ({ together }) => interval(together), isFaint: () => true },
      {
        title: 'Rounds',
        isNumber: true,
        text: ({ alone, together }) => String(alone?.n ?? together?.n ?? 0),
      },
    ],
    rows,
  )

const ladderTable = (rows: readonly LadderRow[]): string =>
  tableHtml<LadderRow>(
    [
      { title: 'Everything so far', text: ({ title }) => title },
      { title: 'p25', isNumber: true, text: ({ summary }) => humanNs(summary.p25) },
      { title: 'Median', isNumber: true, text: ({ summary }) => humanNs(summary.p50) },
      { title: 'p75', isNumber: true, text: ({ summary }) => humanNs(summary.p75) },
      { title: 'p95', isNumber: true, text: ({ summary }) => humanNs(summary.p95) },
      { title: 'Starts', isNumber: true, text: ({ summary }) => String(summary.n) },
      {
        title: 'Step',
        isNumber: true,
        text: ({ added }) => (added === undefined ? '' : signedNs(added.p50)),
        isFaint: ({ added }) => isNoise(added),
      },
      {
        title: 'Quartiles of the step',
        isNumber: true,
        text: ({ added }) => (added === undefined ? '' : range(added)),
        isFaint: () => true,
      },
    ],
    rows,
  )

const enginesTable = (rows: readonly EngineRow[]): string => {
  const own = rows.find(({ id }) => id === 'slipway')
  return tableHtml<EngineRow>(
    [
      { title: 'Engine', text: ({ title }) => title },
      ...(['min', 'p25', 'p50', 'p75', 'p95', 'p99'] as const).map(
        (name): Column<EngineRow> => ({
          title: name === 'p50' ? 'Median' : name,
          isNumber: true,
          text: ({ summary }) => humanNs(summary[name]),
        }),
      ),
      { title: 'Starts', isNumber: true, text: ({ summary }) => String(summary.n) },
      {
        title: '÷ slipway',
        isNumber: true,
        text: ({ summary }) => (own === undefined ? '–' : factor(summary.p50 / own.summary.p50)),
      },
    ],
    rows,
  )
}

const whatTheyIsolate = (rows: readonly EngineRow[]): string =>
  tableHtml<EngineRow>(
    [
      { title: 'Engine', text: ({ title }) => title },
      { title: 'What it isolates', text: ({ does }) => does },
      { title: 'How its time is taken', text: ({ how }) => how },
      { title: 'Version', text: ({ version }) => version ?? '' },
    ],
    rows,
  )

const missingTable = ({ missing }: Results): string =>
  tableHtml(
    [
      { title: 'What', text: ({ title }: Results['missing'][number]) => title },
      { title: 'Why', text: ({ why }) => why },
    ],
    missing,
  )

const methodHtml = ({ settings, elapsedMs }: Results): string =>
  [
    'Every engine runs the same program: a static executable of 129 bytes (132 on arm64) that makes one system call, exit_group. What is timed is therefore the start and the end, and nothing in between.',
    'slipway is timed inside the Node.js process that uses it, from the call of the library to the moment its caller knows that the program has ended; where it says so, to the moment nothing of the container is left. Commands are timed by a thread of the same process from before its vfork to after its waitpid, so Node’s own way of starting programs is no part of it. child_process.spawn is Node’s own way. All read one clock, CLOCK_MONOTONIC.',
    `Rounds are interleaved: each visits everything once, in a random order (seed ${settings.seed}), with ${settings.lead} start that is not counted and then a block that is. So a slow moment of the machine hits all alike, and no one measures the caches of the one before. Before the first round everything is warmed up. The next start begins when the container before is gone.`,
    'What a part costs is a difference: the median of a round’s block with the part less that of the same round’s block without it, and of these differences the median over all rounds. Alone compares a container that has nothing but a mount namespace and a root, and what the part needs, with the same and the part. Together compares the whole default isolation with the same less the part and what needs it. The bounds given for 95 % are those of the sign test, which asks nothing of the distribution.',
    'The default isolation is Docker’s: its namespaces, mounts, masked and read-only paths, capabilities, device rules and seccomp profile, with limits of 64 MiB, one CPU and 64 processes; the network is none. The root is an overlay over one layer; crun and runc, and slipway as a command, get a plain directory.',
    `The command was: ${settings.command}. It took ${humanTime(elapsedMs)}.`,
  ]
    .map((paragraph) => `<p>${e(paragraph)}</p>`)
    .join('\n')

const environmentTable = ({ environment: env }: Results): string => {
  const rows: readonly (readonly [string, string])[] = [
    ['Date', env.date],
    ['slipway', env.slipway],
    ['Node.js', `${env.node}, ${formatSize(env.residentBytes)} resident`],
    ['Kernel', `Linux ${env.kernel}, ${env.arch}`],
    ['Processor', `${env.cpu}, ${env.cpus} online${env.machine === 'guest' ? ', virtual machine' : ''}`],
    ['Frequency governor', env.governor ?? 'not to be seen from here'],
    ['Memory', formatSize(env.memoryBytes)],
    ['Cgroups', env.cgroup],
    ['Security modules', env.security.join(', ') || 'neither AppArmor nor SELinux'],
    ['File system of the store', env.store],
    ['File system of runtime files', env.runtime],
    ['Load average', `${env.loadBefore.toFixed(2)} before, ${env.loadAfter?.toFixed(2) ?? 'unknown'} after`],
  ]
  return tableHtml(
    [
      { title: 'What', text: ([name]: readonly [string, string]) => name },
      { title: 'Here', text: ([, value]) => value },
    ],
    rows,
  )
}

const citeHtml = ({ environment: env }: Results): string => {
  const words = `slipway ${env.slipway}, \`slipway bench\`, run on ${env.date.slice(0, 10)}: ${env.cpu} (${env.cpus} CPUs), Linux ${env.kernel}, Node.js ${env.node}.`
  const bibtex = `@misc{slipway-bench,
  title        = {What isolation costs: results of slipway bench},
  howpublished = {slipway ${env.slipway}, run on ${env.date.slice(0, 10)}},
  note         = {${env.cpu.replace(/[{}\\]/g, '')}, ${env.cpus} CPUs, Linux ${env.kernel.replace(/[{}\\]/g, '')}, Node.js ${env.node}}
}`
  return `<p>Results hold for one machine and one moment, so both belong to them. Every sample is in results.json.</p>
<pre>${e(words)}</pre>
<pre>${e(bibtex)}</pre>`
}
