// The programs of opencontainers/runtime-tools against slipway-oci: each passes but for what exceptions.ts has a reason for.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import {
  openRuntime,
  programsIn,
  type Result,
  runAll,
  type ValidatedRuntime,
} from '../../scripts/validation-suite.mjs'
import { lacking } from '../support/needs.ts'
import { assert, suite } from '../support/suite.ts'
import { openToMapped } from './life-cycle/support.ts'
import { EXCEPTIONS, WITHOUT_NUMBERS } from './validation/exceptions.ts'

const Validation = suite('oci/validation')
const SCRIPT = path.resolve('scripts/make-validation.sh')
const RUNTIME = path.resolve('dist/oci.cjs')

/** The folder with the programs, made once per machine; or why there is none. */
const madePrograms = (): { readonly directory: string } | { readonly missing: string } => {
  const hash = createHash('sha256')
  for (const file of [SCRIPT, path.resolve('test/oci/validation/tap.go')]) hash.update(readFileSync(file))
  const cache = process.env.SLIPWAY_TEST_CACHE ?? '/var/tmp/slipway-test-cache'
  const directory = path.join(cache, `validation-${hash.digest('hex').slice(0, 16)}`)
  if (existsSync(directory)) return { directory }
  const lack = lacking('program:go', 'program:apt-get')
  if (lack !== undefined) return { missing: lack }
  const { status, stderr } = spawnSync(SCRIPT, [directory], { encoding: 'utf8', timeout: 240_000 })
  // Another run may have made it meanwhile.
  if (status === 0 || existsSync(directory)) return { directory }
  return { missing: `needs the validation programs: ${stderr.trim().split('\n').at(-1)}` }
}

const lack = lacking('root', `file:${RUNTIME}`, 'program:flock', 'file:/sys/fs/cgroup/memory/tasks')
const made = lack === undefined ? madePrograms() : { missing: lack }

let runtime: ValidatedRuntime | undefined
let results: ReadonlyMap<string, Result> = new Map()
Validation.before(async () => {
  if ('missing' in made) return
  openToMapped(tmpdir())
  runtime = openRuntime(made.directory, RUNTIME)
  results = await runAll(runtime, programsIn(made.directory))
})
Validation.after(() => runtime?.close())

const check = (program: string): void => {
  const { passed = 0, failed = [], told = 'it did not run' } = results.get(program) ?? {}
  const exception = EXCEPTIONS[program]
  const applies = exception !== undefined && (exception.where?.() ?? true)
  if (applies && exception.isRace === true && failed.length === 0) return
  assert.equal([...failed].sort(), applies ? [...exception.says].sort() : [], told)
  const gaveUp = failed.length > 0 && passed === 0
  assert.ok(passed > 0 || gaveUp || WITHOUT_NUMBERS.has(program), `${program} made no test: ${told}`)
}

if ('missing' in made) Validation.skip('the validation suite of the specification', made.missing)
else {
  const programs = programsIn(made.directory)
  for (const program of programs) Validation(program, () => check(program))
  Validation('every exception is one of a program', () => {
    const others = [...Object.keys(EXCEPTIONS), ...WITHOUT_NUMBERS].filter((name) => !programs.includes(name))
    assert.equal(others, [])
    assert.ok(programs.length > 50, `${programs.length} programs`)
  })
}

Validation.run()
