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

/** `resize`: what a changed window is told to where there is a terminal, which tells its processes itself. The result undoes it. */
export const passSignals = (
  launch: { kill(signal: number): void },
  resize: () => (() => void) | undefined,
): (() => void) => {
  const listeners = PASSED.map((name) => {
    const listener = (): void => {
      const resized = name === 'SIGWINCH' ? resize() : undefined
      // Node's own listener, which finds out the new size, may be younger than this one.
      if (resized !== undefined) setImmediate(resized)
      else launch.kill(constants.signals[name])
    }
    process.on(name, listener)
    return [name, listener] as const
  })
  return () => {
    for (const [name, listener] of listeners) process.off(name, listener)
  }
}
