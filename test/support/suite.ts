// uvu's suite with its silent failures made loud, and a record of every outcome for the runner.
import { appendFileSync } from 'node:fs'
import { inspect } from 'node:util'
import { suite as uvuSuite } from 'uvu'
import { lacking, type Need } from './needs.ts'

export * as assert from 'uvu/assert'

type Step = () => Promise<void> | void
type Hook = (step: Step) => void

export interface Suite {
  (name: string, test: Step): void
  before: Hook
  after: Hook
  beforeEach: Hook
  afterEach: Hook
  /** Registers a test that is counted as skipped, with the reason printed. */
  skip(name: string, reason: string): void
  /** The tests that follow are skipped, with the reason, where this machine lacks one of `needs`. */
  requires(...needs: readonly Need[]): void
  run(): void
}

/** What the runner reads: one JSON line per fact, in a file, so that no output of a test can pretend to be one. */
export type TestRecord =
  | { kind: 'suite' | 'run' | 'end'; suite: string }
  | { kind: 'hook'; suite: string; name: string; error: string }
  | { kind: 'test' | 'start' | 'pass'; id: number; suite: string; name: string }
  | { kind: 'fail'; id: number; suite: string; name: string; error: string }
  | { kind: 'skip'; suite: string; name: string; reason: string }

interface Hooks {
  readonly before: Step[]
  readonly after: Step[]
  readonly beforeEach: Step[]
  readonly afterEach: Step[]
}

const recordFile = process.env.SLIPWAY_TEST_RECORD
// A program started by a test is not the test: it must not write into its record.
delete process.env.SLIPWAY_TEST_RECORD
// Under sanitizers it is node alone that needs them loaded: other programs have leaks of their own at exit.
if (process.env.SLIPWAY_TEST_PRELOAD !== undefined) delete process.env.LD_PRELOAD
let ids = 0
let hookFailed = false

// uvu sets the exit code once more at its own end, to 0 where only a hook failed.
process.on('exit', () => {
  if (hookFailed) process.exitCode = 1
})

export const suite = (title: string): Suite => {
  const inner = uvuSuite(title)
  const hooks: Hooks = { before: [], after: [], beforeEach: [], afterEach: [] }
  let notPrepared: Error | undefined
  let lacked: string | undefined
  let tests = 0
  record({ kind: 'suite', suite: title })

  const test = ((name, body) => {
    if (lacked !== undefined) return test.skip(name, lacked)
    tests++
    const about = { id: ids++, suite: title, name }
    record({ kind: 'test', ...about })
    inner(name, () => runTest(about, hooks, body, notPrepared))
  }) as Suite
  test.before = (step) => hooks.before.push(step)
  test.after = (step) => hooks.after.push(step)
  test.beforeEach = (step) => hooks.beforeEach.push(step)
  test.afterEach = (step) => hooks.afterEach.push(step)
  test.skip = (name, reason) => {
    if (reason === '') throw new Error(`${title} › ${name}: a skipped test needs a reason`)
    record({ kind: 'skip', suite: title, name, reason })
    if (recordFile === undefined) console.log(`SKIP ${title} › ${name}: ${reason}`)
    inner.skip(name)
  }
  test.requires = (...needs) => {
    lacked ??= lacking(...needs)
  }
  test.run = () => {
    // Where every test is skipped, what the hooks prepare may be just what the machine lacks.
    inner.before(async () => {
      if (tests > 0) notPrepared = await runHooks(title, 'before', hooks.before)
    })
    inner.after(async () => {
      if (tests > 0) await runHooks(title, 'after', hooks.after)
      record({ kind: 'end', suite: title })
    })
    record({ kind: 'run', suite: title })
    inner.run()
  }
  return test
}

interface About {
  readonly id: number
  readonly suite: string
  readonly name: string
}

/** The body between its hooks. An afterEach that throws fails the test: uvu would drop the rest of the suite. */
const runTest = async (
  about: About,
  hooks: Hooks,
  body: Step,
  notPrepared: Error | undefined,
): Promise<void> => {
  record({ kind: 'start', ...about })
  const failure = notPrepared ?? (await firstError([...hooks.beforeEach, body]))
  const undone = notPrepared === undefined ? await eachError(hooks.afterEach) : []
  const error = failure ?? undone.shift()
  for (const late of undone) console.error(`after each, ${about.suite} › ${about.name}:`, late)
  if (error === undefined) return record({ kind: 'pass', ...about })
  record({ kind: 'fail', ...about, error: error.message })
  throw error
}

/** Runs every hook of one kind. The first error is returned, and known to the runner: uvu would report success. */
const runHooks = async (title: string, name: string, steps: readonly Step[]): Promise<Error | undefined> => {
  const errors = name === 'before' ? [await firstError(steps)] : await eachError(steps)
  for (const error of errors) {
    if (error === undefined) continue
    hookFailed = true
    console.error(`HOOK FAILED ${title} ${name}:`, error)
    record({ kind: 'hook', suite: title, name, error: error.message })
  }
  return errors[0]
}

/** Stops at the first step that throws. */
const firstError = async (steps: readonly Step[]): Promise<Error | undefined> => {
  for (const step of steps) {
    const [error] = await eachError([step])
    if (error !== undefined) return error
  }
  return undefined
}

/** Runs all steps, whatever they throw. */
const eachError = async (steps: readonly Step[]): Promise<Error[]> => {
  const errors: Error[] = []
  for (const step of steps) {
    try {
      await step()
    } catch (thrown) {
      errors.push(asError(thrown))
    }
  }
  return errors
}

/** uvu reads `name` and `stack` of what was thrown, and reports success where they are missing. */
const asError = (thrown: unknown): Error =>
  thrown instanceof Error && typeof thrown.name === 'string' && typeof thrown.stack === 'string'
    ? thrown
    : new Error(`threw ${inspect(thrown)}`)

const record = (fact: TestRecord): void => {
  if (recordFile !== undefined) appendFileSync(recordFile, `${JSON.stringify(fact)}\n`)
}
