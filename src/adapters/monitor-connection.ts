// One connection to a monitor: requests out, messages in, over a stream socket.
import type { Socket } from 'node:net'
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

const ECONNRESET = 104

type Answer = (result: E.Either<EngineError, void>) => void
type Listener = (message: MonitorMessage | undefined) => void

/** The socket is the connection's from now on. */
export const monitorConnection = (socket: Socket): MonitorConnection => {
  const decoder = new FrameDecoder()
  /** Asked and not answered: replies come in the order of requests. */
  const waiting: { readonly request: MonitorRequest; readonly answer: Answer }[] = []
  /** Come before anybody listened. */
  let kept: (MonitorMessage | undefined)[] | undefined = []
  let listener: Listener = (message) => kept?.push(message)
  let isOver = false
  const end = (): void => {
    if (isOver) return
    isOver = true
    for (const { request, answer } of waiting.splice(0)) answer(refused(request, ECONNRESET))
    listener(undefined)
  }
  socket.on('data', (chunk) => {
    for (const message of decoder.push(chunk)) {
      if (message._tag === 'Malformed') return socket.destroy()
      if (message._tag !== 'Reply') listener(message)
      else {
        const asked = waiting.shift()
        asked?.answer(message.errno === 0 ? E.right(undefined) : refused(asked.request, message.errno))
      }
    }
    return undefined
  })
  // A monitor that ends takes its end with it: what it said before has come by then.
  socket.on('error', () => {})
  socket.on('close', end)
  return {
    ask: (request) => () =>
      new Promise((resolve) => {
        if (isOver) {
          resolve(refused(request, ECONNRESET))
          return
        }
        waiting.push({ request, answer: resolve })
        socket.write(encodeRequest(request))
      }),
    write: (bytes) => {
      let more = true
      for (let at = 0; at < bytes.length; at += MAX_BODY)
        more = socket.write(encodeRequest({ _tag: 'Input', bytes: bytes.subarray(at, at + MAX_BODY) }))
      return more
    },
    onDrain: (then) => socket.once('drain', then),
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
    pause: () => socket.pause(),
    resume: () => socket.resume(),
    close: () => socket.destroy(),
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
}
