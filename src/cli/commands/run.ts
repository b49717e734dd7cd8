// slipway run: starts a container and stays with it until it ends.
import { constants } from 'node:os'
import * as E from '#fp/Either'
import { type EngineError, exitCodeOf } from '../../model/errors.ts'
import { formatDuration, formatSize } from '../../model/units.ts'
import { readCallersFile } from '../callers-files.ts'
import { type Context, command } from '../command.ts'
import { outlivesUs } from '../detached-options.ts'
import type { Ended, RunningContainer } from '../engine.ts'
import { onHangup } from '../hangup.ts'
import { withIdFile } from '../id-file.ts'
import { progressDisplay } from '../progress.ts'
import { reportError } from '../report.ts'
import { type RunFlags, runFlags } from '../run-flags.ts'
import { type RunRequest, runArgsToOptions } from '../run-options.ts'
import { cancelOnSignals, relaySignals, type SignalRelay } from '../signals.ts'
import { relayTerminal, terminalSize, unfitInput } from '../tty-relay.ts'

/** docker-run(1), Exit Status: the failure is ours, not the program's. */
const ENGINE_FAILED = 125
/** Added to the number of a signal that ended a program. */
const SIGNAL_BASE = 128

export const run = command({
  name: 'run',
  summary: 'Run a program in a new container and wait for it',
  usage: '[OPTIONS] IMAGE [COMMAND] [ARG...]',
  flags: runFlags,
  usageExitCode: ENGINE_FAILED,
  stopsAtPositional: true,
  positionals: { min: 0 },
  run: async (context) => {
    const request = runArgsToOptions(context.args, {
      env: context.env,
      cwd: context.cwd,
      readFile: readCallersFile(context.cwd),
    })
    if (E.isLeft(request)) return refuse(context, request.left)
    const leaves = outlivesUs(context.args.flags)
    // With -d nobody types.
    const unfit = context.args.flags.detach ? undefined : unfitTerminal(context, request.right)
    if (unfit !== undefined) return refuse(context, unfit)
    return withIdFile(context, request.right, (record) =>
      leaves ? detached(context, request.right, record) : execute(context, request.right, record),
    )
  },
})

type RunContext = Context<RunFlags>

const refuse = (context: RunContext, error: EngineError): number => {
  reportError(context.stderr, error)
  return exitCodeOf(error)
}

const unfitTerminal = (context: RunContext, { options }: RunRequest): EngineError | undefined =>
  options.tty === true && options.stdin === 'pipe' ? unfitInput(context) : undefined

/** Loaded when it is asked for: the start of an attached one is measured. */
const detached = async (
  context: RunContext,
  request: RunRequest,
  record: (id: string) => void,
): Promise<number> => {
  const { runDetached } = await import('../run-detached.ts')
  const signals = cancelOnSignals(context.onSignal)
  try {
    return await runDetached(context, request, signals, record)
  } finally {
    signals.stop()
  }
}

const execute = async (
  context: RunContext,
  request: RunRequest,
  record: (id: string) => void,
): Promise<number> => {
  const signals = relaySignals(context.onSignal)
  try {
    const engine = await context.engine()
    const display = request.options.quiet ? undefined : progressDisplay(context.stderr)
    const options = {
      ...startOptions(context, request, signals),
      ...(display === undefined ? {} : { onProgress: display.update }),
    }
    const started = await engine.start(request.image, request.argv, options)()
    display?.finish()
    if (E.isLeft(started)) return notStarted(context, started.left, signals)
    record(started.right.id)
    signals.attach(started.right, request.sigProxy)
    return await finish(context, request, started.right, signals)
  } finally {
    signals.stop()
  }
}

const startOptions = (context: RunContext, { options }: RunRequest, signals: SignalRelay) => ({
  ...options,
  ...(options.tty === true && context.stdout.isTTY() ? { tty: terminalSize(context) } : {}),
  signal: signals.cancel,
})

/** A signal before the start is the caller's own wish: no message, and the code a shell would give. */
const notStarted = (context: RunContext, error: EngineError, signals: SignalRelay): number => {
  const name = signals.cancelledBy()
  if (name !== undefined) return SIGNAL_BASE + constants.signals[name]
  return refuse(context, error)
}

const finish = async (
  context: RunContext,
  request: RunRequest,
  container: RunningContainer,
  signals: SignalRelay,
): Promise<number> => {
  const { options } = request
  const hangup = onHangup(context, request, container)
  try {
    if (options.tty === true)
      await relayTerminal(container, context, { passInput: options.stdin === 'pipe', leave: hangup.leave })
    await container.exit
  } finally {
    hangup.stop()
  }
  const ended = await container.exit
  explainEnd(context, ended)
  if (request.timing) {
    const { timingText } = await import('../timing.ts')
    context.stderr.write(timingText(ended.timings, ended.usage))
  }
  const name = ended.exit._tag === 'Aborted' ? signals.cancelledBy() : undefined
  return name === undefined ? ended.exitCode : SIGNAL_BASE + constants.signals[name]
}

/** The endings that an exit code does not tell: 137 may be anything. */
const explainEnd = ({ stderr }: RunContext, { exit, usage }: Ended): void => {
  if (exit._tag === 'TimedOut')
    stderr.write(`slipway: ended after ${formatDuration(exit.afterMs)}, its time limit\n`)
  if (exit._tag !== 'OomKilled') return
  const peak = usage.peakMemoryBytes
  const used = peak === undefined ? '' : ` at ${formatSize(peak)}`
  stderr.write(`slipway: killed for lack of memory${used}\n  hint: raise --memory\n`)
}
