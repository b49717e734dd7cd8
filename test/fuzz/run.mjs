// `npm run fuzz -- [--seconds 20]`: bytes that nobody meant, for so long each: the decoder of plans, the tar reader, and a monitor's table and protocol by libFuzzer, and
// the decoders of documents, the planner and the compiler of filters by their property tests with more runs. Needs clang with its runtime.
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { buildSync } from 'esbuild'

const { values } = parseArgs({ options: { seconds: { type: 'string', default: '20' } } })
const seconds = Number(values.seconds)
process.chdir(path.join(path.dirname(fileURLToPath(import.meta.url)), '..', '..'))

const run = (program, args, env = {}) =>
  spawnSync(program, args, { stdio: ['ignore', 'inherit', 'inherit'], env: { ...process.env, ...env } })
    .status === 0

const FLAGS = [
  '-std=c++20',
  '-O1',
  '-g',
  '-fno-omit-frame-pointer',
  '-fsanitize=fuzzer,address,undefined',
  '-fno-sanitize-recover=undefined',
  '-D_GNU_SOURCE',
  '-I',
  'native',
]

/** `test/fuzz/<name>.cc` with what it tests, on the seeds that a script writes, which is told `what`. */
const fuzz = (folder, name, seedScript, sources = [], what = '') => {
  const at = (file) => path.join(folder, file)
  const corpus = at(`${name}-corpus`)
  mkdirSync(corpus)
  buildSync({
    entryPoints: [`test/fuzz/${seedScript}`],
    outfile: at(`${name}-seeds.mjs`),
    bundle: true,
    platform: 'node',
    format: 'esm',
    alias: { '#fp': 'fp-ts/es6' },
  })
  return (
    run(process.execPath, [at(`${name}-seeds.mjs`), corpus, what]) &&
    run('clang++', [...FLAGS, '-o', at(name), `test/fuzz/${name}.cc`, ...sources]) &&
    run(at(name), [
      corpus,
      `-max_total_time=${seconds}`,
      '-max_len=65536',
      '-timeout=10',
      `-artifact_prefix=${path.resolve('build')}/fuzz-`,
      '-verbosity=0',
      '-print_final_stats=1',
      '-close_fd_mask=1',
    ])
  )
}
const TAR = ['tar_reader', 'tar_entry', 'tar_header', 'pax'].map((name) => `native/layer/${name}.cc`)
const initOf = (...names) => names.map((name) => `native/init/${name}.cc`)
const TABLE = initOf('monitor_base', 'monitor_table')
const FRAMES = initOf('monitor_base', 'monitor_clients')
const parts = [
  (folder) => fuzz(folder, 'plan', 'plan-seeds.ts'),
  (folder) => fuzz(folder, 'tar', 'tar-seeds.ts', TAR),
  (folder) => fuzz(folder, 'monitor-table', 'monitor-seeds.ts', TABLE, 'table'),
  (folder) => fuzz(folder, 'monitor-frames', 'monitor-seeds.ts', FRAMES, 'frames'),
  () => fuzzDocuments(),
]

/** About as many runs as take so long: they are counted, not timed, and the runner ends a file after five minutes. */
const RUNS_A_SECOND = 400
const MOST_SECONDS = 60
const TESTS = [
  'model/hostile-input',
  'model/image-fuzz',
  'plan/launch/document',
  'native/layer-fuzz',
  'plan/seccomp/compile',
]
const fuzzDocuments = () =>
  run(process.execPath, ['test/run.mjs', ...TESTS], {
    SLIPWAY_FUZZ_RUNS: String(Math.min(seconds, MOST_SECONDS) * RUNS_A_SECOND),
  })

const folder = mkdtempSync(path.join(tmpdir(), 'slipway-fuzz-'))
let passed = 0
let failed = 0
try {
  for (const part of parts) {
    if (part(folder)) passed++
    else failed++
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}
console.log(`${passed} passed, ${failed} failed`)
process.exit(failed === 0 ? 0 : 1)
