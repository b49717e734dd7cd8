// A connection to a bus, or to a service that speaks without one: authentication, calls and signals.
import { connect, type Socket } from 'node:net'
import type { DbusValue } from '../model/unit-property.ts'
import { decodeMessage, encodeCall, type MethodCall, messageSize, type Received } from './message.ts'
import { DbusFormatError } from './signature.ts'

/** The other side answered with an error. */
export class DbusCallError extends Error {
  /** E.g. `org.freedesktop.systemd1.NoSuchUnit`. */
  readonly errorName: string
  constructor(errorName: string, text: string) {
    super(text)
    this.errorName = errorName
  }
}

/** There is no connection, or not any more; `message` says why. */
export class DbusLostError extends Error {}

export interface DbusSettings {
  /** A path; with `\0` in front the name of an abstract socket. unix(7). */
  readonly address: string
  /** Whether a bus is there that has to be greeted and gives names. */
  readonly isBus: boolean
  /** For each answer. */
  readonly timeoutMs: number
}

export interface DbusConnection {
  /** The values of the answer. Rejects with a DbusCallError, DbusLostError or DbusFormatError. */
  readonly call: (call: MethodCall) => Promise<readonly DbusValue[]>
  /** Every signal from now on, until the result is called. A bus has to be told which ones are wanted (AddMatch). */
  readonly listen: (listener: (signal: Received) => void) => () => void
  /** What `begin` resolves with. Rejects with a DbusLostError when the connection ends before, or the time is over. */
  readonly within: <A>(what: string, begin: (waiter: Waiter<A>) => void) => Promise<A>
  readonly close: () => void
}

/** Rejects with a DbusLostError. */
export const openDbus = async (settings: DbusSettings): Promise<DbusConnection> => {
  const connection = new Connection(settings)
  try {
    await connection.open()
  } catch (error) {
    connection.close()
    throw error
  }
  return connection
}

const BUS = {
  destination: 'org.freedesktop.DBus',
  path: '/org/freedesktop/DBus',
  interface: 'org.freedesktop.DBus',
} as const
const LONGEST_LINE = 16_384

export interface Waiter<A> {
  readonly resolve: (value: A) => void
  readonly reject: (error: Error) => void
}

class Connection implements DbusConnection {
  readonly #settings: DbusSettings
  readonly #socket: Socket
  readonly #calls = new Map<number, Waiter<readonly DbusValue[]>>()
  readonly #listeners = new Set<(signal: Received) => void>()
  readonly #failures = new Set<(error: Error) => void>()
  #unread: Buffer = Buffer.alloc(0)
  #serial = 0
  #authenticated: Waiter<void> | undefined
  #lost: Error | undefined

  constructor(settings: DbusSettings) {
    this.#settings = settings
    this.#socket = connect(settings.address)
    this.#socket.on('data', (bytes) => this.#receive(bytes))
    this.#socket.on('error', (error) => this.#lose(new DbusLostError(error.message)))
    this.#socket.on('close', () => this.#lose(new DbusLostError('the connection was closed')))
  }

  async open(): Promise<void> {
    await this.within('authentication', (waiter) => {
      this.#authenticated = waiter
      // Without a name of our own the other side goes by the socket's credentials, whatever user namespace we are in.
      this.#socket.write('\0AUTH EXTERNAL\r\nDATA\r\n')
    })
    this.#socket.write('BEGIN\r\n')
    if (this.#settings.isBus) await this.call({ ...BUS, member: 'Hello' })
  }

  call(call: MethodCall): Promise<readonly DbusValue[]> {
    const serial = ++this.#serial
    const answer = this.within<readonly DbusValue[]>(call.member, (waiter) => {
      const bytes = encodeCall(call, serial)
      this.#calls.set(serial, waiter)
      this.#socket.write(bytes)
    })
    return answer.finally(() => this.#calls.delete(serial))
  }

  listen(listener: (signal: Received) => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  close(): void {
    this.#lose(new DbusLostError('the connection was closed'))
    this.#socket.destroy()
  }

  within<A>(what: string, begin: (waiter: Waiter<A>) => void): Promise<A> {
    const { timeoutMs } = this.#settings
    let timer: NodeJS.Timeout | undefined
    let fail: (error: Error) => void = () => {}
    const promise = new Promise<A>((resolve, reject) => {
      fail = reject
      this.#failures.add(fail)
      timer = setTimeout(
        () => reject(new DbusLostError(`no answer to ${what} within ${timeoutMs / 1000} s`)),
        timeoutMs,
      )
      if (this.#lost !== undefined) reject(this.#lost)
      else begin({ resolve, reject })
    })
    return promise.finally(() => {
      clearTimeout(timer)
      this.#failures.delete(fail)
    })
  }

  #receive(bytes: Buffer): void {
    if (this.#lost !== undefined) return
    this.#unread = this.#unread.length === 0 ? bytes : Buffer.concat([this.#unread, bytes])
    try {
      if (this.#authenticated !== undefined && !this.#readLines(this.#authenticated)) return
      this.#readMessages()
    } catch (error) {
      this.#lose(error as Error)
      this.#socket.destroy()
    }
  }

  /** "Authentication Protocol": lines of words up to the answer. True when there are messages from now on. */
  #readLines(waiter: Waiter<void>): boolean {
    for (let end = this.#unread.indexOf('\r\n'); end >= 0; end = this.#unread.indexOf('\r\n')) {
      const line = this.#unread.toString('latin1', 0, end)
      this.#unread = this.#unread.subarray(end + 2)
      if (/^DATA\b/.test(line)) continue
      if (!/^OK\b/.test(line)) throw new DbusLostError(`refused: ${JSON.stringify(line.slice(0, 80))}`)
      this.#authenticated = undefined
      waiter.resolve()
      return true
    }
    if (this.#unread.length > LONGEST_LINE) throw new DbusFormatError('a line without an end')
    return false
  }

  #readMessages(): void {
    for (let size = messageSize(this.#unread); size !== undefined; size = messageSize(this.#unread)) {
      if (size > this.#unread.length) return
      const message = decodeMessage(this.#unread.subarray(0, size))
      this.#unread = this.#unread.subarray(size)
      this.#tell(message)
    }
  }

  #tell(message: Received): void {
    if (message.kind === 'signal') {
      for (const listener of [...this.#listeners]) listener(message)
      return
    }
    const waiter = this.#calls.get(message.replySerial ?? 0)
    if (message.kind === 'return') waiter?.resolve(message.values)
    if (message.kind === 'error') {
      const [text = ''] = message.values
      waiter?.reject(new DbusCallError(message.errorName ?? 'an error without a name', String(text)))
    }
  }

  #lose(error: Error): void {
    this.#lost ??= error
    for (const fail of [...this.#failures]) fail(error)
  }
}
