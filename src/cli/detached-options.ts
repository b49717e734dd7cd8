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
  ['command', 'health-cmd'],
  ['interval', 'health-interval'],
  ['timeout', 'health-timeout'],
  ['retries', 'health-retries'],
  ['startPeriod', 'health-start-period'],
  ['startInterval', 'health-start-interval'],
  ['onUnhealthy', 'health-on-failure'],
] as const satisfies readonly (readonly [keyof HealthOptions, keyof F])[]

/** It is its monitor's, and not ours: what is started again, keeps a log, or is looked after, needs one whether we stay or not. */
export const outlivesUs = (f: F): boolean =>
  f.detach ||
  asksFor(f.restart, 'no') ||
  asksFor(f['log-driver'], 'none') ||
  f['log-opt'].length > 0 ||
  HEALTH_FLAGS.some(([, flag]) => f[flag] !== undefined)

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
  const written = HEALTH_FLAGS.filter(([, flag]) => f[flag] !== undefined)
  const [first] = written
  const given = written.filter(([, flag]) => !isDefault(f[flag]))
  if (!f['no-healthcheck'])
    return E.right(
      given.length === 0 ? undefined : Object.fromEntries(given.map(([name, flag]) => [name, f[flag]])),
    )
  if (first === undefined) return E.right(false)
  const [, flag] = first
  return E.left({
    _tag: 'InvalidOption',
    option: `--${flag}`,
    value: String(f[flag]),
    why: 'cannot be given with --no-healthcheck',
  })
}

/** As in Docker, an empty command is none, and zero is what the image says, or the usual. */
const isDefault = (value: string | number | undefined): boolean =>
  value === '' || value === 0 || /^0+[a-zµ]*$/.test(String(value))

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
