// The agent of a seccomp filter: it is handed what the calls of the container are notified at. runtime-spec config-linux.md, Seccomp.
import * as E from '#fp/Either'
import type { EngineError } from '../../model/errors.ts'
import type { Spec } from '../../model/oci-spec.ts'
import { planSendListener } from '../../plan/sockets.ts'
import { attempted } from '../attempt.ts'
import { type HookState, stateOf } from './hooks.ts'
import type { Parts } from './parts.ts'
import { sendDescriptor } from './sockets.ts'

/** `pid`: of the process that has loaded the filter. `fd` is borrowed. Fails: SyscallFailed. */
export type HandListener = (fd: number, pid: number) => Promise<E.Either<EngineError, void>>

/** One connection for each filter, closed when the state is sent: `state` is that of the container at the moment. */
export const toAgent =
  (parts: Parts, spec: Spec, state: HookState): HandListener =>
  (fd, pid) => {
    const { listenerPath = '', listenerMetadata } = spec.linux?.seccomp ?? {}
    const text = JSON.stringify({
      ociVersion: spec.ociVersion,
      fds: ['seccompFd'],
      pid,
      ...(listenerMetadata === undefined ? {} : { metadata: listenerMetadata }),
      state: stateOf(spec, state),
    })
    return attempted(() => sendDescriptor(parts, listenerPath, fd, text, planSendListener))
  }

/** Hands over what came as `fd`, and lets whoever waits for that go on by `answer`. `fd` is closed. */
export const passOn = async (
  { addon }: Pick<Parts, 'addon'>,
  hand: HandListener,
  { fd, pid }: { readonly fd: number; readonly pid: number },
  answer: () => void,
): Promise<E.Either<EngineError, void>> => {
  const handed = await hand(fd, pid)
  addon.closeFds(Int32Array.of(fd))
  // One that is gone meanwhile says why by itself, or by its end.
  if (E.isRight(handed)) answer()
  return handed
}
