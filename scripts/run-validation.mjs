#!/usr/bin/env node
// `node scripts/run-validation.mjs [--only WORD] DIR RUNTIME...`: runs the programs that make-validation.sh made in DIR against each of
// the runtimes. Prints a line for each: runtime, program, how many tests passed, and what did not, with tabs between.
import path from 'node:path'
import { parseArgs } from 'node:util'
import { openRuntime, programsIn, runAll } from './validation-suite.mjs'

const { values, positionals } = parseArgs({ allowPositionals: true, options: { only: { type: 'string' } } })
const [directory, ...runtimes] = positionals
if (directory === undefined || runtimes.length === 0) {
  console.error('usage: run-validation.mjs [--only WORD] DIR RUNTIME...')
  process.exit(1)
}
const programs = programsIn(directory).filter((name) => name.includes(values.only ?? ''))
for (const name of runtimes) {
  const runtime = openRuntime(path.resolve(directory), name)
  const results = await runAll(runtime, programs)
  runtime.close()
  for (const program of programs) {
    const { passed, failed } = results.get(program)
    console.log([path.basename(name), program, `${passed} passed`, ...failed].join('\t'))
  }
}
