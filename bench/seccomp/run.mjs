// node bench/seccomp/run.mjs [rounds]: what loading Docker's default profile costs, by our filter and by libseccomp's.
// Needs libseccomp-dev and a C compiler. Each load is in a new process; the three filters take turns.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildSync } from 'esbuild'

const ROUNDS = Number(process.argv[2] ?? 2000)
const here = path.dirname(fileURLToPath(import.meta.url))
process.chdir(path.join(here, '..', '..'))

const median = (values) => values.sort((one, other) => one - other)[Math.floor(values.length / 2)]

const makeFilters = (dir) => {
  const outfile = path.join(dir, 'filters.mjs')
  buildSync({
    entryPoints: [path.join(here, 'filters.ts')],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    alias: { '#fp': 'fp-ts/es6' },
  })
  return JSON.parse(execFileSync(process.execPath, [outfile, dir], { encoding: 'utf8' }))
}

/** Nanoseconds of every load, by filter. */
const measure = (dir, names) => {
  const program = path.join(dir, 'load')
  execFileSync('cc', ['-O2', '-o', program, path.join(here, 'load.c')])
  const files = names.map((name) => path.join(dir, `${name}.bpf`))
  const output = execFileSync(program, [String(ROUNDS), ...files], { encoding: 'utf8', maxBuffer: 1 << 28 })
  const rounds = output
    .trim()
    .split('\n')
    .map((line) => line.split(' ').map(Number))
  return names.map((_, column) => rounds.map((round) => round[column]))
}

const dir = mkdtempSync(path.join(tmpdir(), 'slipway-seccomp-bench-'))
try {
  const { first, warm, counts } = makeFilters(dir)
  const names = Object.keys(counts)
  const medians = measure(dir, names).map(median)
  console.log(`loads, ${ROUNDS} of each, median`)
  names.forEach((name, index) => {
    const ratio = (medians[0] / medians[index]).toFixed(2)
    console.log(
      `${name.padEnd(22)}${String(counts[name]).padStart(5)} instructions ${(medians[index] / 1000).toFixed(1).padStart(7)} µs  ours/this ${ratio}`,
    )
  })
  console.log(`compiling: first ${(first / 1000).toFixed(1)} ms, warm median ${(warm / 1000).toFixed(2)} ms`)
} finally {
  rmSync(dir, { recursive: true, force: true })
}
