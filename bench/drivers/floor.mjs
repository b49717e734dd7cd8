// The kernel floor of a shape: slipway's own start recorded, turned into C, compiled, and kept as a resident driver.
import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { projectRoot } from '../build.mjs'
import { generateFloor } from '../floor/generate.mjs'

const sources = path.join(projectRoot, 'bench/floor')
const WARNINGS = ['-Wall', '-Wextra', '-Wno-unused-function', '-Wno-unused-variable', '-Wno-type-limits']
const FREESTANDING = [
  '-nostdlib',
  '-ffreestanding',
  '-fno-builtin',
  '-static',
  '-no-pie',
  '-fno-stack-protector',
]

const compile = (folder, name, flags) => {
  const target = path.join(folder, `floor-${name}`)
  const includes = ['-I', folder, '-I', sources]
  execFileSync(
    'cc',
    ['-O2', ...WARNINGS, ...flags, ...includes, '-o', target, path.join(sources, `${name}.c`)],
    {
      stdio: 'inherit',
    },
  )
  return target
}

/** What one start of `shape` hands to the native half (bench/floor/record.mjs); `kind` is `cold` or `pool`. */
export const recordStart = (stage, shape, kind = 'cold') => {
  const script = path.join(projectRoot, 'bench/drivers/record-node.mjs')
  const text = execFileSync(process.execPath, [script, stage.dir, JSON.stringify(shape), kind], {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  return JSON.parse(text)
}

/**
 * Records, generates and compiles. Returns the floor's command line. `flags` are further ones for the compiler; `kind` is `cold`, or
 * `pool` for a start from a pool; a `variant` leaves out operations.
 */
export const makeFloor = (stage, shape, flags = [], kind = 'cold', { variant = '', leaveOut } = {}) => {
  const folder = path.join(stage.dir, `floor-${kind}-${shape.name}${variant.replace(/\W+/g, '-')}`)
  mkdirSync(folder, { recursive: true })
  const recording = recordStart(stage, shape, kind)
  writeFileSync(path.join(folder, 'recording.json'), JSON.stringify(recording))
  generateFloor(folder, recording, leaveOut)
  return [
    compile(folder, 'engine', ['-pthread', ...flags]),
    compile(folder, 'init', [...FREESTANDING, ...flags]),
  ]
}

/** `ahead`: as for slipway, what the engine has made before a cold start by default, or nothing (`plain`). */
export const floorDriver = (
  stage,
  shape,
  { name = 'floor', block = 10, kind = 'cold', ahead = 'default' } = {},
) =>
  shape.mount && {
    kind: 'resident',
    name,
    argv: makeFloor(stage, shape, ahead === 'default' ? ['-DNETWORK_AHEAD'] : [], kind, {
      variant: ahead === 'default' ? '' : '-plain',
    }),
    block,
    lead: 1,
    host: true,
  }
