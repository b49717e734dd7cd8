// Unix sockets of a container: the one its payload waits at, and those of callers who want a descriptor.
import { closeSync, constants, openSync } from 'node:fs'
import path from 'node:path'
import * as E from '#fp/Either'
import type { EngineError } from '../../model/errors.ts'
import type { Addon } from '../../native/addon.ts'
import { planConnect, planListen, planSendDescriptor, type SocketPlan } from '../../plan/sockets.ts'
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

const EAGAIN = 11
const CHUNK_BYTES = 4096

/** Connects, and reads to the end what is said there. Fails: SyscallFailed. */
export const readAt = async (
  { addon, facts }: Parts,
  file: string,
): Promise<E.Either<EngineError, Buffer>> => {
  const plan = withShortPath(file, (short) => {
    const made = planConnect(facts.arch, short)
    return { ...made, result: addon.execute(made.bytes, new Int32Array(0)) }
  })
  const { ok, op, errno, slots } = plan.result
  if (!ok) return failed(plan, op, errno, file)
  const fd = slots[0] ?? -1
  const read = await readAll(addon, fd)
  addon.closeFds(Int32Array.of(fd))
  return typeof read === 'number'
    ? E.left({ _tag: 'SyscallFailed', step: 'read', errno: read, path: file })
    : E.right(read)
}

/** Or the errno it failed with. By the addon alone: to load Node's own sockets takes longer than all the rest of a `start`. */
const readAll = (addon: Addon, fd: number): Promise<Buffer | number> =>
  new Promise((resolve) => {
    const parts: Buffer[] = []
    const buffer = Buffer.allocUnsafe(CHUNK_BYTES)
    const end = (result: Buffer | number): void => {
      channel.close()
      resolve(result)
    }
    const wait = (): void => {
      const errno = channel.wait(false)
      if (errno !== 0) end(errno)
    }
    const channel = new addon.Channel(fd, () => {
      const got = channel.read(buffer)
      if (got > 0) parts.push(Buffer.from(buffer.subarray(0, got)))
      if (got > 0 || got === -EAGAIN) wait()
      else end(got === 0 ? Buffer.concat(parts) : -got)
    })
    wait()
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
