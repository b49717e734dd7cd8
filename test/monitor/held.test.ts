// Processes that are left to a container: their ends are told, their terminals held, and who hands over nonsense harms nobody.
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, constants, existsSync, openSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { type EngineEvent, JOURNAL, parseEvent } from '../../src/model/events.ts'
import { eventsAt, MOMENTS } from '../../src/model/events-of-containers.ts'
import { isAtLeast } from '../../src/model/host-facts.ts'
import { encodeRequest } from '../../src/model/monitor-frames.ts'
import { assert, suite } from '../support/suite.ts'
import { type Driver, endContainer, isReply, type Monitor, openDriver, type PassingClient } from './driver.ts'

const Held = suite('monitor/held')
Held.requires('root', 'program:busybox')

let driver: Driver
Held.before(() => {
  driver = openDriver()
})
Held.after(() => driver.close())

const EINVAL = 22
const ENOTTY = 25
const EMFILE = 24
const ESRCH = 3
const MOST = 256

const idOf = (number: number): string => number.toString(16).padStart(64, '0')
const holding = (pid: number, execID = idOf(1), wasAttached = false): Uint8Array =>
  encodeRequest({ _tag: 'Hold', pid, execID, wasAttached })

const folderOf = (): string => path.join(driver.folder, 'events')
const started = async (wanted: Parameters<Driver['start']>[1] = {}): Promise<Monitor> => {
  const container = { id: idOf(0), name: 'web', image: 'app', labels: { tier: 'front' } }
  const monitor = driver.start('sleep 1000', {
    journal: {
      folder: folderOf(),
      ...JOURNAL,
      events: MOMENTS.flatMap((moment) =>
        eventsAt(moment, container, []).map((event) => ({ moment, event })),
      ),
    },
    ...wanted,
  })
  await monitor.client.state('running')
  return monitor
}
const told = (): readonly EngineEvent[] =>
  (existsSync(folderOf()) ? readdirSync(folderOf()) : [])
    .flatMap((name) => readFileSync(path.join(folderOf(), name), 'utf8').split('\n'))
    .map(parseEvent)
    .filter((event) => event !== undefined)
const toldOf = (execID: string): readonly EngineEvent[] =>
  told().filter(({ Actor }) => Actor.Attributes.execID === execID)

const programs: ChildProcess[] = []
Held.after(() => {
  for (const each of programs) each.kill('SIGKILL')
})
/** This process is its parent, and reaps it. */
const program = (script: string): { readonly pid: number; readonly child: ChildProcess } => {
  const child = spawn('busybox', ['sh', '-c', script], { stdio: ['pipe', 'ignore', 'ignore'] })
  programs.push(child)
  return { pid: child.pid ?? 0, child }
}
/** Of `bytes` with these descriptors, which stay this process's as well. */
const answerTo = async (
  client: PassingClient,
  bytes: Uint8Array,
  fds: readonly number[],
): Promise<number> => {
  client.pass(bytes, fds)
  return (await client.until('reply', isReply)).errno
}
const held = async (
  monitor: Monitor,
  pid: number,
  execID: string,
  more: readonly number[] = [],
  wasAttached = false,
): Promise<number> => {
  const client = driver.passing(monitor)
  const pidfd = driver.pidfdOf(pid)
  try {
    return await answerTo(client, holding(pid, execID, wasAttached), [pidfd, ...more])
  } finally {
    closeSync(pidfd)
    client.close()
  }
}
/** A master that nobody has the other end of. */
const master = (): number => openSync('/dev/ptmx', constants.O_RDWR | constants.O_NOCTTY)

/** Of a process that its parent may have reaped before anybody looked. */
const codes = (code: string): readonly string[] =>
  isAtLeast(driver.live.ports.host.facts.kernel, 6, 15) ? [code] : [code, '-1']

Held('the end of one is told once, with its exit code and in Docker’s attributes', async () => {
  const monitor = await started()
  for (const [index, [script, code]] of (
    [
      ['read x; exit 7', '7'],
      ['read x; kill -9 $$', '137'],
    ] as const
  ).entries()) {
    const execID = idOf(0x100 + index)
    const { pid, child } = program(script)
    assert.is(await held(monitor, pid, execID), 0)
    assert.equal(toldOf(execID), [])
    child.stdin?.end('\n')
    await driver.eventually('its end is told', () => toldOf(execID).length > 0)
    const [event, ...others] = toldOf(execID)
    assert.equal(others, [])
    assert.is(event?.Action, 'exec_die')
    assert.ok(codes(code).includes(event?.Actor.Attributes.exitCode ?? ''))
    const { tier, image, name } = event?.Actor.Attributes ?? {}
    assert.equal([tier, image, name], ['front', 'app', 'web'])
  }
  await endContainer(monitor.client)
})

Held('one that has ended before it comes is told, too', async () => {
  const monitor = await started()
  const { pid, child } = program('exit 5')
  const pidfd = driver.pidfdOf(pid)
  const client = driver.passing(monitor)
  await driver.eventually('it has ended', () => child.exitCode === 5)
  assert.is(await answerTo(client, holding(pid, idOf(0x150)), [pidfd]), 0)
  closeSync(pidfd)
  await driver.eventually('its end is told', () => toldOf(idOf(0x150)).length === 1)
  assert.ok(codes('5').includes(toldOf(idOf(0x150))[0]?.Actor.Attributes.exitCode ?? ''))
  await endContainer(monitor.client)
})

for (const [what, wasAttached, events] of [
  ['and that somebody left it is told', true, ['exec_detach', 'exec_die']],
  ['of one that nobody had only its end is told', false, ['exec_die']],
] as const)
  Held(`a terminal that comes along is held as long as the process lives, ${what}`, async () => {
    const monitor = await started()
    const before = driver.descriptorsOf(monitor.pid())
    const { pid, child } = program('read x')
    const fd = master()
    const execID = idOf(0x160 + Number(wasAttached))
    assert.is(await held(monitor, pid, execID, [fd], wasAttached), 0)
    closeSync(fd)
    await driver.eventually('two more are open', () => driver.descriptorsOf(monitor.pid()) === before + 2)
    child.kill('SIGKILL')
    await driver.eventually('its end is told', () => toldOf(execID).length === events.length)
    assert.equal(
      toldOf(execID).map(({ Action }) => Action),
      events,
    )
    await driver.eventually('both are closed', () => driver.descriptorsOf(monitor.pid()) === before)
    await endContainer(monitor.client)
  })

Held('the end of the container ends all of them, which is told before its own', async () => {
  const monitor = await started()
  const pids = [program('sleep 1000').pid, program('sleep 1000').pid]
  for (const [index, pid] of pids.entries()) assert.is(await held(monitor, pid, idOf(0x200 + index)), 0)
  const from = told().length
  await endContainer(monitor.client)
  await driver.eventually('all is told', () => told().length >= from + 4)
  assert.equal(
    told()
      .slice(from)
      .map(({ Action }) => Action),
    ['kill', 'exec_die', 'exec_die', 'die'],
  )
})

Held('while nothing runs there is nobody to leave one to', async () => {
  const monitor = driver.start('exit 1', {
    restart: { kind: 'always', maximumRetries: 0, firstMs: 60_000, longestMs: 60_000, settledMs: 1000 },
  })
  await monitor.client.state('restarting')
  const { pid } = program('sleep 1000')
  assert.is(await held(monitor, pid, idOf(1)), ESRCH)
  assert.is(await monitor.client.ask({ _tag: 'Kill' }), 0)
})

Held('what is no process, no terminal, or has no id is refused, and not kept', async () => {
  const monitor = await started()
  const { pid } = program('sleep 1000')
  const pidfd = driver.pidfdOf(pid)
  const [nothing, terminal] = [openSync('/dev/null', 'r+'), master()]
  const bad = (at: number, byte: number): Uint8Array => {
    const bytes = Buffer.from(holding(pid))
    bytes.writeUInt8(byte, at)
    return bytes
  }
  const refused: readonly (readonly [string, Uint8Array, readonly number[], number])[] = [
    ['no descriptor', holding(pid), [], EINVAL],
    ['a file in place of a process', holding(pid), [nothing], EINVAL],
    ['a terminal in place of a process', holding(pid), [terminal, pidfd], EINVAL],
    ['a file in place of a terminal', holding(pid), [pidfd, nothing], ENOTTY],
    ['two processes', holding(pid), [pidfd, pidfd], ENOTTY],
    ['no number of a process', holding(0), [pidfd], EINVAL],
    ['a negative one', holding(-1), [pidfd], EINVAL],
    ['neither attached nor not', bad(8 + 4, 2), [pidfd], EINVAL],
    ['a quote in the id', bad(8 + 8 + 10, 0x22), [pidfd], EINVAL],
    ['a capital in the id', bad(8 + 8 + 63, 0x41), [pidfd, terminal], EINVAL],
    ['a NUL in the id', bad(8 + 8, 0), [pidfd, terminal], EINVAL],
  ]
  const before = driver.descriptorsOf(monitor.pid())
  const client = driver.passing(monitor)
  for (const [what, bytes, fds, errno] of refused) assert.is(await answerTo(client, bytes, fds), errno, what)
  await driver.eventually(
    'its own connection is all that is open',
    () => driver.descriptorsOf(monitor.pid()) === before + 1,
  )
  for (const fd of [pidfd, nothing, terminal]) closeSync(fd)
  client.close()
  await endContainer(monitor.client)
})

Held('descriptors that no frame asks for end the connection, and none is kept', async () => {
  const monitor = await started()
  const { pid } = program('sleep 1000')
  const pidfd = driver.pidfdOf(pid)
  const hold = Buffer.from(holding(pid))
  const before = driver.descriptorsOf(monitor.pid())
  const badly: readonly (readonly [string, (client: PassingClient) => void])[] = [
    ['three', (client) => client.pass(hold, [pidfd, pidfd, pidfd])],
    [
      'twenty',
      (client) =>
        client.pass(
          hold,
          Array.from({ length: 20 }, () => pidfd),
        ),
    ],
    [
      'one after the other',
      (client) => {
        for (const at of [0, 20, 40]) client.pass(hold.subarray(at, at + 20), [pidfd])
      },
    ],
    ['with a request of another kind', (client) => client.pass(encodeRequest({ _tag: 'Kill' }), [pidfd])],
    [
      'in the middle of one',
      (client) => {
        const signal = encodeRequest({ _tag: 'Signal', signal: 0 })
        client.write(signal.subarray(0, 9))
        client.pass(signal.subarray(9), [pidfd])
      },
    ],
    [
      'with input',
      (client) => client.pass(encodeRequest({ _tag: 'Input', bytes: Buffer.from('x') }), [pidfd]),
    ],
    ['with bytes that are no frame', (client) => client.pass(Buffer.alloc(100, 0xee), [pidfd])],
  ]
  for (const [what, send] of badly) {
    const client = driver.passing(monitor)
    send(client)
    await client.closed
    assert.is((await monitor.connect()).messages.length >= 0, true, what)
  }
  const leaving = driver.passing(monitor)
  leaving.pass(hold.subarray(0, 30), [pidfd])
  leaving.close()
  closeSync(pidfd)
  // A client of each round, which is there still.
  await driver.eventually(
    'as many descriptors',
    () => driver.descriptorsOf(monitor.pid()) === before + badly.length,
  )
  await endContainer(monitor.client)
})

Held('a frame in pieces brings its descriptors with whichever of them', async () => {
  const monitor = await started()
  for (let at = 0; at < holding(1).length; at += 7) {
    const { pid } = program('sleep 1000')
    const [pidfd, client] = [driver.pidfdOf(pid), driver.passing(monitor)]
    const bytes = Buffer.from(holding(pid, idOf(0x300 + at)))
    if (at > 0) client.write(bytes.subarray(0, at))
    assert.is(await answerTo(client, bytes.subarray(at), [pidfd]), 0)
    closeSync(pidfd)
    client.close()
  }
  await endContainer(monitor.client)
})

Held('there is a last place; the next one is refused, and has it when another one ends', async () => {
  const monitor = await started()
  const before = driver.descriptorsOf(monitor.pid())
  const [{ pid }, other] = [program('sleep 1000'), program('sleep 1000')]
  assert.is(await held(monitor, other.pid, idOf(0x500)), 0)
  for (let index = 1; index < MOST; index++) assert.is(await held(monitor, pid, idOf(0x500 + index)), 0)
  assert.is(await held(monitor, pid, idOf(0x5ff + 1)), EMFILE)
  other.child.kill('SIGKILL')
  await driver.eventually('a place is free', () => toldOf(idOf(0x500)).length === 1)
  assert.is(await held(monitor, pid, idOf(0x5ff + 2)), 0)
  assert.is(await held(monitor, pid, idOf(0x5ff + 3)), EMFILE)
  await driver.eventually(
    'nothing but the held ones is open',
    () => driver.descriptorsOf(monitor.pid()) === before + MOST,
  )
  await endContainer(monitor.client)
  assert.is(toldOf(idOf(0x501)).length, 1)
})

/** Numbers that are the same in each run. */
const random = (seed: number): (() => number) => {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    return state / 0x1_0000_0000
  }
}

Held(
  'whatever is changed in the frame, its size, its order and its descriptors, the monitor lives on',
  async () => {
    const monitor = await started()
    const { pid } = program('sleep 1000')
    const pidfd = driver.pidfdOf(pid)
    const fds = [pidfd, openSync('/dev/null', 'r+'), master()]
    const before = driver.descriptorsOf(monitor.pid())
    const next = random(20_261_128)
    for (let round = 0; round < 400; round++) {
      const client = driver.passing(monitor)
      const count = Math.floor(next() * 4)
      try {
        for (let part = 0; part < count; part++) {
          const bytes = Buffer.from(holding(pid, idOf(0x1000 + round)))
          for (let changes = Math.floor(next() * 3); changes > 0; changes--)
            bytes[Math.floor(next() * bytes.length)] = Math.floor(next() * 256)
          const cut = next() < 0.3 ? Math.floor(next() * bytes.length) + 1 : bytes.length
          const chosen = Array.from(
            { length: Math.floor(next() * 4) },
            () => fds[Math.floor(next() * fds.length)] ?? pidfd,
          )
          client.pass(bytes.subarray(0, cut), chosen)
        }
      } catch (error) {
        // The monitor has closed it already.
        assert.match(String(error), /sendmsg: (32|104)$/)
      }
      client.close()
    }
    assert.is(await monitor.client.ask({ _tag: 'Resize', columns: 1, rows: 1 }), ENOTTY)
    // Some were sound.
    await driver.eventually(
      'nobody is connected',
      () => driver.descriptorsOf(monitor.pid()) <= before + 2 * MOST,
    )
    for (const fd of fds) closeSync(fd)
    await endContainer(monitor.client)
  },
)

Held.run()
