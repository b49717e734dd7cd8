// A D-Bus server of a test's own, which answers as the test says.
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type DbusConnection, openDbus } from '../../src/dbus/connection.ts'
import { encodeValues } from '../../src/dbus/encode.ts'
import { decodeMessage, messageSize, type Received } from '../../src/dbus/message.ts'
import type { DbusValue } from '../../src/model/unit-property.ts'

const KIND = { return: 2, error: 3, signal: 4 } as const

/** A message of the server's: header fields as pairs of code and variant. */
export const message = (
  kind: keyof typeof KIND,
  fields: readonly DbusValue[],
  signature = '',
  values: DbusValue[] = [],
): Buffer => {
  const body = encodeValues(signature, values)
  const all = signature === '' ? fields : [...fields, [8, { signature: 'g', value: signature }]]
  const header = encodeValues('yyyyuua(yv)', [0x6c, KIND[kind], 0, 1, body.length, 77, all])
  return Buffer.concat([header, Buffer.alloc((8 - (header.length % 8)) % 8), body])
}
/** The field that says which call is answered. */
export const to = (serial: number): DbusValue => [5, { signature: 'u', value: serial }]
export const signal = (member: string, ...values: string[]): Buffer =>
  signalOf('x.Y', member, 's'.repeat(values.length), values)
export const signalOf = (of: string, member: string, signature: string, values: DbusValue[]): Buffer =>
  message(
    'signal',
    [
      [1, { signature: 'o', value: '/a' }],
      [2, { signature: 's', value: of }],
      [3, { signature: 's', value: member }],
    ],
    signature,
    values,
  )

/** Answers one call. */
export type Serve = (call: Received, socket: Socket) => void

/** `hello`: what the server says to who comes; the rest is answered by `serve`. */
export const withServer = async (
  serve: Serve,
  use: (
    open: (more?: object) => Promise<DbusConnection>,
    heard: () => string,
    address: string,
  ) => Promise<void>,
  hello = 'DATA\r\nOK 1234deadbeef\r\n',
): Promise<void> => {
  const folder = mkdtempSync(path.join(tmpdir(), 'dbus-'))
  const address = path.join(folder, 's')
  const sockets: Socket[] = []
  let said = ''
  const server: Server = createServer((socket) => {
    sockets.push(socket)
    let unread = Buffer.alloc(0)
    let begun = false
    socket.on('error', () => {})
    socket.on('data', (bytes) => {
      unread = Buffer.concat([unread, bytes])
      if (!begun) {
        const text = unread.toString('latin1')
        if (text.includes('AUTH') && said === '') socket.write(hello)
        said = text.slice(0, text.indexOf('BEGIN\r\n') + 7)
        if (!text.includes('BEGIN\r\n')) {
          said = text
          return
        }
        begun = true
        unread = unread.subarray(text.indexOf('BEGIN\r\n') + 7)
      }
      for (
        let size = messageSize(unread);
        size !== undefined && size <= unread.length;
        size = messageSize(unread)
      ) {
        const call = decodeMessage(unread.subarray(0, size))
        unread = unread.subarray(size)
        serve(call, socket)
      }
    })
  })
  await new Promise<void>((resolve) => server.listen(address, resolve))
  try {
    await use(
      (more) => openDbus({ address, isBus: false, timeoutMs: 5000, ...more }),
      () => said,
      address,
    )
  } finally {
    for (const socket of sockets) socket.destroy()
    await new Promise((resolve) => server.close(resolve))
    rmSync(folder, { recursive: true })
  }
}
