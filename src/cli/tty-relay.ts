// Couples our terminal with the container's own: keys in, output out, window size along. Restores ours in the end.
import type { Readable } from 'node:stream'
import type { EngineError } from '../model/errors.ts'
import type { Context } from './command.ts'
import { type DetachKeys, keyWatcher } from './detach-keys.ts'
import type { RunningContainer } from './engine.ts'
import { ReaderGone } from './output-failures.ts'

/** Whose terminal it is. */
type Relayed = Pick<RunningContainer, 'stdin' | 'stdout' | 'resize'> & { readonly exit: Promise<unknown> }
type Terminal = Pick<Context, 'stdin' | 'stdout' | 'onSignal'>

/** The size a container's terminal starts with: ours, where we have one. */
export const terminalSize = ({ stdout }: Terminal): { readonly columns: number; readonly rows: number } => ({
  columns: stdout.columns(),
  rows: stdout.rows(),
})

/** As Docker: a terminal inside that reads from a file or pipe outside is a mistake, not a wish. */
export const unfitInput = ({ stdin }: Pick<Terminal, 'stdin'>): EngineError | undefined =>
  stdin.isTTY()
    ? undefined
    : {
        _tag: 'HostUnfit',
        need: '-i with -t',
        why: 'our standard input is not a terminal',
        remedy: 'leave -t out, so that the input is passed on as it is',
      }

export interface RelayOptions {
  readonly passInput: boolean
  /** Called when our terminal, or who read it, is gone. */
  readonly leave: () => void
  /** Typed keys that leave the program running. `run`: true when it does; what is typed meanwhile goes to the program if not. */
  readonly detach?: { readonly keys: DetachKeys; readonly run: () => Promise<boolean> }
}

/**
 * Resolves when the container has ended and its last output is written, or with true when it was left running; the terminal is as
 * before then. Fails with what made our output unusable, once the container has ended.
 */
export const relayTerminal = async (
  container: Relayed,
  terminal: Terminal,
  { passInput, leave, detach }: RelayOptions,
): Promise<boolean> => {
  let isLeft: () => void = () => {}
  const left = new Promise<true>((resolve) => {
    isLeft = () => resolve(true)
  })
  const stopResizing = terminal.onSignal(['SIGWINCH'], () => resize(container, terminal))
  const stopTyping = passInput ? passKeys(container, terminal, leave, detach, isLeft) : () => {}
  const ended = async (): Promise<false> => {
    const failure = await copyOutput(container, terminal, leave)
    await container.exit
    if (failure !== undefined) throw failure
    return false
  }
  try {
    return await Promise.race([ended(), left])
  } finally {
    stopTyping()
    stopResizing()
  }
}

const resize = (container: Relayed, { stdout }: Terminal): void =>
  container.resize(stdout.columns(), stdout.rows())

/** Raw mode, so that Ctrl-C and the arrow keys reach the program inside. A terminal ends only when it is closed. */
const passKeys = (
  container: Relayed,
  { stdin }: Terminal,
  leave: () => void,
  detach: RelayOptions['detach'],
  isLeft: () => void,
): (() => void) => {
  if (container.stdin === null) return () => {}
  const keys = stdin.stream()
  const raw = stdin.isTTY()
  if (raw) stdin.setRaw(true)
  keys.on('end', leave)
  keys.on('error', leave)
  const stopCopying = copyKeys(keys, container.stdin, detach && watching(detach, keys, isLeft))
  // The program may end while a key is on its way; that is no failure of ours.
  container.stdin.on('error', () => {})
  return () => {
    keys.off('end', leave)
    stopCopying()
    if (raw) restore(stdin)
  }
}

/** What is typed behind the keys waits until it is known whether anybody is left to read it. */
const watching = (
  { keys, run }: NonNullable<RelayOptions['detach']>,
  source: Readable,
  isLeft: () => void,
): Take => {
  let watch = keyWatcher(keys)
  return (chunk) => {
    const { pass, left } = watch(chunk)
    if (left) {
      source.pause()
      watch = keyWatcher(keys)
      run().then((done) => (done ? isLeft() : void source.resume()))
    }
    return pass
  }
}

/** What of it goes on. */
type Take = (chunk: Uint8Array) => Uint8Array

/** Gives what ends it. */
export const copyKeys = (
  source: Readable,
  target: NodeJS.WritableStream,
  take: Take = (chunk) => chunk,
): (() => void) => {
  const typed = (chunk: Uint8Array): void => {
    const pass = take(chunk)
    if (pass.length === 0 || target.write(pass)) return
    source.pause()
    target.once('drain', () => source.resume())
  }
  source.on('data', typed)
  return () => {
    source.off('data', typed)
    source.pause()
  }
}

/** There is nothing to restore on a terminal that was closed. */
const restore = (stdin: Terminal['stdin']): void => {
  try {
    stdin.setRaw(false)
  } catch {}
}

/** Gives what made our output fail, if anything did. */
const copyOutput = (
  container: Relayed,
  { stdout }: Terminal,
  leave: () => void,
): Promise<Error | undefined> => {
  const source = container.stdout
  if (source === null) return Promise.resolve(undefined)
  return new Promise((resolve) => {
    source.on('data', (chunk: Uint8Array) => {
      try {
        stdout.write(chunk)
      } catch (error) {
        resolve(error instanceof Error ? error : new ReaderGone())
        leave()
      }
    })
    // A terminal ends with an error when its last user goes (EIO): that is its end of file.
    for (const event of ['error', 'end', 'close']) source.on(event, () => resolve(undefined))
  })
}
