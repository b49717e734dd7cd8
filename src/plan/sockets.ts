// Unix sockets of the runtime's own, by plans: Node neither sends descriptors nor leaves a socket behind when it ends.
import { AF_UNIX, MSG_NOSIGNAL, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_STREAM } from './kernel.ts'
import { type Arch, type Data, type OpInfo, Program, type Slot, SlotSpace } from './program.ts'

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

/** Sends the descriptor in slot 0 to whoever listens at `path`, with `text` beside it. */
export const planSendDescriptor = (arch: Arch, path: string, text: string): SocketPlan => {
  const slots = new SlotSpace()
  const descriptor = slots.next()
  const program = new Program(arch, slots)
  const socket = makeSocket(program)
  const { address, size } = addressOf(program, path)
  program.call('connect to socket', 'connect', [socket, address, size], { path })
  program.call('send descriptor', 'sendmsg', [socket, messageWith(program, descriptor, text), MSG_NOSIGNAL], {
    path,
  })
  program.call('close', 'close', [socket])
  return { bytes: program.encode(), infos: program.infos }
}

const makeSocket = (program: Program, flags = 0): Slot => {
  const socket = program.slots.next()
  program.call('open socket', 'socket', [AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0], { into: socket })
  return socket
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
const SCM_RIGHTS = 1
const CMSG_BYTES = 20
/** CMSG_SPACE of one descriptor, cmsg(3). */
const CONTROL_BYTES = 24

/** `struct msghdr`, as 64-bit words: name, its size, iovec, its length, control, its size, flags. sendmsg(2). */
const messageWith = (program: Program, descriptor: Slot, text: string): Data => {
  const control = Buffer.alloc(CONTROL_BYTES)
  control.writeUInt32LE(CMSG_BYTES, 0)
  control.writeUInt32LE(SOL_SOCKET, 8)
  control.writeUInt32LE(SCM_RIGHTS, 12)
  const rights = program.bytes(control)
  program.putSlot(rights, 16, descriptor)
  const part = program.words([program.text(text), Buffer.byteLength(text)])
  return program.words([0, 0, part, 1, rights, CONTROL_BYTES, 0])
}
