// Commands timed from outside by the addon, and what they say when they fail.
import { closeSync, constants, ftruncateSync, openSync, readFileSync } from 'node:fs'
import { errnoText } from '../model/errno.ts'
import { signalName } from '../model/signals.ts'
import type { Addon, TimedCommand } from '../native/addon.ts'
import { failed } from './subject.ts'

export interface CommandTimer {
  /** Nanoseconds from before its vfork to after its waitpid. Rejects unless it succeeded. */
  readonly time: (argv: readonly string[]) => Promise<number>
  readonly close: () => void
}

const TIMEOUT_MS = 60_000

/** `log`: a file for what the commands write on standard error. `mountNamespace`: entered by each command first, or -1. */
export const commandTimer = (
  addon: Addon,
  env: Readonly<Record<string, string>>,
  log: string,
  mountNamespace: number,
): CommandTimer => {
  const nothing = openSync('/dev/null', constants.O_RDWR)
  const said = openSync(log, constants.O_RDWR | constants.O_CREAT | constants.O_APPEND, 0o600)
  const variables = Object.entries(env).map(([name, value]) => `${name}=${value}`)
  const fds = Int32Array.of(nothing, nothing, said, mountNamespace)
  return {
    time: async (argv) => {
      ftruncateSync(said)
      const result = await new Promise<TimedCommand>((resolve) =>
        addon.timeCommand(argv, variables, fds, TIMEOUT_MS, resolve),
      )
      const why = endOf(result)
      if (why === undefined) return result.elapsedNs
      const line = firstLine(readFileSync(log, 'utf8'))
      throw failed(line === undefined ? why : `${why}: ${line}`)
    },
    close: () => {
      closeSync(nothing)
      closeSync(said)
    },
  }
}

/** Undefined of a success. */
export const endOf = ({ errno, timedOut, waitStatus }: TimedCommand): string | undefined => {
  if (errno !== 0) return `could not be started: ${errnoText(errno)}`
  if (timedOut) return `had not ended after ${TIMEOUT_MS / 1000} s`
  const signal = waitStatus & 0x7f
  if (signal !== 0) return `ended by ${signalName(signal)}`
  const code = (waitStatus >> 8) & 0xff
  return code === 0 ? undefined : `exit code ${code}`
}

const MAX_LINE = 300
export const firstLine = (text: string): string | undefined =>
  text
    .split('\n')
    .map((line) => line.trim())
    .find((line) => line !== '')
    ?.slice(0, MAX_LINE)
