import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
// @ts-expect-error: plain JavaScript, run as it is by the benchmarks
import { spread } from '../../bench/plot/draw.mjs'
// @ts-expect-error: the same
import { plotFault, plotOf, writePlot } from '../../bench/plot/history.mjs'
import { assert, suite } from '../support/suite.ts'

const test = suite('bench/plot')

interface Run {
  readonly environment: Record<string, unknown>
  readonly trials: Record<string, unknown>
}

const of = (ms: number): { outside: number[]; inside: number[] } => ({
  outside: [ms * 1e6],
  inside: [ms * 1e6],
})

const environment = {
  cpu: 'A & B <fast>',
  cpus: 2,
  node: 'v20.0.0',
  cgroup: 'v2',
  storage: 'ext4-loop',
  kernel: '6.18',
  dirty: false,
}

const run = (index: number, changed: Record<string, unknown> = {}): Run => ({
  environment: {
    ...environment,
    date: new Date(Date.UTC(2026, 0, 1, index)).toISOString(),
    commit: `${index}`.padStart(7, '0').padEnd(12, 'f'),
    ...changed,
  },
  trials: {
    'launch-cold': { 'all|slipway': of(3), 'all|floor': of(2.5), 'all|crun run': of(10 + index) },
    pool: { 'pool: call → exit': of(1), 'cold: call → exit': of(4), 'child_process.spawn': of(2) },
  },
})

const draw = (...runs: Run[]): string => plotOf(runs)
const count = (text: string, part: RegExp): number => [...text.matchAll(part)].length

/** Every element that is opened is closed, and text holds no bare markup. */
const isWellFormed = (svg: string): boolean => {
  const open: string[] = []
  for (const [, close, name, , self] of svg.matchAll(/<(\/?)(\w+)((?:\s[\w-]+="[^"<]*")*)\s*(\/?)>/g)) {
    if (close && open.pop() !== name) return false
    if (!close && !self) open.push(name as string)
  }
  const rest = svg.replace(/<\/?\w+(?:\s[\w-]+="[^"<]*")*\s*\/?>/g, '')
  return open.length === 0 && !/[<>]|&(?!amp;|lt;|gt;)/.test(rest)
}

test('labels that want the same place are moved apart, in their order, and stay inside', () => {
  assert.equal(spread([10, 12, 100], 15, 200), [10, 25, 100])
  assert.equal(spread([198, 10, 199], 15, 200), [185, 10, 200])
  assert.equal(spread([50], 15, 200), [50])
})

test('every curve ends in a label with its last ratio', () => {
  const svg = draw(run(0), run(2))
  for (const label of ['÷ floor: 1.20', '÷ crun: 0.25', '÷ child_process: 0.50', '÷ a cold start: 0.25'])
    assert.match(svg, `>${label}</text>`)
  assert.match(svg, '>wanted: at most 1.15</text>')
  assert.not.match(svg, 'docker')
})

test('what a machine is called cannot break the file', () => {
  assert.ok(isWellFormed(draw(run(0))))
  assert.match(draw(run(0)), 'A &amp; B &lt;fast&gt;')
  assert.not.ok(isWellFormed('<svg><text>a & b</text></svg>'))
  assert.not.ok(isWellFormed('<svg><g></svg>'))
})

test('a commit with changes has hollow marks', () => {
  assert.is(count(draw(run(0), run(1)), /class="mark c\d open"/g), 0)
  assert.is(count(draw(run(0), run(1, { dirty: true })), /class="mark c\d open"/g), 4)
})

test('another machine is marked and described, and the same one is not', () => {
  assert.is(count(draw(run(0), run(1)), /class="change"/g), 0)
  const svg = draw(run(0), run(1, { kernel: '6.19' }), run(2, { kernel: '6.19' }))
  assert.is(count(svg, /class="change"/g), 1)
  assert.match(svg, 'Machine 2: kernel 6.19, 2 ×')
})

test('so many runs that their names do not fit are named in part, the last one always', () => {
  const names = (runs: number): string[] =>
    [...draw(...Array.from({ length: runs }, (_, index) => run(index))).matchAll(/>(\d{7})</g)].map(
      ([, name]) => name as string,
    )
  assert.equal(names(3), ['0000000', '0000001', '0000002'])
  const some = names(60)
  assert.ok(some.length >= 5 && some.length <= 10, `${some.length} names`)
  assert.is(some.at(-1), '0000059')
})

test('a run that measured neither a cold start nor a pool is left out', () => {
  const other: Run = { environment: run(1).environment, trials: { 'command-line': {} } }
  assert.is(draw(run(0), other), draw(run(0)))
  assert.throws(() => draw(other), /no run of a cold start or of a pool/)
})

test('a plot that is not what the history makes is a fault, with the command that sets it right', () => {
  const project = mkdtempSync(path.join(tmpdir(), 'slipway-plot-'))
  const keep = (index: number): void =>
    writeFileSync(path.join(project, `bench/history/2026-${index}.json`), JSON.stringify(run(index)))
  try {
    for (const folder of ['bench/history', 'docs']) mkdirSync(path.join(project, folder), { recursive: true })
    keep(1)
    assert.match(plotFault(project), /there is none; node bench\/plot-history\.mjs --write/)
    writePlot(project)
    assert.is(plotFault(project), undefined)
    keep(2)
    assert.match(plotFault(project), /not what bench\/history makes; node bench\/plot-history\.mjs --write/)
  } finally {
    rmSync(project, { recursive: true })
  }
})

test.run()
