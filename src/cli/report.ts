// Turns failures into the lines a person reads on standard error.
import * as E from '#fp/Either'
import { type EngineError, exitCodeOf, hint, message } from '../model/errors.ts'
import { adviceFor } from './advice.ts'
import type { UsageError } from './args.ts'
import type { Output } from './command.ts'
import { printable } from './table.ts'

const lines = (text: string, advice: string | undefined): string =>
  `slipway: ${text}\n${advice === undefined ? '' : `  hint: ${advice}\n`}`

/**
 * `memorySwap` → `--memory-swap`: the library names an option, the command line's user wrote a flag. Of a path into an
 * option, as `mounts[1].target` or `security.capAdd[0]`, only the option has a flag.
 */
const asFlag = (option: string): string => {
  if (/^[A-Z-]/.test(option)) return option
  const known: Readonly<Record<string, string>> = FLAG_OF_OPTION
  const whole = known[option]
  if (whole !== undefined) return whole
  const name = option.replace(/^security\./, '').replace(/[.[].*$/s, '')
  return known[name] ?? `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
}

/** Options whose flag has another name. */
const FLAG_OF_OPTION = {
  cwd: '--workdir',
  groups: '--group-add',
  readonly: '--read-only',
  pids: '--pids-limit',
  ulimits: '--ulimit',
  devices: '--device',
  deviceCgroupRules: '--device-cgroup-rule',
  sysctls: '--sysctl',
  labels: '--label',
  extraHosts: '--add-host',
  dnsOptions: '--dns-option',
  grace: '--stop-timeout',
  // -v, --mount or --tmpfs: the target tells which.
  mounts: 'mount',
  image: 'IMAGE',
  container: 'CONTAINER',
  filters: '--filter',
  newName: 'NEW_NAME',
  ps: 'ps OPTIONS',
  source: 'FILE',
  argv: 'COMMAND',
  command: 'COMMAND',
  noNewPrivileges: '--security-opt',
  seccomp: '--security-opt',
  systemPaths: '--security-opt',
  autoRemove: '--rm',
  'health.command': '--health-cmd',
  'health.interval': '--health-interval',
  'health.timeout': '--health-timeout',
  'health.retries': '--health-retries',
  'health.startPeriod': '--health-start-period',
  'health.startInterval': '--health-start-interval',
  'health.onUnhealthy': '--health-on-failure',
  'log.maxSize': '--log-opt max-size',
  'log.maxFiles': '--log-opt max-file',
} as const

const inFlags = (error: EngineError): EngineError =>
  error._tag === 'InvalidOption' ? { ...error, option: asFlag(error.option) } : error

/** What is missing altogether has no value to quote. */
const messageOf = (error: EngineError): string =>
  error._tag === 'InvalidOption' && error.value === '' && /^[A-Z]/.test(error.option)
    ? `${error.option}: ${error.why}`
    : message(error)

/** `slipway: …`, and what can be done about it where that is known. One line each, whatever a name or a file holds. */
export const reportError = (stderr: Output, error: EngineError): void => {
  const advice = adviceFor(error) ?? hint(error)
  stderr.write(
    lines(printable(messageOf(inFlags(error))), advice === undefined ? undefined : printable(advice)),
  )
}

/** The same, for a command that ends with it: gives the exit code. */
export const refuse = ({ stderr }: { readonly stderr: Output }, error: EngineError): number => {
  reportError(stderr, error)
  return 1
}

/** The same where a program was to be run, docker-exec(1): what is wrong with the container is 1, with the command 126 and 127. */
export const refuseProgram = ({ stderr }: { readonly stderr: Output }, error: EngineError): number => {
  reportError(stderr, error)
  const code = exitCodeOf(error)
  return code === 125 ? 1 : code
}

/** A wrong argument list: the same two lines, and where to read on, as Docker does. */
export const reportUsage = (stderr: Output, verb: string | undefined, error: UsageError): void => {
  const page = verb === undefined ? 'slipway --help' : `slipway ${verb} --help`
  stderr.write(`${lines(printable(error.message), error.hint)}\nSee '${page}'.\n`)
}

/** The same, for a command that ends with it: gives the exit code. */
export const misuse = (
  { stderr }: { readonly stderr: Output },
  verb: string,
  problem: UsageError | string,
): number => {
  reportUsage(stderr, verb, typeof problem === 'string' ? { _tag: 'UsageError', message: problem } : problem)
  return 1
}

/** Prints what a format made of the records, or what is wrong with the format; gives the exit code. */
export const print = (
  { stdout, stderr }: { readonly stdout: Output; readonly stderr: Output },
  verb: string,
  shown: E.Either<UsageError, string>,
): number => {
  if (E.isLeft(shown)) return misuse({ stderr }, verb, shown.left)
  stdout.write(shown.right)
  return 0
}
