// The frames that a detached container's monitor and its clients exchange: docs/monitor.md, Protocol. Pure.

export type RestartKind = 'no' | 'on-failure' | 'always' | 'unless-stopped'
/** As the monitor counts them: native/init/monitor.h, RestartKind. */
export const RESTART_KINDS: readonly RestartKind[] = ['no', 'on-failure', 'always', 'unless-stopped']

export type StreamName = 'stdout' | 'stderr'

/** What a client asks for. All but `Input` get a `Reply`, in their order. */
export type MonitorRequest =
  /** Bytes for standard input; at most MAX_BODY. */
  | { readonly _tag: 'Input'; readonly bytes: Uint8Array }
  /** What this connection is for from now on. `stdin`: EBUSY while somebody else has it. */
  | {
      readonly _tag: 'Attach'
      readonly stdin?: boolean
      readonly stdout?: boolean
      readonly stderr?: boolean
      /** States and ends. */
      readonly watch?: boolean
    }
  | { readonly _tag: 'EndInput' }
  | { readonly _tag: 'Resize'; readonly columns: number; readonly rows: number }
  /** To the first process. */
  | { readonly _tag: 'Signal'; readonly signal: number }
  /** `signal` 0 and `timeoutMs` undefined: as the table has them. `timeoutMs` -1: never SIGKILL. No restart follows. */
  | { readonly _tag: 'Stop'; readonly signal: number; readonly timeoutMs?: number }
  /** `maximumRetries` 0: no bound. */
  | { readonly _tag: 'SetRestart'; readonly kind: RestartKind; readonly maximumRetries: number }
  /** SIGKILL, and no restart. */
  | { readonly _tag: 'Kill' }
  /**
   * One more process of the container is the container's own from now on: its pidfd comes with the frame, and behind it the master of its
   * terminal where it has one. `execID`: 64 hex digits. `wasAttached`: somebody had it until now, and leaves it. EMFILE: there are too
   * many of them.
   */
  | { readonly _tag: 'Hold'; readonly pid: number; readonly execID: string; readonly wasAttached: boolean }
  /** As long as this connection is there it is not started again. EBUSY: it is not between two runs. */
  | { readonly _tag: 'HoldStarts' }

export type MonitorMessage =
  | { readonly _tag: 'Output'; readonly stream: StreamName; readonly bytes: Uint8Array }
  /** Text of the state file: decodeMonitorState. */
  | { readonly _tag: 'State'; readonly text: string }
  /** Text of the exit record, which is on disk: decodeExitRecord. */
  | { readonly _tag: 'Exit'; readonly text: string }
  /** To one request. 0, or why it was refused. */
  | { readonly _tag: 'Reply'; readonly errno: number }
  /** So much output this client has missed here, since it did not read. */
  | { readonly _tag: 'Missed'; readonly bytes: number }
  /** As the addon tells of it: src/native/addon.ts, PHASE. `errno` 0: it died, and `op` is the word it wrote last: placeOf. */
  | {
      readonly _tag: 'StartFailed'
      readonly phase: number
      readonly stage: number
      readonly op: number
      readonly errno: number
    }

/** The other side does not speak this protocol; nothing comes after it. */
export interface Malformed {
  readonly _tag: 'Malformed'
  readonly why: string
}

export const MAX_BODY = 64 << 10
export const HEADER_BYTES = 8

const TYPE = {
  input: 0,
  stdout: 1,
  stderr: 2,
  state: 3,
  exit: 4,
  reply: 5,
  missed: 6,
  startFailed: 7,
  attach: 16,
  endInput: 17,
  resize: 18,
  signal: 19,
  stop: 20,
  setRestart: 21,
  kill: 22,
  hold: 23,
  holdStarts: 24,
} as const
const ATTACH = { stdin: 1, stdout: 2, stderr: 4, watch: 8 } as const
/** A timeout as the table has it: native/init/monitor.h, kTableStopMs. */
const AS_PLANNED = -2

/** Throws for a body above MAX_BODY: callers cut what they send. */
export const encodeRequest = (request: MonitorRequest): Uint8Array => {
  switch (request._tag) {
    case 'Input':
      return frame(TYPE.input, request.bytes)
    case 'Attach':
      return frame(TYPE.attach, uint32s(attachBits(request)))
    case 'EndInput':
      return frame(TYPE.endInput, NOTHING)
    case 'Resize':
      return frame(TYPE.resize, uint32s(((request.rows & 0xffff) << 16) | (request.columns & 0xffff)))
    case 'Signal':
      return frame(TYPE.signal, uint32s(request.signal))
    case 'Stop':
      return frame(TYPE.stop, uint32s(request.signal, request.timeoutMs ?? AS_PLANNED))
    case 'SetRestart':
      return frame(TYPE.setRestart, uint32s(RESTART_KINDS.indexOf(request.kind), request.maximumRetries))
    case 'Kill':
      return frame(TYPE.kill, NOTHING)
    case 'HoldStarts':
      return frame(TYPE.holdStarts, NOTHING)
    case 'Hold':
      return frame(
        TYPE.hold,
        Buffer.concat([uint32s(request.pid, Number(request.wasAttached)), Buffer.from(request.execID)]),
      )
  }
}

/** The monitor's side of it, for what plays a monitor. */
export const encodeMessage = (message: MonitorMessage): Uint8Array => {
  switch (message._tag) {
    case 'Output':
      return frame(message.stream === 'stdout' ? TYPE.stdout : TYPE.stderr, message.bytes)
    case 'State':
      return frame(TYPE.state, Buffer.from(message.text))
    case 'Exit':
      return frame(TYPE.exit, Buffer.from(message.text))
    case 'Reply':
      return frame(TYPE.reply, uint32s(message.errno))
    case 'Missed': {
      const body = Buffer.alloc(8)
      body.writeBigUInt64LE(BigInt(message.bytes))
      return frame(TYPE.missed, body)
    }
    case 'StartFailed':
      return frame(TYPE.startFailed, uint32s(message.phase, message.stage, message.op, message.errno))
  }
}

const NOTHING = new Uint8Array(0)

const frame = (type: number, body: Uint8Array): Uint8Array => {
  if (body.length > MAX_BODY) throw new Error(`a frame of ${body.length} bytes`)
  const bytes = Buffer.alloc(HEADER_BYTES + body.length)
  bytes.writeUInt8(type, 0)
  bytes.writeUInt32BE(body.length, 4)
  bytes.set(body, HEADER_BYTES)
  return bytes
}

/** Signed ones as two's complement. */
const uint32s = (...values: readonly number[]): Uint8Array => {
  const bytes = Buffer.alloc(4 * values.length)
  values.forEach((value, index) => {
    bytes.writeUInt32LE(value >>> 0, 4 * index)
  })
  return bytes
}

const attachBits = (request: Extract<MonitorRequest, { _tag: 'Attach' }>): number =>
  Object.entries(ATTACH).reduce(
    (bits, [name, bit]) => (request[name as keyof typeof ATTACH] === true ? bits | bit : bits),
    0,
  )

/** Cuts a stream of bytes into frames, however it comes in pieces. */
class Frames<Message> {
  readonly #decode: (type: number, body: Buffer) => Message | undefined
  #rest: Buffer = Buffer.alloc(0)
  #isOver = false

  constructor(decode: (type: number, body: Buffer) => Message | undefined) {
    this.#decode = decode
  }

  push(chunk: Uint8Array): readonly (Message | Malformed)[] {
    if (this.#isOver) return []
    this.#rest = this.#rest.length === 0 ? Buffer.from(chunk) : Buffer.concat([this.#rest, chunk])
    const found: (Message | Malformed)[] = []
    for (;;) {
      if (this.#rest.length < HEADER_BYTES) return found
      const type = this.#rest.readUInt8(0)
      const size = this.#rest.readUInt32BE(4)
      if (size > MAX_BODY) return [...found, this.#end(`a frame of ${size} bytes`)]
      if (this.#rest.length < HEADER_BYTES + size) return found
      const message = this.#decode(type, this.#rest.subarray(HEADER_BYTES, HEADER_BYTES + size))
      if (message === undefined) return [...found, this.#end(`a frame of type ${type} and ${size} bytes`)]
      found.push(message)
      this.#rest = this.#rest.subarray(HEADER_BYTES + size)
    }
  }

  /** Bytes of a frame that is not whole yet. */
  get pending(): number {
    return this.#rest.length
  }

  #end(why: string): Malformed {
    this.#isOver = true
    this.#rest = Buffer.alloc(0)
    return { _tag: 'Malformed', why }
  }
}

/** What the monitor says. */
export class FrameDecoder extends Frames<MonitorMessage> {
  constructor() {
    super(decodeMessage)
  }
}

/** What a client asks for; the monitor's side of it. */
export class RequestDecoder extends Frames<MonitorRequest> {
  constructor() {
    super(decodeRequest)
  }
}

const decodeMessage = (type: number, body: Buffer): MonitorMessage | undefined => {
  switch (type) {
    case TYPE.stdout:
      return { _tag: 'Output', stream: 'stdout', bytes: body }
    case TYPE.stderr:
      return { _tag: 'Output', stream: 'stderr', bytes: body }
    case TYPE.state:
      return { _tag: 'State', text: body.toString() }
    case TYPE.exit:
      return { _tag: 'Exit', text: body.toString() }
    case TYPE.reply:
      return body.length === 4 ? { _tag: 'Reply', errno: body.readInt32LE(0) } : undefined
    case TYPE.missed:
      return body.length === 8 ? { _tag: 'Missed', bytes: Number(body.readBigUInt64LE(0)) } : undefined
    case TYPE.startFailed:
      return body.length === 16
        ? {
            _tag: 'StartFailed',
            phase: body.readUInt32LE(0),
            stage: body.readUInt32LE(4),
            op: body.readUInt32LE(8),
            errno: body.readInt32LE(12),
          }
        : undefined
    default:
      return undefined
  }
}

const decodeRequest = (type: number, body: Buffer): MonitorRequest | undefined => {
  if (type === TYPE.input) return { _tag: 'Input', bytes: body }
  if (body.length !== REQUEST_BYTES[type]) return undefined
  switch (type) {
    case TYPE.attach:
      return decodeAttach(body.readUInt32LE(0))
    case TYPE.endInput:
      return { _tag: 'EndInput' }
    case TYPE.resize:
      return { _tag: 'Resize', columns: body.readUInt16LE(0), rows: body.readUInt16LE(2) }
    case TYPE.signal:
      return { _tag: 'Signal', signal: body.readInt32LE(0) }
    case TYPE.stop: {
      const timeoutMs = body.readInt32LE(4)
      const signal = body.readInt32LE(0)
      return { _tag: 'Stop', signal, ...(timeoutMs === AS_PLANNED ? {} : { timeoutMs }) }
    }
    case TYPE.setRestart: {
      const kind = RESTART_KINDS[body.readUInt32LE(0)]
      return kind && { _tag: 'SetRestart', kind, maximumRetries: body.readUInt32LE(4) }
    }
    case TYPE.hold:
      return {
        _tag: 'Hold',
        pid: body.readInt32LE(0),
        wasAttached: body.readUInt32LE(4) === 1,
        execID: body.toString('latin1', 8),
      }
    case TYPE.holdStarts:
      return { _tag: 'HoldStarts' }
    default:
      return { _tag: 'Kill' }
  }
}

const REQUEST_BYTES: Readonly<Record<number, number>> = {
  [TYPE.attach]: 4,
  [TYPE.endInput]: 0,
  [TYPE.resize]: 4,
  [TYPE.signal]: 4,
  [TYPE.stop]: 8,
  [TYPE.setRestart]: 8,
  [TYPE.kill]: 0,
  [TYPE.hold]: 72,
  [TYPE.holdStarts]: 0,
}

const decodeAttach = (bits: number): MonitorRequest => ({
  _tag: 'Attach',
  ...Object.fromEntries(
    Object.entries(ATTACH).flatMap(([name, bit]) => ((bits & bit) === 0 ? [] : [[name, true]])),
  ),
})
