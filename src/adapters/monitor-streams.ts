// What an attached client sees of a container: its streams, as Node's, over one connection to its monitor.
import { Readable, Writable } from 'node:stream'
import * as E from '#fp/Either'
import type { AttachedStreams, MonitorConnection } from '../engine/ports/detached.ts'
import { decodeExitRecord, type ExitRecord } from '../model/monitor-state.ts'

/** Bytes that may wait for a slow reader before the connection is paused: the monitor counts what is missed from then on. */
const HIGH_WATER_BYTES = 256 << 10

/** The connection must have asked for what is read here. `once`: the end of the container's run is the end of the streams. */
export const monitorStreams = (
  connection: MonitorConnection,
  wanted: { readonly stdin: boolean },
): AttachedStreams => {
  let isFull = false
  const resume = (): void => {
    if (!isFull) return
    isFull = false
    connection.resume()
  }
  const output = (): Readable => new Readable({ highWaterMark: HIGH_WATER_BYTES, read: resume })
  const [stdout, stderr] = [output(), output()]
  let told: (record: ExitRecord | undefined) => void = () => {}
  const exit = new Promise<ExitRecord | undefined>((resolve) => {
    told = resolve
  })
  let missedBytes = 0
  /** What comes then is of the next run. */
  let isOver = false
  const end = (record: ExitRecord | undefined): void => {
    isOver = true
    for (const stream of [stdout, stderr]) stream.push(null)
    told(record)
  }
  connection.listen((message) => {
    if (isOver) return undefined
    if (message === undefined) return end(undefined)
    if (message._tag === 'Missed') missedBytes += message.bytes
    if (message._tag === 'Output') {
      // The decoder's own memory goes on to be used.
      const stream = message.stream === 'stdout' ? stdout : stderr
      if (!stream.push(Buffer.from(message.bytes)) && !isFull) {
        isFull = true
        connection.pause()
      }
    }
    if (message._tag === 'Exit') {
      const record = decodeExitRecord(message.text)
      end(E.isRight(record) ? record.right : undefined)
    }
    return undefined
  })
  return {
    stdin: wanted.stdin ? inputOf(connection) : null,
    stdout,
    stderr,
    exit,
    get missedBytes() {
      return missedBytes
    },
    resize: (columns, rows) => void connection.ask({ _tag: 'Resize', columns, rows })(),
    signal: (signal) => void connection.ask({ _tag: 'Signal', signal })(),
    close: connection.close,
  }
}

const inputOf = (connection: MonitorConnection): Writable =>
  new Writable({
    write: (chunk: Uint8Array, _encoding, done) => {
      if (connection.write(chunk)) done()
      else connection.onDrain(done)
    },
    final: (done) => {
      connection
        .ask({ _tag: 'EndInput' })()
        .then(() => done())
    },
  })
