// Unix sockets of the runtime's own, by plans: Node neither sends descriptors nor leaves a socket behind when it ends.
import {
  AF_UNIX,
  MSG_CMSG_CLOEXEC,
  MSG_NOSIGNAL,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOCK_STREAM,
} from './kernel.ts'
import { type Arch, type Data, type OpInfo, Program, type Slot, SlotSpace } from './program.ts'
import type { Step } from './steps.ts'

export interface SocketPlan {
  readonly bytes: Uint8Array
  readonly infos: readonly OpInfo[]
}

/** sun_path of struct sockaddr_un, with its NUL. unix(7). */
export const MAX_SOCKET_PATH_BYTES = 108

/** Slot 0 afterwards is a socket that listens at `path`, which must not be there. */
export const planListen = (arch: Arch, path: string): SocketPlan => {
  const program = new Program(arch, new SlotSpace())
  const socket = makeSocket(program)
  const { address, size } = addressOf(program, path)
  program.call('bind socket', 'bind', [socket, address, size], { path })
  program.call('listen at socket', 'listen', [socket, 1], { path })
  return { bytes: program.encode(), infos: program.infos }
}

/** Slot 0 becomes a socket, non-blocking from the beginning, that is connected to who listens at `path`. */
export const planConnect = (arch: Arch, path: string): SocketPlan => {
  const program = new Program(arch, new SlotSpace())
  const socket = makeSocket(program, SOCK_NONBLOCK)
  const { address, size } = addressOf(program, path)
  program.call('connect to socket', 'connect', [socket, address, size], { path })
  return { bytes: program.encode(), infos: program.infos }
}

interface SendSteps {
  readonly connect: Step
  readonly send: Step
}

const SEND: SendSteps = { connect: 'connect to socket', send: 'send descriptor' }

export interface SendPlan extends SocketPlan {
  /** Slot of how many bytes of the text were taken: fewer than all where the other end was closed meanwhile, or is slow. */
  readonly sent: number
  readonly size: number
}

/** Sends the descriptor in slot 0 to whoever listens at `path`, with `text` beside it. */
export const planSendDescriptor = (arch: Arch, path: string, text: string): SendPlan => {
  const { program, descriptor, socket } = sending(arch)
  return sendTo(program, descriptor, socket, { path, text, steps: SEND })
}

/** How long an agent may take to accept a connection and to read what it is sent. */
const AGENT_SECONDS = 10

/**
 * The same for the agent of a seccomp filter. A process waits for it that may do nothing but look again, so the agent has a time limit:
 * EAGAIN when it is over.
 */
export const planSendListener = (arch: Arch, path: string, text: string): SendPlan => {
  const { program, descriptor, socket } = sending(arch)
  const limit = program.words([AGENT_SECONDS, 0]) // struct timeval
  const args = [socket, SOL_SOCKET, SO_SNDTIMEO, limit, 16]
  program.call('limit wait for seccomp agent', 'setsockopt', args, { path })
  const steps = { connect: 'connect to seccomp agent', send: 'send to seccomp agent' } as const
  return sendTo(program, descriptor, socket, { path, text, steps })
}

const sending = (
  arch: Arch,
): { readonly program: Program; readonly descriptor: Slot; readonly socket: Slot } => {
  const slots = new SlotSpace()
  const descriptor = slots.next()
  const program = new Program(arch, slots)
  return { program, descriptor, socket: makeSocket(program) }
}

interface Sent {
  readonly path: string
  readonly text: string
  readonly steps: SendSteps
}

const sendTo = (program: Program, descriptor: Slot, socket: Slot, { path, text, steps }: Sent): SendPlan => {
  const sent = program.slots.next()
  const { address, size } = addressOf(program, path)
  program.call(steps.connect, 'connect', [socket, address, size], { path })
  const message = messageWith(program, [descriptor], Buffer.from(text))
  program.call(steps.send, 'sendmsg', [socket, message, MSG_NOSIGNAL], { path, into: sent })
  program.call('close', 'close', [socket])
  const sending = { sent: sent.index, size: Buffer.byteLength(text) }
  return { bytes: program.encode(), infos: program.infos, ...sending }
}

export interface Received {
  /** None at the end of file. */
  readonly bytes: Buffer
  readonly fd: number | undefined
}

export interface ReceivePlan extends SocketPlan {
  readonly read: (result: { readonly data: Buffer; readonly slots: ArrayLike<number> }) => Received
}

const RECEIVED_BYTES = 4096

/** What has come on the non-blocking socket in slot 0, with the descriptor that came with it. */
export const planReceive = (arch: Arch): ReceivePlan => {
  const slots = new SlotSpace()
  const socket = slots.next()
  const count = slots.next()
  const program = new Program(arch, slots)
  const buffer = program.bytes(Buffer.alloc(RECEIVED_BYTES))
  const control = program.bytes(Buffer.alloc(CONTROL_BYTES))
  const part = program.words([buffer, RECEIVED_BYTES])
  const message = program.words([0, 0, part, 1, control, CONTROL_BYTES, 0])
  program.call('receive report', 'recvmsg', [socket, message, MSG_CMSG_CLOEXEC], { into: count })
  return {
    bytes: program.encode(),
    infos: program.infos,
    read: ({ data, slots: results }) => {
      const size = Number(data.readBigUInt64LE(message.offset + CONTROL_SIZE_AT))
      return {
        bytes: data.subarray(buffer.offset, buffer.offset + (results[count.index] ?? 0)),
        fd: size < CMSG_BYTES ? undefined : data.readInt32LE(control.offset + CMSG_HEAD_BYTES),
      }
    },
  }
}

const makeSocket = (program: Program, flags = 0): Slot => {
  const socket = program.slots.next()
  program.call('open socket', 'socket', [AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0], { into: socket })
  return socket
}

/** Sends bytes, which must find room, with the descriptors in the slots from 1 on, over the socket in slot 0. */
export const planPass = (arch: Arch, bytes: Uint8Array, count: number): Uint8Array => {
  const slots = new SlotSpace()
  const socket = slots.next()
  const descriptors = Array.from({ length: count }, () => slots.next())
  const program = new Program(arch, slots)
  const message = messageWith(program, descriptors, bytes)
  program.call('send descriptor', 'sendmsg', [socket, message, MSG_NOSIGNAL])
  return program.encode()
}

/** `struct sockaddr_un`: the family, the path and a NUL. */
const addressOf = (program: Program, path: string): { readonly address: Data; readonly size: number } => {
  const name = Buffer.from(`${path}\0`)
  const bytes = Buffer.alloc(2 + name.length)
  bytes.writeUInt16LE(AF_UNIX, 0)
  name.copy(bytes, 2)
  return { address: program.bytes(bytes), size: bytes.length }
}

const SOL_SOCKET = 1
const SO_SNDTIMEO = 21
const SCM_RIGHTS = 1
const CMSG_HEAD_BYTES = 16
const CMSG_BYTES = 20
/** CMSG_SPACE of one descriptor, cmsg(3). */
const CONTROL_BYTES = 24
/** Where `struct msghdr` has the size of its control data, in bytes. */
const CONTROL_SIZE_AT = 40

/** `struct msghdr`, as 64-bit words: name, its size, iovec, its length, control, its size, flags. sendmsg(2). */
const messageWith = (program: Program, descriptors: readonly Slot[], bytes: Uint8Array): Data => {
  const size = CMSG_HEAD_BYTES + 4 * descriptors.length
  const control = Buffer.alloc((size + 7) & ~7) // CMSG_SPACE
  control.writeUInt32LE(size, 0)
  control.writeUInt32LE(SOL_SOCKET, 8)
  control.writeUInt32LE(SCM_RIGHTS, 12)
  const rights = program.bytes(control)
  for (const [index, descriptor] of descriptors.entries())
    program.putSlot(rights, CMSG_HEAD_BYTES + 4 * index, descriptor)
  const part = program.words([program.bytes(bytes), bytes.length])
  return program.words([0, 0, part, 1, rights, control.length, 0])
}

/** A pair of connected stream sockets: both descriptors end up as two 32-bit numbers at `pair`. */
export const planStreamPair = (arch: Arch): SocketPlan & { readonly pair: Data } => {
  const program = new Program(arch, new SlotSpace())
  const pair = program.bytes(new Uint8Array(8))
  program.call('make socket', 'socketpair', [AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair])
  return { bytes: program.encode(), infos: program.infos, pair }
}
