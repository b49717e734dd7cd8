// The environment test files run in, what a sanitized addon needs in it, and what the sanitized helper has found.
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
} from 'node:fs'
import path from 'node:path'

const SANITIZED = path.join('build', 'Debug-address-undefined')
const ADDON = path.join(SANITIZED, 'slipway.node')
/** The ordinary addon beside the sanitized helper. */
const HELPER_ONLY = path.join('build', 'sanitized-helper')
/** CMakeLists.txt, SLIPWAY_FINDINGS. */
const FINDINGS = path.join('build', 'cmake', 'Debug-address-undefined', 'Debug', 'findings')

/** `sanitize`: `addon` for the addon and its helper with sanitizers, `helper` for the helper alone. */
export const childEnvironment = (sanitize) => {
  const variables = { addon: sanitizerVariables, helper: helperVariables }[sanitize]?.() ?? {}
  const env = { ...process.env, FORCE_COLOR: '0', NO_COLOR: '1', ...variables }
  // Node 20 parses every certificate in it at each start: 33 ms per process (nodejs/node#40524).
  delete env.NODE_EXTRA_CA_CERTS
  delete env.NODE_OPTIONS
  return env
}

/** Any process may use it: nothing has to be loaded before Node. */
const helperVariables = () => {
  mkdirSync(HELPER_ONLY, { recursive: true })
  for (const [folder, name] of [
    ['build/Release', 'slipway.node'],
    [SANITIZED, 'slipway-init'],
  ]) {
    const target = path.join(HELPER_ONLY, name)
    // A process that runs keeps the file it has mapped.
    copyFileSync(path.join(folder, name), `${target}.new`)
    renameSync(`${target}.new`, target)
  }
  return { SLIPWAY_ADDON: path.resolve(HELPER_ONLY, 'slipway.node'), SLIPWAY_TEST_SANITIZED: 'helper' }
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
    SLIPWAY_TEST_SANITIZED: 'addon',
    LD_PRELOAD: preload,
    // For tests that start another Node with the addon; suite.ts takes LD_PRELOAD itself away from other programs.
    SLIPWAY_TEST_PRELOAD: preload,
    LSAN_OPTIONS: `suppressions=${path.resolve('test/runner/leaks.supp')}:print_suppressions=0`,
    UBSAN_OPTIONS: 'halt_on_error=1:print_stacktrace=1',
  }
}

/** Every process of the helper, whoever it is, may write here. Nothing is there yet. */
export const makeFindings = () => {
  rmSync(FINDINGS, { recursive: true, force: true })
  mkdirSync(FINDINGS, { recursive: true, mode: 0o777 })
  chmodSync(FINDINGS, 0o1777)
}

/** Reports that were written since the last time. Of files that run side by side they are the first one's that ends. */
export const takeFindings = () => {
  if (!existsSync(FINDINGS)) return []
  return readdirSync(FINDINGS).map((name) => {
    const file = path.join(FINDINGS, name)
    const report = readFileSync(file, 'utf8')
    rmSync(file)
    return report
  })
}
