// What becomes of systemd's answers, with a server that gives the wrong ones, too.
import * as E from '#fp/Either'
import { message as errorMessage } from '../../../src/model/errors.ts'
import type { DbusValue } from '../../../src/model/unit-property.ts'
import { type Manager, openManager } from '../../../src/oci/live/systemd/manager.ts'
import { managerSocket } from '../../../src/oci/live/systemd/socket.ts'
import { message, type Serve, signalOf, to, withServer } from '../../dbus/server.ts'
import { expectLeft, expectRight } from '../../support/either.ts'
import { assert, suite } from '../../support/suite.ts'

const test = suite('oci/systemd/manager')
// Whoever is not root looks elsewhere.
test.requires('root')

const MANAGER = 'org.freedesktop.systemd1.Manager'
const JOB = '/org/freedesktop/systemd1/job/7'
const PROPERTIES: Readonly<Record<string, string>> = {
  Version: '252.38-1~deb12u1',
  ControlGroup: '/below',
  ActiveState: 'active',
}

const reply = (serial: number, signature = '', ...values: DbusValue[]): Buffer =>
  message('return', [to(serial)], signature, values)
const failure = (serial: number, name: string, text: string): Buffer =>
  message('error', [to(serial), [4, { signature: 's', value: name }]], 's', [text])
const removed = (result: string, job = JOB): Buffer =>
  signalOf(MANAGER, 'JobRemoved', 'uoss', [7, job, 'a.scope', result])

/** A bus with a manager behind it; `special` answers first. */
const withManager = (
  special: (member: string, serial: number) => Buffer | 'hang up' | undefined,
  use: (manager: Manager, calls: readonly string[]) => Promise<void>,
): Promise<void> => {
  const calls: string[] = []
  const serve: Serve = ({ member = '', serial, values }, socket) => {
    calls.push(member)
    const answer = special(member, serial)
    if (answer === 'hang up') socket.destroy()
    else if (answer !== undefined) socket.write(answer)
    else if (member === 'Get') {
      const variant = { signature: 's', value: PROPERTIES[String(values[1])] ?? '' }
      socket.write(reply(serial, 'v', variant))
    } else if (member === 'Hello') socket.write(reply(serial, 's', ':1.1'))
    else if (member === 'GetUnit') socket.write(reply(serial, 'o', '/unit'))
    else socket.write(reply(serial))
  }
  return withServer(serve, async (_, __, address) => {
    const manager = expectRight(await openManager({ DBUS_SYSTEM_BUS_ADDRESS: `unix:path=${address}` }, '/'))
    try {
      await use(manager, calls)
    } finally {
      manager.close()
    }
  })
}
const said = async (
  answer: Promise<E.Either<Parameters<typeof errorMessage>[0], unknown>>,
): Promise<string> => errorMessage(expectLeft(await answer))

test('it says who it is, and is told which signals are wanted', () =>
  withManager(
    () => undefined,
    async (manager, calls) => {
      assert.equal([manager.version, manager.controlGroup], [252, '/below'])
      assert.equal(calls.slice(0, 3), ['Hello', 'AddMatch', 'Subscribe'])
      assert.is(expectRight(await manager.stateOf('a.scope')), 'active')
    },
  ))

test('a scope is there when its job is done, whichever comes first', () =>
  withManager(
    (member, serial) =>
      member === 'StartTransientUnit'
        ? Buffer.concat([removed('failed', '/other'), removed('done'), reply(serial, 'o', JOB)])
        : undefined,
    async (manager) => {
      const slice = { name: 'Slice', signature: 's', value: 'a.slice' }
      expectRight(await manager.startScope('a.scope', 5, [slice]))
    },
  ))

test('a job that comes to another end is told', () =>
  withManager(
    (member, serial) =>
      /Unit$/.test(member) ? Buffer.concat([reply(serial, 'o', JOB), removed('timeout')]) : undefined,
    async (manager) => {
      const why = 'its job ended with "timeout"'
      assert.is(
        await said(manager.startScope('a.scope', 5, [])),
        `systemd: StartTransientUnit: a.scope: ${why}`,
      )
      assert.is(await said(manager.stop('a.scope')), `systemd: StopUnit: a.scope: ${why}`)
    },
  ))

test('an error is told by its name', () =>
  withManager(
    (member, serial) =>
      member === 'SetUnitProperties'
        ? failure(serial, 'org.freedesktop.DBus.Error.AccessDenied', 'no')
        : undefined,
    async (manager) =>
      assert.is(
        await said(manager.setProperties('a.scope', [])),
        'systemd: SetUnitProperties: a.scope: org.freedesktop.DBus.Error.AccessDenied: no',
      ),
  ))

test('a unit that is not there needs not be stopped', () =>
  withManager(
    (member, serial) =>
      /Unit$/.test(member) ? failure(serial, 'org.freedesktop.systemd1.NoSuchUnit', 'none') : undefined,
    async (manager) => {
      expectRight(await manager.stop('a.scope'))
      expectRight(await manager.forget('a.scope'))
      assert.is(expectRight(await manager.stateOf('a.scope')), undefined)
      assert.match(await said(manager.startScope('a.scope', 5, [])), /NoSuchUnit: none$/)
    },
  ))

test('the end of the connection is told, in the middle of a job, too', () =>
  withManager(
    (member) => (member === 'StartTransientUnit' ? 'hang up' : undefined),
    async (manager) => {
      const why = /^systemd: StartTransientUnit: a\.scope: .*closed/
      assert.match(await said(manager.startScope('a.scope', 5, [])), why)
      assert.match(await said(manager.stop('a.scope')), /StopUnit: a\.scope: .*closed/)
    },
  ))

test('who is not let in is told', () =>
  withServer(
    () => {},
    async (_, __, address) =>
      assert.match(
        await said(openManager({ DBUS_SYSTEM_BUS_ADDRESS: `unix:path=${address}` }, '/')),
        /^systemd: connect to .*: refused: "REJECTED"/,
      ),
    'REJECTED\r\n',
  ))

test('without systemd, or a socket of it, it is refused', () => {
  const why = (answer: E.Either<Parameters<typeof errorMessage>[0], unknown>) =>
    errorMessage(expectLeft(answer))
  assert.match(why(managerSocket({}, '/no/such')), /the systemd cgroup manager: .*there is no \/no\/such/)
  if (E.isLeft(managerSocket({}, '/')))
    assert.match(why(managerSocket({}, '/')), /no socket of it: \/run\/systemd/)
  const named = managerSocket({ DBUS_SYSTEM_BUS_ADDRESS: 'unix:abstract=x' }, '/')
  assert.equal(expectRight(named), { address: '\0x', isBus: true })
})

test.run()
