// What `run` does with the signals it receives: before the container exists they cancel, afterwards they are passed on.
import type { Context } from './command.ts'
import type { RunningContainer } from './engine.ts'

/** Signals that end a program by default and that users and supervisors send. Watched from the first moment. */
const ENDING: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT']

/** Those that are passed to a program that is stayed with: the ending ones, and those that users made up a meaning for. */
export const PASSED_ON: readonly NodeJS.Signals[] = [...ENDING, 'SIGUSR1', 'SIGUSR2']

/**
 * Further ones the container may want. Left out: those Linux raises for a fault of this process, SIGCHLD and SIGPIPE,
 * SIGWINCH (the window has its own way), and SIGTSTP, SIGTTIN, SIGTTOU, which stop the command as the shell expects.
 */
const OTHERS: readonly NodeJS.Signals[] = [
  'SIGUSR1',
  'SIGUSR2',
  'SIGCONT',
  'SIGALRM',
  'SIGVTALRM',
  'SIGIO',
  'SIGPWR',
  'SIGXCPU',
  'SIGXFSZ',
  'SIGSTKFLT',
]

/**
 * How long an ending signal waits for a start that is under way: the program may be running already, and only this
 * process does not know yet. What takes longer is a download.
 */
const PATIENCE_MS = 100

export interface SignalRelay {
  /** Fires when an ending signal comes before the container runs, or is not to be forwarded. */
  readonly cancel: AbortSignal
  /** The signal that cancelled, if one did. */
  readonly cancelledBy: () => NodeJS.Signals | undefined
  /** From now on signals go to the container; first those that came meanwhile. Without `forward` the ending ones cancel. */
  readonly attach: (container: RunningContainer, forward: boolean) => void
  readonly stop: () => void
}

/** Where nothing is ever forwarded: an ending signal cancels, and others do what they do. */
export const cancelOnSignals = (onSignal: Context['onSignal'], patienceMs = PATIENCE_MS): SignalRelay =>
  relaySignals(onSignal, patienceMs, [])

export const relaySignals = (
  onSignal: Context['onSignal'],
  patienceMs = PATIENCE_MS,
  others = OTHERS,
): SignalRelay => {
  const controller = new AbortController()
  const early: NodeJS.Signals[] = []
  let cancelledBy: NodeJS.Signals | undefined
  let waiting: NodeJS.Timeout | undefined
  const abort = (): void => controller.abort(new Error(`received ${cancelledBy}`))
  const end = (name: NodeJS.Signals): void => {
    early.push(name)
    cancelledBy ??= name
    waiting ??= setTimeout(abort, patienceMs)
  }
  let passEnding = end
  let passOther: (name: NodeJS.Signals) => void = (name) => early.push(name)
  // Registered before there is a program that could be told: it may ask for one with its first breath.
  const undoEnding = onSignal(ENDING, (name) => passEnding(name))
  const undoOthers = onSignal(others, (name) => passOther(name))
  const stop = () => {
    clearTimeout(waiting)
    undoEnding()
    undoOthers()
  }
  return {
    cancel: controller.signal,
    cancelledBy: () => cancelledBy,
    attach: (container, forward) => {
      clearTimeout(waiting)
      if (!forward) {
        // Not left to the default: a signal that Node has taken in and not yet told of would be lost.
        passEnding = (name) => {
          cancelledBy ??= name
          abort()
        }
        undoOthers()
        if (cancelledBy !== undefined) abort()
        return
      }
      passEnding = passOther = (name) => container.kill(name)
      for (const name of early.splice(0)) container.kill(name)
    },
    stop,
  }
}
