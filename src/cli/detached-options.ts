// Flags of `run` and `create` that are about a container which outlives the command. Pure.
import * as E from '#fp/Either'
import type { DetachedOptions, LogOptions } from '../model/detached-options.ts'
import type { EngineError } from '../model/errors.ts'
import type { HealthOptions } from '../model/health.ts'
import type { Args } from './command.ts'
import type { CliStartOptions } from './engine.ts'
import { split } from './mount-flags.ts'
import type { RunFlags } from './run-flags.ts'

type F = Args<RunFlags>['flags']

const HEALTH_FLAGS = [
  'health-cmd',
  'health-interval',
  'health-timeout',
  'health-retries',
  'health-start-period',
  'health-start-interval',
  'health-on-failure',
] as const

/** It is its monitor's, and not ours: what is started again, or keeps a log, needs one whether we stay or not. */
export const outlivesUs = (f: F): boolean =>
  f.detach || asksFor(f.restart, 'no') || asksFor(f['log-driver'], 'none') || f['log-opt'].length > 0

/** Scripts write `--restart "$X"`: an empty value is no value. */
const asksFor = (value: string | undefined, nothing: string): boolean =>
  value !== undefined && value !== '' && value !== nothing

/** What the engine is asked for. Fails: InvalidOption, Unsupported. */
export const detachedOptions = (
  f: F,
  {
    stdin: _stdin,
    stdout: _stdout,
    stderr: _stderr,
    signal: _signal,
    timeout,
    grace: _grace,
    keep: _keep,
    pull: _pull,
    platform: _platform,
    quiet: _quiet,
    onProgress: _onProgress,
    ...container
  }: CliStartOptions,
): E.Either<EngineError, DetachedOptions> => {
  if (timeout !== undefined)
    return E.left({
      _tag: 'Unsupported',
      feature: '--timeout',
      why: 'a container that outlives this command has no time limit so far',
    })
  const log = logOptions(f)
  if (E.isLeft(log)) return log
  const health = healthOptions(f)
  if (E.isLeft(health)) return health
  const seconds = f['stop-timeout']
  return E.right({
    ...container,
    ...(f.restart ? { restart: f.restart } : {}),
    ...(f.interactive ? { stdin: true } : {}),
    ...(log.right === undefined ? {} : { log: log.right }),
    ...(seconds === undefined ? {} : { stopTimeout: seconds < 0 ? -1 : seconds * 1000 }),
    ...(f.rm ? { autoRemove: true } : {}),
    ...(health.right === undefined ? {} : { health: health.right }),
  })
}

const healthOptions = (f: F): E.Either<EngineError, DetachedOptions['health']> => {
  const [given] = HEALTH_FLAGS.filter((flag) => f[flag] !== undefined)
  if (f['no-healthcheck'])
    return given === undefined
      ? E.right(false)
      : E.left({
          _tag: 'InvalidOption',
          option: `--${given}`,
          value: String(f[given]),
          why: 'cannot be given with --no-healthcheck',
        })
  if (given === undefined) return E.right(undefined)
  const named: readonly (readonly [keyof HealthOptions, unknown])[] = [
    ['command', f['health-cmd']],
    ['interval', f['health-interval']],
    ['timeout', f['health-timeout']],
    ['retries', f['health-retries']],
    ['startPeriod', f['health-start-period']],
    ['startInterval', f['health-start-interval']],
    ['onUnhealthy', f['health-on-failure']],
  ]
  return E.right(Object.fromEntries(named.filter(([, value]) => value !== undefined)))
}

/** Docker's names: `local` is what it calls its own compact form. */
const FORMS: Readonly<Record<string, LogOptions['form']>> = {
  compact: 'compact',
  local: 'compact',
  'json-file': 'json-file',
  none: 'none',
}

const logOptions = (f: F): E.Either<EngineError, LogOptions | undefined> => {
  const driver = f['log-driver'] || undefined
  const form = driver === undefined ? undefined : FORMS[driver]
  if (driver !== undefined && form === undefined)
    return E.left({
      _tag: 'Unsupported',
      feature: `--log-driver ${driver}`,
      why: 'logs are kept in files here: compact, json-file or none',
    })
  let log: LogOptions = form === undefined ? {} : { form }
  for (const entry of f['log-opt']) {
    const [key, value = ''] = split(entry)
    const option = logOption(key, value)
    if (option === undefined)
      return E.left({
        _tag: 'InvalidOption',
        option: '--log-opt',
        value: entry,
        why: 'expected max-size=SIZE, max-file=COUNT or mode=blocking|non-blocking',
      })
    log = { ...log, ...option }
  }
  return E.right(Object.keys(log).length === 0 ? undefined : log)
}

const logOption = (key: string, value: string): LogOptions | undefined => {
  if (key === 'max-size' && value !== '') return { maxSize: value }
  if (key === 'max-file' && /^\d+$/.test(value)) return { maxFiles: Number(value) }
  if (key === 'mode' && (value === 'blocking' || value === 'non-blocking'))
    return { blocking: value === 'blocking' }
  return undefined
}
