// Registries that speak TLS on loopback, with a certificate nobody vouches for.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:https'
import { createServer as createPlainServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { message } from '../../src/model/errors.ts'
import { left, testStore } from '../support/image-store.ts'
import { lacking } from '../support/needs.ts'
import { assert, suite } from '../support/suite.ts'

const Tls = suite('adapters/registry-tls')
const why = lacking('program:openssl')
const test = (name: string, body: () => Promise<void>): void =>
  why === undefined ? Tls(name, body) : Tls.skip(name, why)

const certificate = (): { readonly key: Buffer; readonly cert: Buffer } => {
  const folder = mkdtempSync(path.join(tmpdir(), 'slipway-tls-'))
  const [key, cert] = [path.join(folder, 'key'), path.join(folder, 'cert')]
  const words = `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost -keyout ${key} -out ${cert}`
  execFileSync('openssl', words.split(' '), { stdio: 'ignore' })
  const made = { key: readFileSync(key), cert: readFileSync(cert) }
  rmSync(folder, { recursive: true })
  return made
}
const portOf = (server: { address: () => unknown }): number => (server.address() as { port: number }).port

test('a server that hangs up on plain HTTP is asked over TLS, and its certificate is the error', async () => {
  const server = createServer(certificate(), (_, response) => response.end())
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const store = testStore()
  const host = `127.0.0.1:${portOf(server)}`
  const error = await left('RegistryFailed', store.images.pull(`${host}/app`))
  assert.is(message(error), `${host}: its certificate is not trusted`)
  assert.match(error.hint ?? '', /NODE_EXTRA_CA_CERTS/)
  store.remove()
  server.closeAllConnections()
  server.close()
})
test('a server that says it wants TLS is asked over TLS', async () => {
  const secure = createServer(certificate(), (_, response) => response.end())
  await new Promise<void>((resolve) => secure.listen(0, '127.0.0.1', resolve))
  let plain = 0
  // As Go's server: one port, an answer in plain words for who does not speak TLS.
  const front = createPlainServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', (start) => {
      plain++
      const isTls = start[0] === 0x16
      const body = 'Client sent an HTTP request to an HTTPS server.\n'
      if (isTls) socket.destroy()
      else socket.end(`HTTP/1.0 400 Bad Request\r\ncontent-length: ${body.length}\r\n\r\n${body}`)
    })
  })
  await new Promise<void>((resolve) => front.listen(0, '127.0.0.1', resolve))
  const store = testStore()
  await left('RegistryFailed', store.images.pull(`127.0.0.1:${portOf(front)}/app`))
  assert.ok(plain >= 2)
  store.remove()
  front.close()
  secure.close()
})
test('a server that hangs up on everything is a closed connection', async () => {
  const server = createPlainServer((socket) => socket.destroy())
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const store = testStore()
  const error = await left('RegistryFailed', store.images.pull(`localhost:${portOf(server)}/app`))
  assert.match(error.why, /closed|refused/)
  store.remove()
  server.close()
})
Tls.run()
