// Unix sockets of a container: the one its payload waits at, and those of callers who want a descriptor.
import { closeSync, constants, openSync } from 'node:fs'
import path from 'node:path'
import * as E from '#fp/Either'
import type { EngineError } from '../../model/errors.ts'
import { planListen, planSendDescriptor, type SocketPlan } from '../../plan/sockets.ts'
import type { Parts } from './parts.ts'

/** A short name for a file whose own may be too long for an address. unix(7). */
export const withShortPath = <A>(file: string, use: (short: string) => A): A => {
  const directory = openSync(path.dirname(file), constants.O_RDONLY | constants.O_DIRECTORY)
  try {
    return use(`/proc/self/fd/${directory}/${path.basename(file)}`)
  } finally {
    closeSync(directory)
  }
}

/** A socket that listens there. Fails: SyscallFailed. */
export const listenAt = ({ addon, facts }: Parts, file: string): E.Either<EngineError, number> =>
  withShortPath(file, (short) => {
    const plan = planListen(facts.arch, short)
    const { ok, op, errno, slots } = addon.execute(plan.bytes, new Int32Array(0))
    return ok ? E.right(slots[0] ?? -1) : failed(plan, op, errno, file)
  })

/** Fails: SyscallFailed. Whoever listens is the caller's, and may be slow to accept, so nobody else waits. */
export const sendDescriptor = (
  { addon, facts }: Parts,
  socket: string,
  fd: number,
  text: string,
): Promise<E.Either<EngineError, void>> => {
  const directory = openSync(path.dirname(socket), constants.O_RDONLY | constants.O_DIRECTORY)
  const plan = planSendDescriptor(facts.arch, `/proc/self/fd/${directory}/${path.basename(socket)}`, text)
  return new Promise((resolve) => {
    addon.executeApart(plan.bytes, Int32Array.of(fd), ({ ok, op, errno }) => {
      closeSync(directory)
      resolve(ok ? E.right(undefined) : failed(plan, op, errno, socket))
    })
  })
}

const failed = (
  { infos }: SocketPlan,
  op: number,
  errno: number,
  file: string,
): E.Either<EngineError, never> =>
  E.left({ _tag: 'SyscallFailed', step: infos[op]?.step ?? 'open socket', errno, path: file })
