// What the caller of create and exec waits for.
import * as E from '#fp/Either'
import type { EngineError } from '../../model/errors.ts'
import type { CreateRequest } from '../../model/oci-requests.ts'
import { attempt } from '../attempt.ts'
import type { LastingLaunch } from './launch.ts'
import type { Parts } from './parts.ts'
import { writePidFile } from './pid-file.ts'
import { sendDescriptor } from './sockets.ts'

/** The terminal first, since whoever has the pid expects to have it. Fails: SyscallFailed. */
export const handOver = async (
  parts: Parts,
  { consoleSocket, pidfdSocket, pidFile }: Pick<CreateRequest, 'consoleSocket' | 'pidfdSocket' | 'pidFile'>,
  launch: LastingLaunch,
): Promise<E.Either<EngineError, void>> => {
  if (consoleSocket !== undefined && launch.terminal !== undefined) {
    const sent = await sendDescriptor(parts, consoleSocket, launch.terminal, '/dev/pts/ptmx')
    if (E.isLeft(sent)) return sent
  }
  if (pidfdSocket !== undefined) {
    const sent = await sendDescriptor(parts, pidfdSocket, launch.pidfd(), 'pidfd')
    if (E.isLeft(sent)) return sent
  }
  return pidFile === undefined ? E.right(undefined) : attempt(() => writePidFile(pidFile, launch.pid))
}
