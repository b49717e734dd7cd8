// slipway bench on the real engine: its files and tables, peers that are missing or broken, and an end before its time.
import { type ChildProcess, execFileSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { xmlFault } from '../bench/svg-check.ts'
import { cgroupDirectories } from '../support/census.ts'
import { findProgram } from '../support/needs.ts'
import { assert, suite } from '../support/suite.ts'
import { openRealCli, outcomeOf, type RealCli, realCliNeeds } from './real-cli.ts'

const Bench = suite('cli/bench on the real engine')
const why = realCliNeeds()
let cli: RealCli
let out = ''
Bench.before(async () => {
  if (why !== undefined) return
  cli = await openRealCli()
})
Bench.after(() => cli?.close())
Bench.beforeEach(() => {
  out = path.join(cli.folder, 'out')
})
Bench.afterEach(async () => {
  execFileSync('rm', ['-rf', out])
  assert.equal(await cli.leftovers(), [])
  assert.equal(strays(), [])
})

const test = (name: string, body: () => Promise<void>): void =>
  why === undefined ? Bench(name, body) : Bench.skip(name, why)

/** Anything of the benchmark's own that is not below the store's directory. */
const strays = (): readonly string[] => [
  ...readdirSync(path.join(cli.root)).filter((name) => /bench-/.test(name)),
  ...cgroupDirectories('').filter((group) => /slipway-bench-/.test(group)),
]

const read = (name: string): string => readFileSync(path.join(out, name), 'utf8')
const results = () => JSON.parse(read('results.json'))

/** A folder to put on PATH in place of all others. */
const programs = (files: Readonly<Record<string, string>>): string => {
  const folder = path.join(cli.folder, 'programs')
  execFileSync('rm', ['-rf', folder])
  mkdirSync(folder)
  for (const [name, text] of Object.entries(files)) {
    writeFileSync(path.join(folder, name), text)
    chmodSync(path.join(folder, name), 0o755)
  }
  return folder
}

test('a whole run writes the page, the plots, the samples, and tables', async () => {
  const { code, stdout, stderr } = await cli.run(['bench', '--quick', '--runs', '1', '--out', out])
  assert.is(code, 0, stderr)
  const files = readdirSync(out).sort()
  const plots = ['built-up', 'cost-of-parts', 'distribution', 'side-by-side']
  for (const name of plots) assert.is(xmlFault(read(`${name}.svg`).trimEnd()), undefined)
  assert.equal(
    files.filter((name) => !name.endsWith('.png')),
    [...plots.map((name) => `${name}.svg`), 'report.html', 'results.json'].sort(),
  )
  const converter = ['rsvg-convert', 'inkscape', 'chromium'].find((name) => findProgram(name) !== undefined)
  assert.is(files.filter((name) => name.endsWith('.png')).length, converter === undefined ? 0 : 4)
  const { costs, ladder, engines, samples, partial, environment } = results()
  assert.equal([partial, costs.length, ladder.length], [false, 28, 13])
  assert.ok(samples.parts.every(({ ns }: { ns: number[][] }) => ns.flat().every((each) => each > 0)))
  const ids = engines.map(({ id }: { id: string }) => id)
  for (const id of ['slipway', 'slipway:removed', 'slipway-pool', 'slipway-command', 'spawn', 'vfork'])
    assert.ok(ids.includes(id), `${id} of ${ids}`)
  assert.ok(environment.kernel.length > 0 && environment.store !== 'unknown')
  assert.match(stdout, /What each part costs[\s\S]*seccomp filter[\s\S]*One start[\s\S]*vfork \+ exec/)
  assert.match(
    stderr,
    /^setting up .*\nwarming up [\s\S]*parts {2}round 1 [\s\S]*files in .*, to be read from report\.html\n$/,
  )
})

test('every engine that is installed runs its payload, and every other one is listed with the reason', async () => {
  const { code, stderr } = await cli.run(['bench', '--runs', '1', '--only', 'engines', '--out', out])
  assert.is(code, 0, stderr)
  const { engines, missing } = results()
  const measured = engines.map(({ id }: { id: string }) => id)
  for (const [id, title] of [
    ['unshare', 'unshare(1)'],
    ['bwrap', 'bwrap --unshare-all'],
    ['crun', 'crun run'],
    ['runc', 'runc run'],
  ] as const) {
    const entry = missing.find((each: { title: string }) => each.title === title)
    if (findProgram(id) === undefined) assert.is(entry?.why, `${id} is not on PATH`)
    else assert.ok(measured.includes(id), `${id}: ${entry?.why}`)
  }
  assert.ok(missing.every((each: { why: string }) => each.why.length > 0))
})

test('an engine that is missing and one that is broken are told, with what it said, and the others are measured', async () => {
  const env = { PATH: programs({ crun: '#!/bin/sh\necho "crun: <b>broken</b>" >&2\nexit 3\n' }) }
  const words = ['bench', '--runs', '1', '--only', 'engines', '--out', out]
  const { code, stdout, stderr } = await cli.run(words, { env })
  assert.is(code, 0, stderr)
  const { missing, engines } = results()
  assert.equal(
    missing.map(({ title, why: reason }: { title: string; why: string }) => `${title}: ${reason}`),
    [
      'unshare(1): unshare is not on PATH',
      'bwrap --unshare-all: bwrap is not on PATH',
      'crun run: exit code 3: crun: <b>broken</b>',
      'runc run: runc is not on PATH',
      'podman run: podman is not on PATH',
      'docker run: docker is not on PATH',
    ],
  )
  assert.ok(engines.length >= 5)
  assert.match(stdout, /crun run +exit code 3: crun: <b>broken<\/b>/)
  assert.ok(read('report.html').includes('crun: &lt;b&gt;broken&lt;/b&gt;'))
  assert.ok(read('report.html').includes('No PNG files were written: none of rsvg-convert'))
})

test('an engine that breaks in the middle is not shown, and told', async () => {
  const script =
    '#!/bin/sh\necho x >>"$0.count"\n[ "$(wc -l <"$0.count")" -lt 8 ] || { echo late >&2; exit 4; }\n'
  const env = { PATH: `${programs({ bwrap: script })}:/usr/bin:/bin` }
  const words = ['bench', '--runs', '12', '--only', 'bwrap', '--out', out]
  assert.is((await cli.run(words, { env })).code, 0)
  const { missing, engines } = results()
  assert.equal(
    engines.map(({ id }: { id: string }) => id),
    ['slipway', 'slipway:removed'],
  )
  assert.match(missing[0].why, /^exit code 4: late, after \d+ counted starts$/)
})

test('a folder that cannot be written is told before anything is measured', async () => {
  writeFileSync(path.join(cli.folder, 'file'), '')
  for (const [folder, error] of [
    [path.join(cli.folder, 'file', 'out'), 'ENOTDIR (not a directory)'],
    ['/proc/bench', 'ENOENT (no such file or directory)'],
  ] as const) {
    const { code, stdout, stderr } = await cli.run(['bench', '--out', folder])
    assert.equal([code, stdout], [125, ''])
    assert.is(stderr, `slipway: --out: ${JSON.stringify(folder)}: ${error}\n`)
  }
})

test('--json gives the results to programs, and writes nothing', async () => {
  const { code, stdout } = await cli.run(
    ['bench', '--json', '--runs', '2', '--only', 'seccomp', '--no-peers'],
    { cwd: cli.folder },
  )
  assert.is(code, 0)
  const { costs, samples, settings } = JSON.parse(stdout)
  assert.equal([costs.length, costs[0].id, samples.parts.length], [1, 'seccomp', 4])
  assert.is(settings.command, 'slipway bench --runs 2 --only seccomp --no-peers --json')
  assert.not.ok(readdirSync(cli.folder).some((name) => name.startsWith('slipway-bench')))
})

/** Resolves when standard error has come so far. */
const said = (child: ChildProcess, text: RegExp): Promise<void> =>
  new Promise((resolve, reject) => {
    let all = ''
    child.stderr?.on('data', (chunk: Buffer) => {
      all += chunk.toString()
      if (text.test(all)) resolve()
    })
    child.on('close', () => reject(new Error(`ended before it said ${text}: ${all}`)))
  })

for (const [where, text, words] of [
  ['while parts are measured', /parts {2}round 1/, []],
  ['while engines are measured', /engines {2}round 1/, ['--only', 'engines']],
] as const)
  test(`Ctrl-C ${where} leaves nothing, and what there is is marked as a part`, async () => {
    const child = cli.spawn(['bench', '--time', '100s', '--out', out, ...words])
    const outcome = outcomeOf(child)
    await said(child, text)
    await new Promise((resolve) => setTimeout(resolve, 1000))
    child.kill('SIGINT')
    const { code, stderr } = await outcome
    assert.is(code, 130)
    assert.match(stderr, /slipway: ended before its time/)
    if (existsSync(path.join(out, 'report.html'))) {
      assert.ok(read('report.html').includes('<strong>Partial.</strong>'))
      assert.is(results().partial, true)
    }
  })

test('Ctrl-C before the first sample writes nothing, and takes the folder away again', async () => {
  const child = cli.spawn(['bench', '--time', '100s', '--out', out])
  const outcome = outcomeOf(child)
  await said(child, /setting up/)
  child.kill('SIGINT')
  assert.is((await outcome).code, 130)
  assert.not.ok(existsSync(out))
})

Bench.run()
