// One connection to a monitor: requests out, messages in, over a stream socket. Not Node's own stream: node:net costs a command
// milliseconds to load, and takes no descriptor in other hosts.
import * as E from '#fp/Either'
import type { MonitorConnection } from '../engine/ports/detached.ts'
import type { EngineError } from '../model/errors.ts'
import {
  encodeRequest,
  FrameDecoder,
  MAX_BODY,
  type MonitorMessage,
  type MonitorRequest,
} from '../model/monitor-frames.ts'
import type { Addon } from '../native/addon.ts'

const EAGAIN = 11
const EPIPE = 32
const ECONNRESET = 104
/** As much as the largest message, nearly. */
const CHUNK_BYTES = 64 << 10

type Answer = (result: E.Either<EngineError, void>) => void
type Listener = (message: MonitorMessage | undefined) => void

/** Of all connections: what is read is copied before the next one reads. */
let scratch: Buffer | undefined

/** Sends bytes and descriptors in one message. 0 or a positive errno. */
export type Pass = (bytes: Uint8Array, fds: readonly number[]) => number

/** The longest a timer takes; it does nothing but be there. */
const FOR_EVER_MS = 2 ** 31 - 1

/** Takes ownership of `fd`. Keeps the event loop alive until it is closed: also while it is paused somebody waits for what is to come. */
export const monitorConnection = (addon: Addon, fd: number, pass: Pass): MonitorConnection => {
  const decoder = new FrameDecoder()
  /** Asked and not answered: replies come in the order of requests. */
  const waiting: { readonly request: MonitorRequest; readonly answer: Answer }[] = []
  /** Come before anybody listened. */
  let kept: (MonitorMessage | undefined)[] | undefined = []
  let listener: Listener = (message) => kept?.push(message)
  /** Written when there is room. */
  let unsent: Uint8Array[] = []
  const onceDrained: (() => void)[] = []
  /** While it is paused. */
  let pause: NodeJS.Timeout | undefined
  let isOver = false
  const channel = new addon.Channel(fd, (readable, writable) => {
    if (readable) take()
    if (writable && !isOver) send()
  })
  /** A monitor that ends takes its end with it: what it said before has come by then. */
  const close = (): void => {
    if (isOver) return
    isOver = true
    clearInterval(pause)
    channel.close()
    addon.closeFds(Int32Array.of(fd))
    queueMicrotask(() => {
      for (const { request, answer } of waiting.splice(0)) answer(refused(request, ECONNRESET))
      drained()
      listener(undefined)
    })
  }
  const wait = (toWrite: boolean): void => {
    if (channel.wait(toWrite) !== 0) close()
  }
  const take = (): void => {
    scratch ??= Buffer.allocUnsafeSlow(CHUNK_BYTES)
    const got = channel.read(scratch)
    if (got > 0) hear(Buffer.from(scratch.subarray(0, got)))
    else if (got !== -EAGAIN) close()
    if (!isOver && pause === undefined) wait(false)
  }
  const hear = (chunk: Buffer): void => {
    for (const message of decoder.push(chunk)) {
      if (message._tag === 'Malformed') {
        close()
        return
      }
      if (message._tag !== 'Reply') listener(message)
      else {
        const asked = waiting.shift()
        asked?.answer(message.errno === 0 ? E.right(undefined) : refused(asked.request, message.errno))
      }
    }
  }
  const send = (): void => {
    while (unsent[0] !== undefined) {
      const put = channel.write(unsent[0])
      if (put === -EAGAIN) {
        wait(true)
        return
      }
      // Nobody takes anything any more; what was said before may still be read, and then the end.
      if (put < 0) unsent = []
      else if (put < unsent[0].length) unsent[0] = unsent[0].subarray(put)
      else unsent.shift()
    }
    drained()
  }
  const drained = (): void => {
    for (const then of onceDrained.splice(0)) then()
  }
  const put = (bytes: Uint8Array): void => {
    unsent.push(bytes)
    // One that waits for room already is woken.
    if (unsent.length === 1) send()
  }
  wait(false)
  return {
    ask: (request) => () =>
      new Promise((resolve) => {
        if (isOver) {
          resolve(refused(request, ECONNRESET))
          return
        }
        waiting.push({ request, answer: resolve })
        put(encodeRequest(request))
      }),
    hand: (request, fds) => () =>
      new Promise((resolve) => {
        const handOver = (): void => {
          const errno = isOver ? ECONNRESET : pass(encodeRequest(request), fds)
          if (errno === 0) waiting.push({ request, answer: resolve })
          // It ended, and who wrote first is told so.
          else resolve(refused(request, errno === EPIPE ? ECONNRESET : errno))
        }
        // What was asked before goes first.
        if (isOver || unsent.length === 0) handOver()
        else onceDrained.push(handOver)
      }),
    write: (bytes) => {
      if (isOver) return true
      for (let at = 0; at < bytes.length; at += MAX_BODY)
        put(encodeRequest({ _tag: 'Input', bytes: bytes.subarray(at, at + MAX_BODY) }))
      return unsent.length === 0
    },
    onDrain: (then) => {
      onceDrained.push(then)
      if (isOver) drained()
    },
    listen: (next) => {
      const before = kept ?? []
      kept = undefined
      listener = next
      // Who listens may give way to another one in the middle of it.
      for (const message of before) listener(message)
    },
    unread: (messages) => {
      kept = [...messages, ...(isOver ? [undefined] : [])]
      listener = (message) => kept?.push(message)
    },
    pause: () => {
      if (!isOver) pause ??= setInterval(() => {}, FOR_EVER_MS)
    },
    resume: () => {
      clearInterval(pause)
      pause = undefined
      if (!isOver) wait(false)
    },
    close,
  }
}

const refused = ({ _tag }: MonitorRequest, errno: number): E.Either<EngineError, never> =>
  E.left({ _tag: 'SyscallFailed', step: `ask monitor to ${ASKED[_tag]}`, errno })

const ASKED: Readonly<Record<MonitorRequest['_tag'], string>> = {
  Input: 'pass input',
  Attach: 'attach',
  EndInput: 'end input',
  Resize: 'resize',
  Signal: 'signal',
  Stop: 'stop',
  SetRestart: 'change restarts',
  Kill: 'kill',
  Hold: 'hold',
  HoldStarts: 'hold back its start',
}
