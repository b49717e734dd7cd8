// Unix sockets of a container: the one its payload waits at, and those of callers who want a descriptor.
import { closeSync, constants, openSync } from 'node:fs'
import path from 'node:path'
import * as E from '#fp/Either'
import type { EngineError } from '../../model/errors.ts'
import {
  planConnect,
  planListen,
  planReceive,
  planSendDescriptor,
  type Received,
  type SocketPlan,
} from '../../plan/sockets.ts'
import type { Parts } from './parts.ts'

/** A short name for a file whose own may be too long for an address. unix(7). */
const shortPath = (directory: number, name: string): string => `/proc/self/fd/${directory}/${name}`

/** `directory`: a descriptor of the one the file is in. */
const socketBy =
  (planOf: typeof planListen) =>
  ({ addon, facts }: Parts, directory: number, file: string): E.Either<EngineError, number> => {
    const plan = planOf(facts.arch, shortPath(directory, path.basename(file)))
    const { ok, op, errno, slots } = addon.execute(plan.bytes, new Int32Array(0))
    return ok ? E.right(slots[0] ?? -1) : failed(plan, op, errno, file)
  }

/** A socket that listens there. Fails: SyscallFailed. */
export const listenAt = socketBy(planListen)

/** A non-blocking socket that is connected to whoever listens there. Fails: SyscallFailed. */
export const connectTo = socketBy(planConnect)

const EAGAIN = 11

/**
 * What comes next at a non-blocking socket. By the addon alone: to load Node's own sockets takes longer than all the rest of a
 * `start`, and they take no descriptors. Fails: SyscallFailed.
 */
export const receive = ({ addon, facts }: Parts, socket: number): Promise<E.Either<EngineError, Received>> =>
  new Promise((resolve) => {
    const plan = planReceive(facts.arch)
    const end = (received: E.Either<EngineError, Received>): void => {
      channel.close()
      resolve(received)
    }
    const wait = (): void => {
      const errno = channel.wait(false)
      if (errno !== 0) end(notReceived(errno))
    }
    const channel = new addon.Channel(socket, () => {
      const result = addon.execute(plan.bytes, Int32Array.of(socket))
      if (result.ok) end(E.right(plan.read(result)))
      else if (result.errno === EAGAIN) wait()
      else end(notReceived(result.errno))
    })
    wait()
  })

const notReceived = (errno: number): E.Either<EngineError, never> =>
  E.left({ _tag: 'SyscallFailed', step: 'receive report', errno })

/** Fails: SyscallFailed. Whoever listens is the caller's, and may be slow to accept, so nobody else waits. */
export const sendDescriptor = (
  { addon, facts }: Parts,
  socket: string,
  fd: number,
  text: string,
  planOf: typeof planSendDescriptor = planSendDescriptor,
): Promise<E.Either<EngineError, void>> => {
  const directory = openSync(path.dirname(socket), constants.O_RDONLY | constants.O_DIRECTORY)
  const plan = planOf(facts.arch, shortPath(directory, path.basename(socket)), text)
  return new Promise((resolve) => {
    addon.executeApart(plan.bytes, Int32Array.of(fd), ({ ok, op, errno, slots }) => {
      closeSync(directory)
      const isWhole = slots[plan.sent] === plan.size
      const sending = plan.infos.length - 2
      resolve(
        ok && isWhole ? E.right(undefined) : failed(plan, ok ? sending : op, ok ? EPIPE : errno, socket),
      )
    })
  })
}

/** A part of it was taken, and then no more. */
const EPIPE = 32

const failed = (
  { infos }: SocketPlan,
  op: number,
  errno: number,
  file: string,
): E.Either<EngineError, never> =>
  E.left({ _tag: 'SyscallFailed', step: infos[op]?.step ?? 'open socket', errno, path: file })
