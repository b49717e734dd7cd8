// What a command does that stays with a container of a monitor's: its streams are ours until it ends, or we leave.
import type { Readable } from 'node:stream'
import * as E from '#fp/Either'
import type { TaskEither } from '#fp/TaskEither'
import type { AttachedStreams } from '../fp.ts'
import { type EngineError, exitCodeOf } from '../model/errors.ts'
import { signalNumber } from '../model/signals.ts'
import type { Context } from './command.ts'
import { type DetachKeys, keyWatcher } from './detach-keys.ts'
import { reportError } from './report.ts'
import { PASSED_ON } from './signals.ts'
import { copyKeys } from './tty-relay.ts'

export interface StayChoices {
  readonly tty: boolean
  readonly stdin: boolean
  /** Signals we get go to the container. */
  readonly sigProxy: boolean
  readonly keys: DetachKeys
}

type Terminal = Pick<Context, 'stdin' | 'stdout' | 'stderr' | 'onSignal'>

/** As Docker: the container ran on when we left it. */
const LEFT = 0
const UNKNOWN_EXIT = 255

/** Gives its exit code. */
export const stayWith = async (
  terminal: Terminal,
  attached: TaskEither<EngineError, AttachedStreams>,
  choices: StayChoices,
): Promise<number> => {
  const streams = await attached()
  if (E.isLeft(streams)) {
    reportError(terminal.stderr, streams.left)
    return exitCodeOf(streams.left)
  }
  return relay(terminal, streams.right, choices)
}

const relay = async (terminal: Terminal, streams: AttachedStreams, choices: StayChoices): Promise<number> => {
  const { stdout, stderr } = terminal
  let leave: () => void = () => {}
  const left = new Promise<undefined>((resolve) => {
    leave = () => resolve(undefined)
  })
  const written = Promise.all([
    copy(streams.stdout, (chunk) => stdout.write(chunk)),
    copy(streams.stderr, (chunk) => stderr.write(chunk)),
  ])
  const resize = (): void => streams.resize(stdout.columns(), stdout.rows())
  const undo = [
    passInput(terminal, streams, choices, leave),
    choices.tty ? terminal.onSignal(['SIGWINCH'], resize) : () => {},
    choices.sigProxy
      ? terminal.onSignal(PASSED_ON, (name) => streams.signal(signalNumber(name) ?? 0))
      : () => {},
  ]
  if (choices.tty && stdout.isTTY()) resize()
  try {
    const ended = await Promise.race([Promise.all([streams.exit, written]), left])
    if (ended === undefined) return LEFT
    const [record] = ended
    return record === undefined || record.exitCode < 0 ? UNKNOWN_EXIT : record.exitCode
  } finally {
    for (const stop of undo) stop()
    streams.close()
  }
}

/** Resolves with its end. Rejects with what made our output unusable. */
const copy = (source: Readable, write: (chunk: Uint8Array) => void): Promise<void> =>
  new Promise((resolve, reject) => {
    source.on('data', (chunk: Uint8Array) => {
      try {
        write(chunk)
      } catch (error) {
        reject(error)
      }
    })
    source.on('end', resolve)
  })

/** Raw mode for a terminal, so that every key reaches the program; the detach keys leave it running. */
const passInput = (
  { stdin }: Terminal,
  streams: AttachedStreams,
  { tty, keys }: StayChoices,
  leave: () => void,
): (() => void) => {
  const target = streams.stdin
  if (target === null) return () => {}
  const source = stdin.stream()
  const raw = tty && stdin.isTTY()
  const watch = keyWatcher(keys)
  const take = (chunk: Uint8Array): Uint8Array => {
    const { pass, left } = watch(chunk)
    if (left) leave()
    return pass
  }
  // The program may end while a key is on its way.
  target.on('error', () => {})
  if (raw) stdin.setRaw(true)
  const stopCopying = copyKeys(source, target, tty ? take : undefined)
  source.on('end', () => target.end())
  return () => {
    stopCopying()
    if (raw) stdin.setRaw(false)
  }
}
