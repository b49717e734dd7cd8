// Keeps a scope alive until the container's process is in it. It ends with this process, and the scope with it.
import * as E from '#fp/Either'
import type { EngineError } from '../../../model/errors.ts'
import type { LaunchEvent, NativeLaunch, StageScript } from '../../../native/addon.ts'
import { planPlaceholder } from '../../../plan/placeholder.ts'
import type { Parts } from '../parts.ts'

export interface Placeholder {
  readonly pid: number
  /** Resolves when it is gone. */
  readonly end: () => Promise<void>
}

const SIGKILL = 9

/** Fails: SyscallFailed, LaunchDied. */
export const startPlaceholder = ({
  addon,
  facts,
}: Pick<Parts, 'addon' | 'facts'>): Promise<E.Either<EngineError, Placeholder>> => {
  const { stages, infos } = planPlaceholder(facts.arch)
  const none = new Uint16Array(0)
  const stage = (plan: Uint8Array, when: StageScript['when']): StageScript => ({
    plan,
    fds: none,
    base: 1,
    when,
  })
  const script = new addon.Script({
    slotCount: 1,
    stages: [stage(stages[0], 'early'), stage(stages[1], 'later')],
    cloneFlags: 0,
    keep: none,
    close: none,
  })
  return new Promise((resolve) => {
    let pid = 0
    let gone: () => void = () => {}
    const ended = new Promise<void>((done) => {
      gone = done
    })
    const end = (): Promise<void> => {
      native.kill(SIGKILL)
      return ended
    }
    const told = (...event: LaunchEvent): void => {
      switch (event[0]) {
        case 'cloned':
          pid = event[1]
          return
        case 'timings':
          addon.closeFds(Int32Array.of(event[3]))
          return
        case 'waiting':
          addon.closeFds(Int32Array.of(event[1], event[2]))
          // Its end is waited for.
          native.ref()
          resolve(E.right({ pid, end }))
          return
        case 'failed': {
          const [step = 'clone3', errno] = [infos[event[3]]?.step, event[4]]
          gone()
          resolve(E.left({ _tag: 'SyscallFailed', step, errno }))
          return
        }
        case 'exited':
          gone()
          resolve(E.left({ _tag: 'LaunchDied', step: 'execute helper' }))
          return
        default:
      }
    }
    const native: NativeLaunch = new addon.Launch(script, new Int32Array(0), '', told)
  })
}
