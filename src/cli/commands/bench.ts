// slipway bench: what each part of the isolation costs on this machine, and slipway beside the engines installed here.
import * as E from '#fp/Either'
import type { Gathered } from '../../bench/results.ts'
import type { Selection } from '../../bench/selection.ts'
import { type EngineError, exitCodeOf } from '../../model/errors.ts'
import { signalNumber } from '../../model/signals.ts'
import { parseDuration } from '../../model/units.ts'
import type { UsageError } from '../args.ts'
import { benchProgress } from '../bench-progress.ts'
import { fileErrorText, inside } from '../callers-files.ts'
import { type Context, command } from '../command.ts'
import { reportError, reportUsage } from '../report.ts'
import { styleFor, table } from '../table.ts'

const DEFAULT_TIME = '90s'
const QUICK_TIME = '15s'
const MAX_RUNS = 100_000

const benchFlags = {
  runs: {
    kind: 'integer',
    value: 'N',
    help: 'Count N starts of each, a slow engine fewer (default: what the time allows)',
  },
  time: {
    kind: 'text',
    value: 'DURATION',
    help: `Measure for so long (default ${DEFAULT_TIME}; with --runs without end)`,
  },
  quick: { kind: 'boolean', help: `A rough answer: as --time ${QUICK_TIME}` },
  only: { kind: 'list', value: 'WORD', help: 'Measure only parts, engines, or one of either by its name' },
  'no-peers': { kind: 'boolean', help: 'Measure no other engines' },
  out: { kind: 'text', value: 'DIR', help: 'Write the report into DIR (default: slipway-bench-DATE here)' },
  json: { kind: 'boolean', help: 'Give the results as JSON, and write a report only with --out' },
} as const

type BenchContext = Context<typeof benchFlags>

export const bench = command({
  name: 'bench',
  summary: 'Measure what isolation costs here, and write a report with plots',
  usage: '[OPTIONS]',
  flags: benchFlags,
  run: async (context) => {
    const wanted = await decode(context)
    if (E.isLeft(wanted)) {
      reportUsage(context.stderr, 'bench', wanted.left)
      return 1
    }
    const store = await (await context.engine()).store()()
    if (E.isLeft(store)) return refuse(context, store.left)
    return measureAndWrite(context, wanted.right, store.right)
  },
})

const refuse = ({ stderr }: BenchContext, error: EngineError): number => {
  reportError(stderr, error)
  return exitCodeOf(error)
}

interface Wanted {
  readonly selection: Selection
  readonly budgetMs: number
  readonly runs: number | undefined
  /** Undefined: no report is written. */
  readonly out: string | undefined
}

const usage = (message: string, hint?: string): E.Either<UsageError, never> =>
  E.left({ _tag: 'UsageError', message, ...(hint === undefined ? {} : { hint }) })

const decode = async ({ args: { flags }, cwd }: BenchContext): Promise<E.Either<UsageError, Wanted>> => {
  const { selectionOf, WORDS } = await import('../../bench/index.ts')
  const selection = selectionOf(flags.only, !flags['no-peers'])
  if (typeof selection === 'string')
    return usage(
      `--only: there is no part or engine ${JSON.stringify(selection)}`,
      `known are ${WORDS.join(', ')}`,
    )
  const { runs } = flags
  if (runs !== undefined && (runs < 1 || runs > MAX_RUNS))
    return usage(`--runs: ${runs} is not between 1 and ${MAX_RUNS}`)
  if (flags.quick && flags.time !== undefined) return usage('--quick and --time exclude each other')
  const budget = budgetOf(flags)
  if (E.isLeft(budget)) return usage(`--time: ${JSON.stringify(flags.time)}: ${budget.left.why}`)
  if (budget.right <= 0) return usage('--time: there is nothing to measure in no time')
  if (flags.out === '') return usage('--out: needs a directory')
  const out = flags.out ?? (flags.json ? undefined : `slipway-bench-${new Date().toISOString().slice(0, 10)}`)
  return E.right({
    selection,
    budgetMs: budget.right,
    runs,
    out: out === undefined ? undefined : inside(cwd, out),
  })
}

const budgetOf = ({ time, quick, runs }: BenchContext['args']['flags']) => {
  if (time === undefined && !quick && runs !== undefined) return E.right(Number.POSITIVE_INFINITY)
  return parseDuration(time ?? (quick ? QUICK_TIME : DEFAULT_TIME), '--time')
}

interface Store {
  readonly root: string
  readonly runtimeDir: string
}

const ENDING = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

const measureAndWrite = async (context: BenchContext, wanted: Wanted, store: Store): Promise<number> => {
  const { runBench, isEngineError, openFolder } = await import('../../bench/index.ts')
  const { out } = wanted
  const folder = out === undefined ? undefined : await intoFolder(out, () => openFolder(out))
  if (folder !== undefined && E.isLeft(folder)) return refuse(context, folder.left)
  const controller = new AbortController()
  let endedBy: NodeJS.Signals | undefined
  const unlisten = context.onSignal(ENDING, (name) => {
    endedBy ??= name
    controller.abort()
  })
  const progress = benchProgress(context.stderr)
  try {
    const gathered = await runBench({
      command: commandLine(context),
      ...wanted,
      store: store.root,
      runtime: parentOf(store.runtimeDir),
      env: context.env,
      program: context.platform.program,
      signal: controller.signal,
      onProgress: progress.update,
    })
    progress.finish()
    const code = await present(context, gathered, folder?.right.path)
    return endedBy === undefined ? code : 128 + (signalNumber(endedBy) ?? 0)
  } catch (error) {
    progress.finish()
    if (!isEngineError(error)) throw error
    return refuse(context, error)
  } finally {
    folder?.right.abandon()
    unlisten()
  }
}

const parentOf = (directory: string): string => directory.replace(/\/+[^/]+\/*$/, '') || '/'

/** As it can be typed again. */
const commandLine = ({ args: { flags } }: BenchContext): string => {
  const words = Object.entries(flags).flatMap(([name, value]) => {
    if (Array.isArray(value)) return value.map((each) => `--${name} ${each}`)
    if (value === undefined || value === false || name === 'out') return []
    return value === true ? [`--${name}`] : [`--${name} ${value}`]
  })
  return ['slipway bench', ...words].join(' ')
}

/** A run that was ended before its first sample has nothing to show. */
const present = async (
  context: BenchContext,
  gathered: Gathered,
  folder: string | undefined,
): Promise<number> => {
  const { args, env, stdout, stderr } = context
  const { resultsJson, resultsOf, summaryTables, writeReport } = await import('../../bench/index.ts')
  const results = resultsOf(gathered)
  if (results.partial)
    stderr.write(`slipway: ended before its time${results.starts === 0 ? ', nothing was measured' : ''}\n`)
  if (results.starts === 0) return 1
  const { bold } = styleFor(stdout, env)
  if (args.flags.json) stdout.write(resultsJson(gathered, results))
  else
    for (const { title, header, rows } of summaryTables(results))
      stdout.write(`${bold(title)}\n${table(header, rows)}\n`)
  if (folder === undefined) return 0
  const written = await intoFolder(folder, () => writeReport(folder, gathered, env.PATH ?? '/usr/bin:/bin'))
  if (E.isLeft(written)) return refuse(context, written.left)
  stderr.write(`slipway: ${written.right.length} files in ${folder}, to be read from report.html\n`)
  return 0
}

/** Fails: InvalidOption, with what the system says. */
const intoFolder = async <A>(
  folder: string,
  make: () => A | Promise<A>,
): Promise<E.Either<EngineError, A>> => {
  try {
    return E.right(await make())
  } catch (error) {
    if ((error as NodeJS.ErrnoException).errno === undefined) throw error
    return E.left({ _tag: 'InvalidOption', option: '--out', value: folder, why: fileErrorText(error) })
  }
}
