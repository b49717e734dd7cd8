// A connection to a server of the test's own: answers, errors, signals, silence and nonsense.
import { socketsOf } from '../../src/dbus/address.ts'
import { DbusCallError, DbusLostError, openDbus } from '../../src/dbus/connection.ts'
import type { Received } from '../../src/dbus/message.ts'
import { DbusFormatError } from '../../src/dbus/signature.ts'
import { assert, suite } from '../support/suite.ts'
import { message, type Serve, signal, to, withServer } from './server.ts'

const test = suite('dbus/connection')

const CALL = { path: '/a', interface: 'x.Y', member: 'Do' } as const
const rejection = async (promise: Promise<unknown>): Promise<Error> => {
  try {
    await promise
  } catch (error) {
    return error as Error
  }
  throw new Error('it did not fail')
}

const echo: Serve = ({ serial }, socket) => void socket.write(message('return', [to(serial)], 's', ['done']))

test('it names nobody, and greets a bus', () =>
  withServer(
    ({ serial, member }, socket) => void socket.write(message('return', [to(serial)], 's', [member ?? ''])),
    async (open, heard) => {
      const connection = await open({ isBus: true })
      assert.equal(await connection.call(CALL), ['Do'])
      assert.is(heard(), '\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n')
      connection.close()
    },
  ))

test('answers find their calls in any order and in any pieces', () => {
  const held: Received[] = []
  return withServer(
    (call, socket) => {
      held.push(call)
      if (held.length < 3) return
      const bytes = Buffer.concat(
        held.reverse().map(({ serial }) => message('return', [to(serial)], 'u', [serial])),
      )
      let at = 0
      const timer = setInterval(() => {
        socket.write(bytes.subarray(at, at + 7))
        at += 7
        if (at >= bytes.length) clearInterval(timer)
      }, 1)
    },
    async (open) => {
      const connection = await open()
      const answers = await Promise.all([1, 2, 3].map(() => connection.call(CALL)))
      assert.equal(answers, [[1], [2], [3]])
      connection.close()
    },
  )
})

test('an error has a name and a text', () =>
  withServer(
    ({ serial }, socket) =>
      void socket.write(
        message('error', [to(serial), [4, { signature: 's', value: 'org.x.NoSuchUnit' }]], 's', [
          'not there',
        ]),
      ),
    async (open) => {
      const connection = await open()
      const error = await rejection(connection.call(CALL))
      assert.instance(error, DbusCallError)
      assert.equal([(error as DbusCallError).errorName, error.message], ['org.x.NoSuchUnit', 'not there'])
      connection.close()
    },
  ))

test('a signal that comes before the answer is heard', () =>
  withServer(
    ({ serial }, socket) =>
      void socket.write(
        Buffer.concat([signal('Other', 'x'), signal('Gone', 'y'), message('return', [to(serial)])]),
      ),
    async (open) => {
      const connection = await open()
      const heard: unknown[] = []
      const stop = connection.listen(({ member, values }) => heard.push([member, ...values]))
      await connection.call(CALL)
      stop()
      await connection.call(CALL)
      assert.equal(heard, [
        ['Other', 'x'],
        ['Gone', 'y'],
      ])
      connection.close()
    },
  ))

test('who is not let in is told why', () =>
  withServer(
    echo,
    async (open) => {
      const error = await rejection(open())
      assert.instance(error, DbusLostError)
      assert.match(error.message, /refused: "REJECTED EXTERNAL"/)
    },
    'DATA\r\nREJECTED EXTERNAL\r\n',
  ))

test('a line without an end is refused', () =>
  withServer(
    echo,
    async (open) => assert.instance(await rejection(open()), DbusFormatError),
    'x'.repeat(20_000),
  ))

test('nobody is waited for longer than the limit', () =>
  withServer(
    () => {},
    async (open) => {
      const connection = await open({ timeoutMs: 50 })
      const error = await rejection(connection.call(CALL))
      assert.instance(error, DbusLostError)
      assert.match(error.message, /no answer to Do within 0\.05 s/)
      connection.close()
    },
  ))

test('the end of the connection is the end of every call', () =>
  withServer(
    (_, socket) => socket.destroy(),
    async (open) => {
      const connection = await open()
      const errors = await Promise.all([rejection(connection.call(CALL)), rejection(connection.call(CALL))])
      for (const error of errors) assert.instance(error, DbusLostError)
      assert.instance(await rejection(connection.call(CALL)), DbusLostError)
    },
  ))

test('nonsense ends the connection', () =>
  withServer(
    (_, socket) => void socket.write('this is no message at all, is it'),
    async (open) => {
      const connection = await open()
      const error = await rejection(connection.call(CALL))
      assert.instance(error, DbusFormatError)
      assert.match(error.message, /begins with 116/)
    },
  ))

test('what is no call is refused before it is sent', () =>
  withServer(echo, async (open) => {
    const connection = await open()
    const error = await rejection(connection.call({ ...CALL, signature: 'u', values: ['no number'] }))
    assert.instance(error, DbusFormatError)
    assert.equal(await connection.call(CALL), ['done'])
    connection.close()
  }))

test('a socket that is not there', async () => {
  const error = await rejection(openDbus({ address: '/no/such/socket', isBus: false, timeoutMs: 1000 }))
  assert.instance(error, DbusLostError)
  assert.match(error.message, /ENOENT/)
})

test('addresses name sockets', () => {
  assert.equal(
    socketsOf('unix:path=/run/a,guid=12;tcp:host=x;unix:abstract=/tmp/b;unix:guid=1,path=/c%20d'),
    ['/run/a', '\0/tmp/b', '/c d'],
  )
  assert.equal(socketsOf(''), [])
  assert.equal(socketsOf('unix:path=%zz;unix:path=;unix:;nonsense'), [])
})

test.run()
