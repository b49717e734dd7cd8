// Signals of an attached command go to the process it waits for.
import { constants } from 'node:os'

/** Those that end or stop nobody else than who they are meant for; SIGCHLD, SIGURG and the like are our own. */
const PASSED = [
  'SIGHUP',
  'SIGINT',
  'SIGQUIT',
  'SIGTERM',
  'SIGUSR1',
  'SIGUSR2',
  'SIGCONT',
  'SIGWINCH',
] as const

/** The result undoes it. */
export const passSignals = (send: (signal: number) => void): (() => void) => {
  const listeners = PASSED.map((name) => {
    const listener = (): void => send(constants.signals[name])
    process.on(name, listener)
    return [name, listener] as const
  })
  return () => {
    for (const [name, listener] of listeners) process.off(name, listener)
  }
}
