// Who attaches: output to many, input from one, and clients that behave badly.
import { assert, suite } from '../support/suite.ts'
import { type Driver, isMissed, isReply, type MonitorClient, openDriver } from './driver.ts'

const Clients = suite('monitor/clients')
Clients.requires('root', 'program:busybox')

let driver: Driver
Clients.before(() => {
  driver = openDriver()
})
Clients.after(() => driver.close())

const ECHO = 'while read x; do echo "got $x"; done; echo over'
const WAITS = 'echo ready; read x; echo "$x"; seq 1 1000; exit 5'
const open = { stdin: 'open', attach: { stdin: true, stdout: true, watch: true } } as const
const text = (words: string): Uint8Array => Buffer.from(words)
const input = (client: MonitorClient, words: string): void =>
  client.send({ _tag: 'Input', bytes: text(words) })

const readOrMissed = (client: MonitorClient): number =>
  client.output('stdout').length +
  client.messages.reduce((sum, each) => sum + (each._tag === 'Missed' ? each.bytes : 0), 0)

Clients('input reaches the program, and its end ends it', async () => {
  const { client } = driver.start(ECHO, open)
  input(client, 'one\ntw')
  input(client, '')
  input(client, 'o\n')
  await client.reads('stdout', 'got two')
  assert.is(await client.ask({ _tag: 'EndInput' }), 0)
  await client.reads('stdout', 'over')
  assert.is((await client.exit()).exitCode, 0)
  assert.is(client.output('stdout').toString(), 'got one\ngot two\nover\n')
})

Clients('megabytes of input wait for a program that reads slowly, and none is lost', async () => {
  const bytes = Buffer.alloc(3_000_000, 'abcdefghijklmnopqrstuvwxyz\n')
  const { client } = driver.start('sleep 0.3; wc -c', open)
  for (let at = 0; at < bytes.length; at += 65_536)
    client.send({ _tag: 'Input', bytes: bytes.subarray(at, at + 65_536) })
  client.send({ _tag: 'EndInput' })
  await client.exit()
  assert.is(client.output('stdout').toString().trim(), '3000000')
})

Clients('input goes to one; the next may have it when that one leaves', async () => {
  const monitor = driver.start(ECHO, open)
  await monitor.client.state('running')
  const other = await monitor.connect()
  const attach = { _tag: 'Attach', stdin: true, stdout: true, watch: true } as const
  assert.is(await other.ask(attach), 16)
  assert.is(await other.ask({ _tag: 'EndInput' }), 1)
  input(monitor.client, 'first\n')
  await other.reads('stdout', 'got first')
  monitor.client.close()
  while ((await other.ask(attach)) !== 0) await new Promise((resolve) => setTimeout(resolve, 5))
  input(other, 'second\n')
  await other.reads('stdout', 'got second')
  assert.is(await other.ask({ _tag: 'EndInput' }), 0)
  assert.is((await other.exit()).exitCode, 0)
})

Clients('what a client wrote before it left still arrives', async () => {
  const monitor = driver.start('sleep 0.3; wc -c', { ...open, stdin: 'once' })
  await monitor.client.state('running')
  const other = await monitor.connect()
  for (let index = 0; index < 5; index++) input(monitor.client, 'x'.repeat(60_000))
  await monitor.client.flushed()
  monitor.client.close()
  await other.exit()
  assert.is(other.output('stdout').toString().trim(), '300000')
})

Clients('input that ends with its client ends with it', async () => {
  const monitor = driver.start(ECHO, { ...open, stdin: 'once' })
  await monitor.client.state('running')
  const other = await monitor.connect()
  input(monitor.client, 'last\n')
  await other.reads('stdout', 'got last')
  monitor.client.close()
  assert.is((await other.exit()).exitCode, 0)
  assert.match(other.output('stdout').toString(), /over\n$/)
})

Clients('without an input there is none to have', async () => {
  const { client } = driver.start('cat; echo end')
  assert.is(await client.ask({ _tag: 'Attach', stdin: true, stdout: true, watch: true }), 32)
  await client.exit()
  assert.is(client.output('stdout').toString(), 'end\n')
})

Clients('what a client does not ask for it is not told', async () => {
  const monitor = driver.start('read x; echo out; echo err >&2', open)
  await monitor.client.state('running')
  const other = await monitor.connect()
  assert.is(await other.ask({ _tag: 'Attach', stderr: true }), 0)
  input(monitor.client, '\n')
  await monitor.client.exit()
  await other.closed
  assert.is(other.output('stdout').length, 0)
  assert.is(other.output('stderr').toString(), 'err\n')
  assert.not(other.messages.some(({ _tag }) => _tag === 'Exit'))
})

Clients('ten readers read the same', async () => {
  const monitor = driver.start(WAITS, open)
  await monitor.client.reads('stdout', 'ready')
  const readers = await Promise.all(Array.from({ length: 10 }, () => monitor.connect()))
  await Promise.all(readers.map((reader) => reader.state('running')))
  input(monitor.client, 'go\n')
  const exits = await Promise.all(readers.map((reader) => reader.exit()))
  assert.ok(exits.every(({ exitCode }) => exitCode === 5))
  const whole = `go\n${Array.from({ length: 1000 }, (_, index) => `${index + 1}\n`).join('')}`
  for (const reader of readers) assert.is(reader.output('stdout').toString(), whole)
})

Clients('one that does not read misses output, is told how much, and holds up nobody', async () => {
  const monitor = driver.start('read x; seq 1 200000; read x', open)
  await monitor.client.state('running')
  const slow = await monitor.connect()
  await slow.state('running')
  slow.pause()
  input(monitor.client, '\n')
  const whole = Array.from({ length: 200_000 }, (_, index) => `${index + 1}\n`).join('').length
  await driver.eventually('all of it, read or missed', () => readOrMissed(monitor.client) === whole)
  slow.resume()
  const missed = await slow.until('missed', isMissed)
  assert.ok(missed.bytes > 0)
  assert.is(await monitor.client.ask({ _tag: 'EndInput' }), 0)
  await slow.exit()
  assert.is(readOrMissed(slow), whole)
})

Clients(
  'what was missed of a run is told before its end, also to one that reads when the monitor is gone',
  async () => {
    const monitor = driver.start('read x; head -c 1000000 /dev/zero; exit 3', open)
    await monitor.client.state('running')
    const late = await monitor.connect()
    await late.state('running')
    late.pause()
    input(monitor.client, '\n')
    assert.is((await monitor.client.exit()).exitCode, 3)
    await monitor.ended()
    late.resume()
    await late.closed
    const tags = late.messages.map(({ _tag }) => _tag)
    assert.ok(tags.includes('Missed') && tags.includes('Exit'), String(tags))
    assert.ok(tags.lastIndexOf('Missed') < tags.indexOf('Exit'), String(tags))
    assert.is(readOrMissed(late), 1_000_000)
  },
)

const header = (type: number, size: number): Buffer => {
  const bytes = Buffer.alloc(8)
  bytes.writeUInt8(type, 0)
  bytes.writeUInt32BE(size, 4)
  return bytes
}
const hostile: Readonly<Record<string, Uint8Array>> = {
  'bytes that are no frame': Buffer.alloc(100, 0xee),
  'an unknown type': header(15, 0),
  'a type above all': header(25, 0),
  'a message of the monitor’s own': Buffer.concat([header(3, 2), text('{}')]),
  'a body that is too long': header(0, (64 << 10) + 1),
  'a request of another size': Buffer.concat([header(19, 8), Buffer.alloc(8)]),
  'a request without its body': header(16, 0),
}
Clients('a client that does not speak the protocol is closed, and nobody else notices', async () => {
  const monitor = driver.start(WAITS, open)
  await monitor.client.reads('stdout', 'ready')
  for (const [what, bytes] of Object.entries(hostile)) {
    const bad = await monitor.connect()
    await bad.state('running')
    bad.write(bytes)
    await bad.closed
    assert.ok(true, what)
  }
  input(monitor.client, 'go\n')
  assert.is((await monitor.client.exit()).exitCode, 5)
})

Clients('half a frame, and then nothing or the end, changes nothing', async () => {
  const monitor = driver.start(WAITS, open)
  await monitor.client.reads('stdout', 'ready')
  const halves = [header(19, 4).subarray(0, 5), header(19, 4), Buffer.concat([header(0, 9), text('abc')])]
  const waiting = await Promise.all(
    halves.map(async (half) => {
      const client = await monitor.connect()
      client.write(half)
      return client
    }),
  )
  for (const half of halves) {
    const gone = await monitor.connect()
    gone.write(half)
    await gone.flushed()
    gone.close()
  }
  input(monitor.client, 'go\n')
  assert.is((await monitor.client.exit()).exitCode, 5)
  for (const client of waiting) client.close()
})

Clients('a frame that comes byte by byte is one', async () => {
  const { client } = driver.start(ECHO, open)
  const bytes = Buffer.concat([header(0, 6), text('slow\n\n'), header(17, 0)])
  for (const byte of bytes) {
    client.write(Uint8Array.of(byte))
    await client.flushed()
  }
  await client.exit()
  assert.is(client.output('stdout').toString(), 'got slow\ngot \nover\n')
})

Clients('one that asks and never reads is closed at some point', async () => {
  const monitor = driver.start(WAITS, open)
  await monitor.client.reads('stdout', 'ready')
  const greedy = await monitor.connect()
  greedy.pause()
  const many = Buffer.concat(
    Array.from({ length: 20_000 }, () => Buffer.concat([header(18, 4), Buffer.alloc(4)])),
  )
  greedy.write(many)
  greedy.write(many)
  await greedy.failed()
  input(monitor.client, 'go\n')
  assert.is((await monitor.client.exit()).exitCode, 5)
})

Clients('there is a last client; the next one is told and closed, and may come again', async () => {
  const monitor = driver.start(WAITS, open)
  await monitor.client.reads('stdout', 'ready')
  const others: MonitorClient[] = []
  for (let index = 1; index < 64; index++) {
    const other = await monitor.connect()
    await other.state('running')
    others.push(other)
  }
  const refused = await monitor.connect()
  assert.is((await refused.until('reply', isReply)).errno, 24)
  refused.close()
  others[30]?.close()
  for (let isTaken = false; !isTaken; ) {
    const again = await monitor.connect()
    isTaken = (await again.until('reply', isReply)).errno === 0
    others.push(again)
  }
  for (const other of others) other.close()
  input(monitor.client, 'go\n')
  assert.is((await monitor.client.exit()).exitCode, 5)
})

Clients('connections that come and go by the hundred leave nothing', async () => {
  const monitor = driver.start(WAITS, open)
  await monitor.client.reads('stdout', 'ready')
  const before = driver.descriptorsOf(monitor.pid())
  for (let index = 0; index < 300; index++) {
    const client = await monitor.connect()
    if (index % 3 === 0) client.write(header(19, 4))
    client.close()
  }
  const last = await monitor.connect()
  await last.state('running')
  last.close()
  await monitor.client.ask({ _tag: 'Resize', columns: 1, rows: 1 })
  await driver.eventually('as many descriptors', () => driver.descriptorsOf(monitor.pid()) === before)
  input(monitor.client, 'go\n')
  assert.is((await monitor.client.exit()).exitCode, 5)
})

Clients.run()
