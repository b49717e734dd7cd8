// A stream on a non-blocking descriptor of slipway's own: Node's, or one on the addon where the host's take none from outside.
import type { Duplex } from 'node:stream'
import { errnoName, errnoText } from '../model/errno.ts'
import type { Addon } from '../native/addon.ts'
import { builtin } from '../native/builtin.ts'
import { jsHost } from '../native/js-host.ts'

/** As much as an empty pipe holds (pipe(7)). */
const CHUNK_BYTES = 64 << 10
const EIO = 5
const EAGAIN = 11
/** Until a descriptor is tried again that said it had room, and took nothing. */
const FULL_WAIT_MS = 20

export interface Directions {
  readonly readable: boolean
  readonly writable: boolean
}

/** Takes ownership of `fd`. */
export const pipeStream = (addon: Addon, fd: number, directions: Directions): Duplex =>
  jsHost.takesDescriptors
    ? new (builtin('node:net').Socket)({ fd, ...directions })
    : channelStream(addon, fd, directions)

/**
 * The engine's end of a terminal. Takes ownership of `fd`. Not Node's own stream, whose libuv takes a short read together with a
 * hang-up for the end, and then loses what the kernel has yet to hand over: 2 of 100 last lines.
 */
export const terminalStream = (addon: Addon, fd: number): Duplex =>
  channelStream(addon, fd, { readable: true, writable: true })

const channelStream = (addon: Addon, fd: number, directions: Directions): Duplex => {
  const buffer = Buffer.allocUnsafeSlow(directions.readable ? CHUNK_BYTES : 0)
  let waiting: (() => void) | undefined
  let retry: NodeJS.Timeout | undefined
  let hungUp = false
  const channel = new addon.Channel(fd, (readable, writable) => {
    if (readable) take()
    if (writable) goOn()
  })
  const stream = new (builtin('node:stream').Duplex)({
    ...directions,
    // A terminal that has ended takes no input any more.
    allowHalfOpen: false,
    // Never at once, however much there is: a payload that writes without end would keep the event loop for itself.
    read: () => wait(false),
    write: (chunk, _encoding, done) => give(chunk, done),
    destroy: (error, done) => {
      clearTimeout(retry)
      channel.close()
      addon.closeFds(Int32Array.of(fd))
      done(error)
    },
  })
  const wait = (toWrite: boolean): void => {
    const errno = channel.wait(toWrite)
    if (errno !== 0) stream.destroy(systemError('epoll_ctl', errno))
  }
  const take = (): void => {
    const got = channel.read(buffer)
    if (got > 0) stream.push(Buffer.from(buffer.subarray(0, got)))
    else if (got === -EAGAIN) wait(false)
    // EIO: the last user of a terminal is gone (pty(7)).
    else if (got === 0 || got === -EIO) end()
    else stream.destroy(systemError('read', -got))
  }
  /** As Node's socket does: an end that nobody asks for is seen, and closes the descriptor. */
  const end = (): void => {
    hungUp = true
    goOn()
    stream.push(null)
    stream.read(0)
  }
  const goOn = (): void => {
    const write = waiting
    waiting = undefined
    write?.()
  }
  /** What is written into the void is lost. */
  const give = (chunk: Uint8Array, done: (error?: Error) => void, hasRoom = false): void => {
    const put = hungUp ? chunk.length : channel.write(chunk)
    const rest = chunk.subarray(Math.max(put, 0))
    if (put < 0 && put !== -EAGAIN) done(systemError('write', -put))
    else if (rest.length === 0) done()
    else {
      waiting = () => give(rest, done, true)
      // Of a terminal that has hung up poll(2) says that it can be written to, and write(2) that it cannot.
      if (hasRoom && put < 0) retry = setTimeout(goOn, FULL_WAIT_MS)
      else wait(true)
    }
  }
  if (directions.readable) stream.read(0)
  return stream
}

/** As Node's own are. */
const systemError = (syscall: string, errno: number): NodeJS.ErrnoException =>
  Object.assign(new Error(`${syscall}: ${errnoText(errno)}`), {
    errno: -errno,
    code: errnoName(errno),
    syscall,
  })
