// The embedding matrix: one subset of the library's tests in each JavaScript runtime, and in a worker thread of each.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { printFile, printSummary } from '../runner/report.mjs'
import { childEnvironment } from '../runner/sanitize.mjs'
import { killRunning, runFile } from '../runner/test-process.mjs'
import { judge } from '../runner/verdict.mjs'
import { install } from './install.mjs'
import { writePage } from './render.mjs'
import { stage } from './stage.mjs'
import { CASES, exceptionFor, RUNTIMES, withoutRights } from './table.mjs'

process.chdir(path.dirname(path.dirname(path.dirname(fileURLToPath(import.meta.url)))))
const USAGE = `usage: npm run test:matrix -- [runtime...]
  host, ${RUNTIMES.map(({ id }) => id).join(', ')}; all of them when none is named
  --write-docs   writes the table into docs/embedding.md, and runs nothing`
/** A runtime that does not end by itself is a failure. */
const LIMIT_MS = 90_000
const JOBS = 2

/** Whatever this machine has. */
const HOST = {
  id: 'node',
  name: 'host',
  title: "this machine's Node",
  version: process.versions.node,
  args: [],
}

const main = async (words) => {
  const all = [HOST, ...RUNTIMES]
  const known = new Set(all.map(nameOf))
  const unknown = words.filter((word) => !known.has(word))
  if (unknown.length > 0) {
    console.error(`${unknown.join(', ')}: no such runtime\n${USAGE}`)
    return 2
  }
  const folder = path.resolve('build', 'matrix', String(process.pid))
  const scratch = mkdtempSync(path.join(tmpdir(), 'slipway-matrix-'))
  try {
    await stage(folder)
    const wanted = all.filter((runtime) => words.length === 0 || words.includes(nameOf(runtime)))
    return printSummary(await runAll(wanted.flatMap(runsOf), { folder, scratch })) ? 0 : 1
  } finally {
    rmSync(folder, { recursive: true, force: true })
    rmSync(scratch, { recursive: true, force: true })
  }
}

const nameOf = ({ name, id }) => name ?? id

const runsOf = (runtime) =>
  runtime.name === 'host'
    ? [{ runtime, thread: false }]
    : [false, true].map((thread) => ({ runtime, thread }))

const runAll = async (runs, context) => {
  const queue = [...runs]
  const verdicts = []
  const work = async () => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const verdict = await runOne(next, context)
      printRun(next, verdict)
      verdicts.push(verdict)
    }
  }
  await Promise.all(Array.from({ length: JOBS }, work))
  return verdicts
}

const runOne = async ({ runtime, thread }, { folder, scratch }) => {
  const title = `${runtime.title} ${runtime.version}${thread ? ', worker thread' : ''}`
  const started = Date.now()
  const { program, why } = runtime.name === 'host' ? { program: process.execPath } : install(runtime)
  if (program === undefined) return notHere(title, why, Date.now() - started)
  try {
    const command = [program, ...runtime.args]
    const env = {
      ...childEnvironment(),
      SLIPWAY_MATRIX_RUNTIME: runtime.id,
      SLIPWAY_MATRIX_COMMAND: JSON.stringify(command),
      SLIPWAY_MATRIX_WITHOUT_RIGHTS: JSON.stringify(withoutRights(runtime, program, runtime.args)),
    }
    const subset = path.join(folder, 'subset.mjs')
    const before = thread ? [path.join(folder, 'thread.mjs')] : []
    const ran = await runFile(subset, { scratch, env, timeoutMs: LIMIT_MS, command: [...command, ...before] })
    return { ...judge(title, ran), tests: ran.records.filter(({ kind }) => kind === 'test') }
  } catch (error) {
    return failed(title, error, Date.now() - started)
  }
}

/** A registry that does not answer says nothing of slipway: the runtime's cases are skipped, each by its name. */
const notHere = (file, reason, ms) => ({
  file,
  green: true,
  problems: [],
  passed: 0,
  failed: 0,
  skips: CASES.map((name) => ({ suite: file, name, reason })),
  tests: [],
  ms,
  text: '',
})

const failed = (file, error, ms) => ({
  file,
  green: false,
  problems: [error.message],
  passed: 0,
  failed: 1,
  skips: [],
  tests: [],
  ms,
  text: '',
})

const printRun = ({ runtime }, verdict) => {
  printFile(verdict)
  if (!verdict.green) return
  for (const { name } of verdict.tests) {
    const exception = exceptionFor(runtime.id, name)
    console.log(
      `     ${exception === undefined ? 'works  ' : 'refused'} ${name}${exception === undefined ? '' : `: ${exception.why}`}`,
    )
  }
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    killRunning()
    process.exit(1)
  })
}
const words = process.argv.slice(2)
if (words.includes('--write-docs')) writePage()
else process.exitCode = await main(words)
