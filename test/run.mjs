// The test runner: one process per file, nothing passes silently. The last line is `N passed, N failed[, N skipped]`.
import { mkdtempSync, readdirSync, rmdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { bundleTests, scriptOf, sweepBundles } from './runner/bundle.mjs'
import { chooseFiles, isNative, isSerial } from './runner/files.mjs'
import { parseOptions, USAGE } from './runner/options.mjs'
import { printFile, printSummary } from './runner/report.mjs'
import { childEnvironment, makeFindings } from './runner/sanitize.mjs'
import { killRunning, runFile } from './runner/test-process.mjs'
import { judge } from './runner/verdict.mjs'

process.chdir(path.dirname(path.dirname(fileURLToPath(import.meta.url))))
const options = parseOptions(process.argv.slice(2))
if (options.error !== undefined) {
  console.error(`${options.error}\n${USAGE}`)
  process.exit(2)
}

/** Runs `files`, `jobs` at a time, and prints each as it ends. */
const runAll = async (files, jobs, context) => {
  const queue = [...files]
  const verdicts = []
  const work = async () => {
    for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
      const run = await runFile(scriptOf(context.bundles, file), { ...context, env: context.envOf(file) })
      const verdict = judge(file, run)
      printFile(verdict)
      verdicts.push(verdict)
    }
  }
  await Promise.all(Array.from({ length: jobs }, work))
  return verdicts
}

/** Each red file once more, alone: what is red twice is broken, what is not is unsteady, and said to be. */
const runRedAgain = async (verdicts, context) => {
  const red = verdicts.filter(({ green }) => !green)
  if (red.length > MOST_AGAIN) return verdicts
  const again = new Map()
  for (const { file } of red) {
    console.log(`again, alone: ${file}`)
    const [verdict] = await runAll([file], 1, context)
    again.set(file, verdict)
    if (verdict.green) console.log(`unsteady: ${file}`)
  }
  return verdicts.map((verdict) => again.get(verdict.file) ?? verdict)
}
/** By file: the addon's own tests have it sanitized, too. */
const environments = (sanitize) => {
  const plain = childEnvironment(sanitize ? 'addon' : undefined)
  const other = sanitize ? childEnvironment('helper') : plain
  return (file) => (isNative(file) ? plain : other)
}

/** More than a few did not fail by chance. */
const MOST_AGAIN = 5

/** Each file's own folder is gone already, unless something is mounted in it: then it stays, and is told. */
const removeScratch = (scratch) => {
  for (const name of readdirSync(scratch).filter((each) => each.endsWith('.records'))) {
    rmSync(path.join(scratch, name))
  }
  try {
    rmdirSync(scratch)
  } catch (error) {
    console.log(`${scratch} stays: ${error.message}`)
  }
}

const main = async () => {
  const files = chooseFiles(options)
  const bundles = options.prebuilt ?? options.bundleTo ?? path.join('build', 'test', String(process.pid))
  if (options.prebuilt === undefined) {
    sweepBundles()
    await bundleTests(files, bundles)
  }
  if (options.bundleTo !== undefined) return 0
  if (options.sanitize) makeFindings()
  const scratch = mkdtempSync(path.join(tmpdir(), 'slipway-test-'))
  const context = {
    bundles,
    scratch,
    timeoutMs: options.timeoutMs,
    sanitize: options.sanitize,
    envOf: environments(options.sanitize),
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => {
      killRunning()
      process.exit(1)
    })
  }
  // A serial file counts what the whole machine holds, so nothing else of ours may run beside it.
  const parallel = await runAll(
    files.filter((file) => !isSerial(file)),
    options.jobs,
    context,
  )
  const serial = await runAll(files.filter(isSerial), 1, context)
  const verdicts = [...parallel, ...serial]
  const final = options.again ? await runRedAgain(verdicts, context) : verdicts
  removeScratch(scratch)
  if (options.prebuilt === undefined) rmSync(bundles, { recursive: true, force: true })
  return printSummary(final) ? 0 : 1
}
process.exit(
  await main().catch((error) => {
    console.error(error)
    console.log('0 passed, 1 failed')
    return 1
  }),
)
