// The flags before the command: which root, which log, whose cgroups.
import { resolve } from 'node:path'
import * as E from '#fp/Either'
import type { CgroupManager } from '../model/oci-state.ts'
import { type Args, type Flags, type FlagTable, parseBoolean, type UsageError, usage } from './args.ts'
import type { LogFormat, LogLevel } from './log.ts'

export const globalFlags = {
  root: { kind: 'text', value: 'DIR', help: 'Directory of the state of all containers' },
  log: { kind: 'text', value: 'FILE', help: 'Append the log to this file (default: standard error)' },
  'log-format': { kind: 'text', value: 'FORMAT', help: 'text (default) or json' },
  'log-level': { kind: 'text', value: 'LEVEL', help: 'error (default), warning or debug' },
  debug: { kind: 'boolean', help: 'Log more; the same as --log-level debug' },
  'systemd-cgroup': { kind: 'boolean', help: 'The same as --cgroup-manager systemd' },
  'cgroup-manager': { kind: 'text', value: 'NAME', help: 'cgroupfs (default), systemd or disabled' },
  rootless: { kind: 'text', value: 'WHEN', help: 'Go on without cgroups: true, false or auto (default)' },
  criu: { kind: 'text', value: 'FILE', help: 'Accepted and not used: there are no checkpoints' },
  version: { kind: 'boolean', short: 'v', help: 'Show the version' },
} as const satisfies FlagTable

export interface Globals {
  /** Absolute. */
  readonly root: string
  /** Whether `--root` was given: its absence is then a mistake. */
  readonly rootIsGiven: boolean
  readonly logFile?: string
  readonly logFormat: LogFormat
  readonly logLevel: LogLevel
  readonly cgroupManager: CgroupManager
  /** `auto`: whoever is not root, or is root of a user namespace. */
  readonly rootless: boolean | 'auto'
}

/** What the defaults depend on. */
export interface Caller {
  readonly cwd: string
  readonly env: Readonly<Record<string, string | undefined>>
  readonly euid: number
  readonly inUserNamespace: () => boolean
}

type Given = Flags<typeof globalFlags>

export const decodeGlobals = (
  { flags }: Args<typeof globalFlags>,
  caller: Caller,
): E.Either<UsageError, Globals> => {
  const root = flags.root === undefined ? defaultRoot(caller) : resolve(caller.cwd, flags.root)
  if (root === '/') return refuse('option --root must not be /')
  const log = logFileOf(flags, caller)
  if (E.isLeft(log)) return log
  const words = decodeWords(flags)
  if (E.isLeft(words)) return words
  return E.right({
    root,
    rootIsGiven: flags.root !== undefined,
    ...words.right,
    ...(log.right === undefined ? {} : { logFile: log.right }),
  })
}

const refuse = (message: string): E.Either<UsageError, never> => E.left(usage(message))

const NAME = 'slipway-oci'

/**
 * As runc: root of the machine has /run, everybody else $XDG_RUNTIME_DIR. Root of a user namespace has that too, unless $USER says it
 * is the machine's (runc rootless_linux.go, shouldHonorXDGRuntimeDir).
 */
export const defaultRoot = ({ env, euid, inUserNamespace }: Omit<Caller, 'cwd'>): string => {
  const own = env.XDG_RUNTIME_DIR ?? ''
  if (own === '') return `/run/${NAME}`
  return euid !== 0 || (env.USER !== 'root' && inUserNamespace()) ? `${own}/${NAME}` : `/run/${NAME}`
}

/** crun also takes `file:PATH`, and two services that are not files. */
const logFileOf = (flags: Given, { cwd }: Caller): E.Either<UsageError, string | undefined> => {
  const log = flags.log ?? ''
  if (log === '') return E.right(undefined)
  if (/^(journald|syslog):/.test(log)) return refuse(`invalid log ${log}: only files are written`)
  return E.right(resolve(cwd, log.replace(/^file:/, '')))
}

type Words = Pick<Globals, 'logFormat' | 'logLevel' | 'cgroupManager' | 'rootless'>

const decodeWords = (flags: Given): E.Either<UsageError, Words> => {
  const format = flags['log-format'] || 'text'
  if (format !== 'text' && format !== 'json') return refuse(`invalid log-format: ${format}`)
  const level = flags.debug ? 'debug' : flags['log-level'] || 'error'
  if (level !== 'error' && level !== 'warning' && level !== 'debug')
    return refuse(`invalid log-level: ${level}`)
  const manager = flags['systemd-cgroup'] ? 'systemd' : flags['cgroup-manager'] || 'cgroupfs'
  if (manager !== 'cgroupfs' && manager !== 'systemd' && manager !== 'disabled')
    return refuse(`invalid cgroup-manager: ${manager}`)
  const rootless = /^(auto)?$/i.test(flags.rootless ?? '') ? 'auto' : parseBoolean(flags.rootless ?? '')
  if (rootless === undefined) return refuse(`invalid rootless: ${flags.rootless}`)
  return E.right({ logFormat: format, logLevel: level, cgroupManager: manager, rootless })
}
