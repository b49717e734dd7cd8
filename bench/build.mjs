// Compiles the benchmark's own C programs into build/bench/.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, statSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

export const projectRoot = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const sources = path.join(projectRoot, 'bench/native')
const output = path.join(projectRoot, 'build/bench')

const FREESTANDING = [
  '-Os',
  '-nostdlib',
  '-ffreestanding',
  '-static',
  '-no-pie',
  '-fno-stack-protector',
  '-fno-asynchronous-unwind-tables',
  '-s',
  '-Wl,--build-id=none',
  '-Wl,-z,noseparate-code',
]
const HOSTED = ['-O2', '-Wall', '-Wextra', '-Werror', '-Wno-unknown-warning-option']
const STATIC = [...HOSTED, '-static', '-s']

const isFresh = (target, source) => existsSync(target) && statSync(target).mtimeMs > statSync(source).mtimeMs

const compile = (name, flags) => {
  const source = path.join(sources, `${name}.c`)
  const target = path.join(output, name)
  if (!isFresh(target, source)) execFileSync('cc', [...flags, '-o', target, source], { stdio: 'inherit' })
  return target
}

/** Builds what is missing or older than its source; returns the programs' paths by name. */
export const buildTools = () => {
  mkdirSync(output, { recursive: true })
  return {
    timer: compile('timer', HOSTED),
    batch: compile('batch', HOSTED),
    payload: compile('true', FREESTANDING),
    idle: compile('idle', FREESTANDING),
    lines: compile('lines', STATIC),
    flood: compile('flood', STATIC),
    logWatch: compile('log-watch', STATIC),
  }
}

/** A TypeScript module of the project, bundled, to be used by a benchmark: `importSource('test/support/census.ts')`. */
export const importSource = async (file) => {
  const outfile = path.join(output, `${path.basename(file, '.ts')}.mjs`)
  await build({
    entryPoints: [path.join(projectRoot, file)],
    outfile,
    bundle: true,
    format: 'esm',
    platform: 'node',
    alias: { '#fp': 'fp-ts/es6' },
    logLevel: 'error',
    absWorkingDir: projectRoot,
  })
  return import(outfile)
}
