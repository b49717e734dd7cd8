// slipway explain: starts a container and shows every step of the start with its measured time.
import * as E from '#fp/Either'
import { type EngineError, exitCodeOf } from '../../model/errors.ts'
import type { Timings } from '../../model/exit.ts'
import { parseArgs, type UsageError } from '../args.ts'
import { readCallersFile } from '../callers-files.ts'
import { type Args, type Context, command, type FlagSpec, type FlagTable } from '../command.ts'
import type { Ended } from '../engine.ts'
import { reportError, reportUsage } from '../report.ts'
import { runFlags } from '../run-flags.ts'
import { runArgsToOptions } from '../run-options.ts'
import { activityStrip, differences, median, medianSteps, type StepDifference } from '../start-ledger.ts'
import { alignColumns } from '../table.ts'
import { chartOptions, sharesLine, stepChart, summaryLine } from '../timing.ts'

/** Flags of `run` about streams that are closed here: nobody watches the program. */
const CLOSED: ReadonlySet<string> = new Set([
  'attach',
  'cidfile',
  'detach',
  'interactive',
  'sig-proxy',
  'timing',
  'tty',
])
const closed = { yet: false, why: 'explain runs the program with its streams closed' }

const allFlags = {
  json: { kind: 'boolean', help: 'Give the steps as JSON' },
  runs: {
    kind: 'integer',
    value: 'N',
    help: 'Run the program N times and show medians (default 1; with --diff 20)',
  },
  diff: { kind: 'text', value: 'FLAGS', help: 'Compare with a run that has these flags, too' },
  ...runFlags,
  rm: { kind: 'boolean', help: 'Always done; accepted so that a run line can be reused' },
} as const satisfies FlagTable

const explainFlags = Object.fromEntries(
  Object.entries<FlagSpec>(allFlags).map(([name, spec]) => [
    name,
    CLOSED.has(name) ? { ...spec, unsupported: closed } : spec,
  ]),
) as typeof allFlags

const USAGE_EXIT_CODE = 125
const explainGrammar = {
  flags: explainFlags,
  usage: '[OPTIONS] IMAGE [COMMAND] [ARG...]',
  stopsAtPositional: true,
  positionals: { min: 0 },
}

export const explain = command({
  ...explainGrammar,
  name: 'explain',
  summary: 'Run a program in a container and show what each step of the start took',
  usageExitCode: USAGE_EXIT_CODE,
  run: async (context) => {
    const shown = await (context.args.flags.diff === undefined ? explainOne(context) : compareTwo(context))
    if (E.isRight(shown)) {
      context.stdout.write(shown.right)
      return 0
    }
    if (shown.left._tag === 'UsageError') {
      reportUsage(context.stderr, 'explain', shown.left)
      return USAGE_EXIT_CODE
    }
    reportError(context.stderr, shown.left)
    return exitCodeOf(shown.left)
  },
})

type ExplainContext = Context<typeof explainFlags>
type ExplainArgs = Args<typeof explainFlags>
type Failure = EngineError | UsageError

const RUNS_TO_COMPARE = 20

const explainOne = async (context: ExplainContext): Promise<E.Either<Failure, string>> => {
  const { args } = context
  const measured = await measure(context, [args], args.flags.runs ?? 1)
  return E.map(([own]: readonly Explanation[]) =>
    own === undefined ? '' : args.flags.json ? jsonText(own) : explainText(context, own),
  )(measured)
}

/** The second run's flags are those of the first one and the ones given to `--diff`. */
const compareTwo = async (context: ExplainContext): Promise<E.Either<Failure, string>> => {
  const { args } = context
  const other = withFlags(args)
  if (E.isLeft(other)) return other
  const measured = await measure(context, [args, other.right], args.flags.runs ?? RUNS_TO_COMPARE)
  return E.map(([one, two]: readonly Explanation[]) => {
    if (one === undefined || two === undefined) return ''
    const steps = differences(one.steps, two.steps)
    return args.flags.json ? jsonText({ one, other: two, steps }) : comparison(context, one, two, steps)
  })(measured)
}

const jsonText = (value: object): string => `${JSON.stringify(value, null, 2)}\n`

const withFlags = ({ flags, positionals }: ExplainArgs): E.Either<UsageError, ExplainArgs> => {
  const words = (flags.diff ?? '').split(/\s+/).filter((word) => word !== '')
  const parsed = parseArgs(explainGrammar, [...words, '--', ...positionals], flags)
  if (E.isLeft(parsed)) return E.left({ ...parsed.left, message: `--diff: ${parsed.left.message}` })
  if (parsed.right._tag === 'Help') return E.left({ _tag: 'UsageError', message: '--diff: takes no --help' })
  return E.right(parsed.right.args as ExplainArgs)
}

/**
 * Real starts with closed streams, those of several lines in turn. More than one of a line are preceded by one that is not counted: it
 * makes the plan.
 */
const measure = async (
  context: ExplainContext,
  lines: readonly ExplainArgs[],
  runs: number,
): Promise<E.Either<Failure, readonly Explanation[]>> => {
  if (runs < 1 || runs > MAX_RUNS)
    return E.left({ _tag: 'UsageError', message: `--runs: ${runs} is not between 1 and ${MAX_RUNS}` })
  const results: Ended[][] = lines.map(() => [])
  const first = runs > 1 ? -1 : 0
  for (let run = first; run < runs; run++) {
    for (const [index, line] of lines.entries()) {
      if (runs > 1) await rest()
      const ended = await measureOnce(context, line)
      if (E.isLeft(ended)) return ended
      if (run === first && ended.right.exitCode !== 0) tellFailed(context, ended.right)
      if (run >= 0) results[index]?.push(ended.right)
    }
  }
  return E.right(results.map(explanation))
}

const MAX_RUNS = 10_000
/** What the container before left is being removed. */
const rest = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5))

const tellFailed = ({ stderr }: ExplainContext, { exitCode }: Ended): void =>
  stderr.write(`slipway: the program ended with exit code ${exitCode}\n`)

const measureOnce = async (context: ExplainContext, args: ExplainArgs): Promise<E.Either<Failure, Ended>> => {
  const { env, cwd } = context
  const flags = { ...args.flags, ...OWN_DEFAULTS }
  const request = runArgsToOptions({ ...args, flags }, { env, cwd, readFile: readCallersFile(cwd) })
  if (E.isLeft(request)) return request
  const streams = { stdin: 'ignore', stdout: 'ignore', stderr: 'ignore' } as const
  const started = await (await context.engine()).start(request.right.image, request.right.argv, {
    ...request.right.options,
    ...streams,
  })()
  if (E.isLeft(started)) return started
  return E.right(await started.right.exit)
}

/** What the flags that are not offered here would have been: a container that leaves nothing behind. */
const OWN_DEFAULTS = {
  rm: true,
  attach: [],
  interactive: false,
  tty: false,
  timing: false,
  'sig-proxy': true,
  cidfile: undefined,
} as const

/** Medians of several starts of one shape; the usage and the exit code are those of the last one. */
type Explanation = Pick<Ended, 'usage' | 'exitCode'> & Timings & { readonly runs: number }

const explanation = (starts: readonly Ended[]): Explanation => {
  const { exitCode, usage } = starts.at(-1) as Ended
  return {
    runs: starts.length,
    toExecMs: median(starts.map(({ timings }) => timings.toExecMs)),
    toExitMs: median(starts.map(({ timings }) => timings.toExitMs)),
    exitCode,
    usage,
    steps: medianSteps(starts.map(({ timings }) => timings.steps)),
  }
}

const STRIP_COLUMNS = 72

const explainText = ({ stdout, env }: ExplainContext, explained: Explanation): string => {
  const options = chartOptions(stdout, env)
  const { steps, toExecMs, usage, runs } = explained
  const strip = activityStrip(steps, toExecMs * 1000, {
    ...options,
    columns: Math.min(STRIP_COLUMNS, Math.max(20, (options.columns ?? 80) - 8)),
  })
  const summary = [summaryLine(explained, usage), sharesLine(explained)]
  const note = runs === 1 ? [] : [`medians of ${runs} starts`]
  return `${[...stepChart(steps, options), '', ...strip, '', ...summary, ...note].join('\n')}\n`
}

const comparison = (
  { stdout, env, args }: ExplainContext,
  one: Explanation,
  two: Explanation,
  steps: readonly StepDifference[],
): string => {
  const { style } = chartOptions(stdout, env)
  const micros = (us: number): string => us.toFixed(1).padStart(9)
  const signed = (us: number): string => `${us < 0 ? '-' : '+'}${Math.abs(us).toFixed(1)}`.padStart(9)
  const rows = steps.map(({ side, step, count, us }) => [
    signed(us[1] - us[0]),
    micros(us[0]),
    micros(us[1]),
    count[0] === count[1] ? `${count[0]} ×` : `${count[0]} × → ${count[1]} ×`,
    side,
    step,
  ])
  const head = ['+/- µs', 'without', 'with'].map((title) => title.padStart(9))
  const [header = '', ...lines] = alignColumns([[...head, 'times', 'side', 'step'], ...rows])
  const total = (name: string, before: number, after: number): string =>
    `${name} ${before.toFixed(2)} → ${after.toFixed(2)} ms`
  const summary = [
    total('start', one.toExecMs, two.toExecMs),
    total('to the end', one.toExitMs, two.toExitMs),
  ]
  const what = `${summary.join(', ')} with ${args.flags.diff}; medians of ${one.runs} starts each`
  return `${[style.bold(header), ...lines, '', what].join('\n')}\n`
}
