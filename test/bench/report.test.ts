// Plots and the page of the report: well-formed, self-contained, and nothing a name says is taken for markup.

import { PAPER_STYLE } from '../../src/bench/page.ts'
import { linearScale, logScale } from '../../src/bench/plot/scale.ts'
import { coordinate, escapeText, svgOf } from '../../src/bench/plot/svg.ts'
import { plotsOf, reportHtml } from '../../src/bench/report.ts'
import { type Gathered, REMOVED, resultsJson, resultsOf } from '../../src/bench/results.ts'
import { summaryTables } from '../../src/bench/summary-text.ts'
import { humanNs, humanTime, signedNs, tickNs } from '../../src/bench/units.ts'
import { assert, suite } from '../support/suite.ts'
import { gathered, HOSTILE, madeUpEnvironment } from './gathered.ts'
import { addressesIn, xmlFault } from './svg-check.ts'

const test = suite('bench/report')

const NOTHING: Partial<Gathered> = { parts: [], engines: [], infos: [], missing: [] }
const hostile = (): Gathered => {
  const { engines, infos, parts, ...rest } = gathered()
  return {
    ...rest,
    parts,
    engines: engines.map((each) => ({ ...each, title: `${each.title} ${HOSTILE}` })),
    infos: infos.map((each) => ({ ...each, does: HOSTILE, version: HOSTILE })),
    missing: [{ title: HOSTILE, why: HOSTILE }],
    environment: { ...madeUpEnvironment, cpu: HOSTILE, kernel: HOSTILE },
    settings: { ...rest.settings, command: HOSTILE },
  }
}
/** One start of each, all equally long: scales without an extent. */
const flat = (): Gathered => {
  const all = gathered()
  const one = <A extends { readonly ns: unknown; readonly removedNs: unknown }>(each: A) => ({
    ...each,
    ns: [[5]],
    removedNs: [[5]],
  })
  return { ...all, parts: all.parts.map(one), engines: all.engines.map(one) }
}
const CASES: readonly (readonly [string, () => Gathered])[] = [
  ['a usual run', gathered],
  ['hostile names', hostile],
  ['samples that are all the same', flat],
  ['nothing at all', () => gathered(NOTHING)],
  ['engines alone', () => gathered({ parts: [] })],
  ['parts alone', () => gathered({ engines: [], infos: [] })],
  ['a partial run', () => gathered({ partial: true })],
]

for (const [name, make] of CASES)
  test(`plots and page of ${name} are well-formed, complete and free of numbers that are none`, () => {
    const results = resultsOf(make())
    const page = reportHtml(results, HOSTILE)
    const bare = page.replace(/<style[^>]*>[^<]*<\/style>/g, '').replace(/<script>[\s\S]*?<\/script>/, '')
    for (const plot of plotsOf(results)) {
      assert.is(xmlFault(svgOf(plot)), undefined)
      assert.is(xmlFault(svgOf(plot, PAPER_STYLE)), undefined)
    }
    // HTML leaves these two open, gives a button a word without a value, and has a first line of its own.
    const asXml = bare
      .replace('<!DOCTYPE html>\n', '')
      .replace(/<meta [^>]*>/g, '')
      .replaceAll(' hidden>', '>')
    assert.is(xmlFault(asXml), undefined)
    assert.not.match(bare, /NaN|Infinity|undefined|\[object/)
  })

test('the page names nothing outside of itself', () => {
  assert.equal(addressesIn(reportHtml(resultsOf(gathered()), 'a note')), [])
  assert.ok(addressesIn('<img src="x">').length > 0 && addressesIn('//cdn.example/x').length > 0)
})

test('no name gets as far as to be markup', () => {
  const page = reportHtml(resultsOf(hostile()), HOSTILE)
  assert.is(page.match(/<script/g)?.length, 1)
  assert.not.ok(page.includes('\u0000') || page.includes('\u001b') || page.includes('alert("x")'))
})

test('the plots of a whole run are four, each with a title and a description of its own', () => {
  const plots = plotsOf(resultsOf(gathered()))
  assert.equal(
    plots.map(({ id }) => id),
    ['cost-of-parts', 'built-up', 'side-by-side', 'distribution'],
  )
  for (const plot of plots) {
    assert.match(svgOf(plot), /^<svg [^>]*role="img" aria-labelledby="\S+-title \S+-description"><title id=/)
    assert.ok(plot.description.length > 20)
  }
})

test('all marks of a plot lie inside of it', () => {
  for (const plot of [...plotsOf(resultsOf(gathered())), ...plotsOf(resultsOf(flat()))]) {
    const body = plot.body.join('')
    const places = (names: string): readonly number[] =>
      [...body.matchAll(new RegExp(` (?:${names})="(-?[\\d.]+)"`, 'g'))].map(([, value]) => Number(value))
    assert.ok(places('x|x1|x2|cx').every((x) => x >= 0 && x <= plot.width))
    assert.ok(places('y|y1|y2|cy').every((y) => y >= 0 && y <= plot.height))
  }
})

test('a coordinate that is none is a bug, told at once', () => {
  assert.throws(() => coordinate(Number.NaN), /coordinate NaN/)
})

test('text is escaped for both kinds of markup, and characters XML has not are replaced', () => {
  assert.is(escapeText(`<a b="c">&'\u0007\ud800😀`), '&lt;a b=&quot;c&quot;&gt;&amp;&#39;\ufffd\ufffd😀')
})

test('costs are differences by round, and the whole less a part needs no further start', () => {
  const { costs, ladder } = resultsOf(gathered())
  assert.is(costs.length, 28)
  for (const { title, alone, together } of costs) {
    assert.is(alone?.p50, 50_000, title)
    assert.is(together?.p50, 50_000, title)
  }
  assert.is(ladder.length, 13)
  assert.is(ladder[1]?.added?.p50, 50_000)
})

test('engines come in the order of their medians, and an end with its removal is a row of its own', () => {
  const { engines, starts } = resultsOf(gathered())
  assert.equal(
    engines.map(({ id }) => id),
    ['vfork', 'slipway-pool', 'slipway', `slipway${REMOVED}`, 'crun', 'podman'],
  )
  assert.is(starts, (5 + gathered().plan.sets.length) * 27)
})

test('a subject that failed is in no row, and is told with its reason', () => {
  const all = gathered()
  const failure = 'exit code 3: boom'
  const results = resultsOf({
    ...all,
    engines: all.engines.map((each) => (each.id === 'crun' ? { ...each, failure } : each)),
  })
  assert.not.ok(results.engines.some(({ id }) => id === 'crun'))
  assert.equal(results.missing.at(-1), {
    title: 'crun run',
    why: 'exit code 3: boom, after 27 counted starts',
  })
  assert.ok(reportHtml(results, '').includes('exit code 3: boom'))
})

test('a busy machine and a partial run are told before any figure', () => {
  const { environment } = gathered()
  const busy = reportHtml(
    resultsOf(gathered({ environment: { ...environment, loadBefore: 1.9 }, partial: true })),
    '',
  )
  const [head = ''] = busy.split('class="figures"')
  assert.ok(head.includes('A busy machine.') && head.includes('1.90') && head.includes('Partial.'))
  assert.not.match(reportHtml(resultsOf(gathered()), ''), /A busy machine|Partial\./)
})

test('results.json holds every sample, and no number JSON has not', () => {
  const all = gathered({ parts: gathered().parts.map((each) => ({ ...each, ns: each.ns.slice(0, 2) })) })
  const document = JSON.parse(resultsJson(all, resultsOf(all)))
  assert.is(document.format.unit, 'ns')
  assert.is(document.samples.engines[0].ns.flat().length, 27)
  assert.is(document.costs[0].alone.low, null)
})

test('the terminal is shown costs, engines and what is missing', () => {
  const [costs, engines, missing] = summaryTables(resultsOf(gathered()))
  assert.equal(costs?.rows[0], ['pid namespace', '  50.0 µs', '  50.0 µs'])
  assert.equal(engines?.rows[0]?.slice(0, 3), ['vfork + exec', '   102 µs', '   102 µs'])
  assert.equal(missing?.rows, [['docker run', 'docker is not on PATH']])
  assert.equal(summaryTables(resultsOf(gathered(NOTHING))), [])
})

test('times have three digits and a unit', () => {
  for (const [ns, text] of [
    [0, '0 ns'],
    [412, '412 ns'],
    [999.7, '1.00 µs'],
    [83_120, '83.1 µs'],
    [-1_474_000, '−1.47 ms'],
    [163_600_000, '164 ms'],
    [2_100_000_000, '2.10 s'],
    [Number.NaN, '–'],
  ] as const)
    assert.is(humanNs(ns), text)
  assert.is(signedNs(1500), '+1.50 µs')
  assert.is(signedNs(-0.1), '0 ns')
  assert.equal([0, 2_500_000, -500_000].map(tickNs), ['0', '2.5 ms', '−500 µs'])
  assert.equal([999, 48_400, 125_000].map(humanTime), ['1 s', '48 s', '2 min 05 s'])
})

test('an axis ends at marks on both sides, and holds every value', () => {
  for (const [low, high] of [
    [0, 1],
    [-7.3, 12.9],
    [0, 4_321_987],
    [3, 3],
  ] as const) {
    const { at, ticks } = linearScale(low, high, 100, 500, 7)
    assert.ok(ticks.length >= 1 && ticks.length <= 12, `${low} ${high}: ${ticks}`)
    assert.ok(at(low) >= 100 - 1e-6 && at(high) <= 500 + 1e-6)
  }
  for (const [low, high] of [
    [1, 1],
    [90, 110],
    [123, 4_567_890],
  ] as const) {
    const { at, ticks, minor } = logScale(low, high, 100, 500)
    assert.ok(ticks.length >= 1 && ticks.length + minor.length <= 40)
    assert.ok(at(low) >= 100 - 1e-6 && at(high) <= 500 + 1e-6)
  }
})

test.run()
