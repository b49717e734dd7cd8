// What becomes of a container whose terminal was closed: nobody can reach it any more, so it does not stay.
import type { Context } from './command.ts'
import type { RunningContainer } from './engine.ts'
import type { RunRequest } from './run-options.ts'

/** docker-stop(1), --time. */
const DEFAULT_GRACE_MS = 10_000

export interface HangupWatch {
  /** Takes the container's terminal away, and after the grace its life. */
  readonly leave: () => void
  readonly stop: () => void
}

/**
 * The signal alone does not end a container: the first process of a pid namespace ignores what it does not handle
 * (pid_namespaces(7)). Without --sig-proxy the signal ends us, and the container with us.
 */
export const onHangup = (
  { stdout, stderr, onSignal }: Pick<Context, 'stdout' | 'stderr' | 'onSignal'>,
  { options, sigProxy }: RunRequest,
  container: RunningContainer,
): HangupWatch => {
  const graceMs = typeof options.grace === 'number' ? options.grace : DEFAULT_GRACE_MS
  let killing: NodeJS.Timeout | undefined
  const leave = (): void => {
    if (killing !== undefined) return
    killing = setTimeout(() => container.kill('SIGKILL'), graceMs)
    container.hangUp()
  }
  const isOurs = () => stdout.hungUp() || stderr.hungUp()
  const stopWatching = sigProxy ? onSignal(['SIGHUP'], () => isOurs() && leave()) : () => {}
  return {
    leave,
    stop: () => {
      clearTimeout(killing)
      stopWatching()
    },
  }
}
