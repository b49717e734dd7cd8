// `run` and `create` of a container that outlives the command.
import * as E from '#fp/Either'
import { type EngineError, exitCodeOf } from '../model/errors.ts'
import { stayWith } from './attached-run.ts'
import type { Context } from './command.ts'
import { chosenDetachKeys } from './detach-keys.ts'
import { detachedOptions } from './detached-options.ts'
import type { Called, EngineForCli } from './engine.ts'
import { progressDisplay } from './progress.ts'
import { reportError } from './report.ts'
import type { RunFlags } from './run-flags.ts'
import type { RunRequest } from './run-options.ts'
import type { SignalRelay } from './signals.ts'

type RunContext = Context<RunFlags>

/** Makes it; `record` is told its id. Gives the exit code of a failure. */
export const createDetached = async (
  context: RunContext,
  engine: EngineForCli,
  { image, argv, options }: RunRequest,
  signal: AbortSignal,
): Promise<E.Either<EngineError, Called>> => {
  const wanted = detachedOptions(context.args.flags, options)
  if (E.isLeft(wanted)) return wanted
  const { pull, platform, quiet } = options
  const display = quiet === true ? undefined : progressDisplay(context.stderr)
  const created = await engine.create(image, argv, wanted.right, {
    ...(pull === undefined ? {} : { pull }),
    ...(platform === undefined ? {} : { platform }),
    ...(display === undefined ? {} : { onProgress: display.update }),
    signal,
  })()
  display?.finish()
  return created
}

/** What cannot be started is not left behind, as an attached one is not. */
export const runDetached = async (
  context: RunContext,
  request: RunRequest,
  signals: SignalRelay,
  record: (id: string) => void,
): Promise<number> => {
  const { flags } = context.args
  const isTyped = !flags.detach && flags.interactive && flags.tty
  const keys = await chosenDetachKeys(context, flags['detach-keys'], isTyped)
  if (E.isLeft(keys)) return fail(context, keys.left)
  const engine = await context.engine()
  const created = await createDetached(context, engine, request, signals.cancel)
  if (E.isLeft(created)) return fail(context, created.left)
  const { id } = created.right
  if (!flags.detach) {
    record(id)
    signals.stop()
    return stayWith(context, engine.containers.startAttached(id, { stdin: flags.interactive }), {
      tty: flags.tty,
      stdin: flags.interactive,
      sigProxy: flags['sig-proxy'],
      keys: keys.right,
    })
  }
  const started = await engine.containers.start(id)()
  if (E.isLeft(started)) {
    await engine.remove(id, { force: true })()
    return fail(context, started.left)
  }
  record(id)
  context.stdout.write(`${id}\n`)
  return 0
}

const fail = ({ stderr }: Pick<Context, 'stderr'>, error: EngineError): number => {
  reportError(stderr, error)
  return exitCodeOf(error)
}
