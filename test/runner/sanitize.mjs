// The environment test files run in, and what a sanitized addon needs in it.
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import path from 'node:path'

const ADDON = path.join('build', 'Debug-address-undefined', 'slipway.node')

export const childEnvironment = (sanitize) => {
  const env = { ...process.env, FORCE_COLOR: '0', NO_COLOR: '1', ...(sanitize ? sanitizerVariables() : {}) }
  // Node 20 parses every certificate in it at each start: 33 ms per process (nodejs/node#40524).
  delete env.NODE_EXTRA_CA_CERTS
  delete env.NODE_OPTIONS
  return env
}

/** Node itself is not instrumented, so the sanitizers' libraries must be loaded before it. */
const sanitizerVariables = () => {
  if (!existsSync(ADDON)) {
    throw new Error(`${ADDON} is missing: node scripts/native-build.mjs --debug --sanitize=address,undefined`)
  }
  const library = (name) => execFileSync('gcc', [`-print-file-name=${name}`], { encoding: 'utf8' }).trim()
  const preload = `${library('libasan.so')} ${library('libubsan.so')}`
  return {
    SLIPWAY_ADDON: path.resolve(ADDON),
    LD_PRELOAD: preload,
    // For tests that start another Node with the addon; suite.ts takes LD_PRELOAD itself away from other programs.
    SLIPWAY_TEST_PRELOAD: preload,
    LSAN_OPTIONS: `suppressions=${path.resolve('test/runner/leaks.supp')}:print_suppressions=0`,
    UBSAN_OPTIONS: 'halt_on_error=1:print_stacktrace=1',
  }
}
