// A container with a terminal: the monitor has the other end.
import { readFileSync } from 'node:fs'
import { assert, suite } from '../support/suite.ts'
import { type Driver, endContainer, openDriver } from './driver.ts'
import { bytesOf, JSON_FILE, linesOf } from './logs.ts'

const Terminal = suite('monitor/terminal')
Terminal.requires('root', 'program:busybox')

let driver: Driver
Terminal.before(() => {
  driver = openDriver()
})
Terminal.after(() => driver.close())

const terminal = { process: { terminal: true } } as const
const attached = {
  change: terminal,
  stdin: 'open',
  attach: { stdin: true, stdout: true, watch: true },
} as const

Terminal('what is typed is echoed, read, answered, and logged', async () => {
  const monitor = driver.start(
    'test -t 0 && test -t 1 && test -t 2 && echo all; read x; echo "got $x"',
    attached,
  )
  const { client } = monitor
  await client.reads('stdout', 'all')
  client.send({ _tag: 'Input', bytes: Buffer.from('word\n') })
  assert.is((await client.exit()).exitCode, 0)
  const text = 'all\r\nword\r\ngot word\r\n'
  assert.is(client.output('stdout').toString(), text)
  assert.is(client.output('stderr').length, 0)
  assert.is(bytesOf(monitor.log, 'stdout').toString(), text)
})

Terminal('what is typed before there is a terminal waits for it', async () => {
  const { client } = driver.start('read x; echo "got $x"', attached)
  client.send({ _tag: 'Input', bytes: Buffer.from('early\n') })
  await client.exit()
  assert.match(client.output('stdout').toString(), /got early/)
})

Terminal('it has the size it is given, before it is there and after', async () => {
  const { client } = driver.start('trap "stty size" WINCH; stty size; while :; do sleep 0.02; done', attached)
  assert.is(await client.ask({ _tag: 'Resize', columns: 101, rows: 31 }), 0)
  await client.reads('stdout', '31 101')
  assert.is(await client.ask({ _tag: 'Resize', columns: 77, rows: 22 }), 0)
  await client.reads('stdout', '22 77')
  await endContainer(client)
})

Terminal('without a terminal there is nothing to size', async () => {
  const { client } = driver.start('sleep 100')
  await client.state('running')
  assert.is(await client.ask({ _tag: 'Resize', columns: 80, rows: 24 }), 25)
  await endContainer(client)
})

Terminal('its input does not end', async () => {
  const { client } = driver.start('cat', attached)
  await client.state('running')
  assert.is(await client.ask({ _tag: 'EndInput' }), 22)
  client.send({ _tag: 'Input', bytes: Buffer.of(4) })
  assert.is((await client.exit()).exitCode, 0)
})

Terminal('more than it takes waits until the program reads', async () => {
  const lines = Array.from({ length: 4000 }, (_, index) => `line ${index}\n`).join('')
  const { client } = driver.start('stty -echo; echo ready; sleep 0.2; head -n 4000 | wc -c', attached)
  await client.reads('stdout', 'ready')
  client.send({ _tag: 'Input', bytes: Buffer.from(lines) })
  await client.exit()
  assert.match(client.output('stdout').toString(), new RegExp(`\\b${lines.length}\\b`))
})

Terminal('every run has one of its own', async () => {
  const { client } = driver.start('echo run; exit 1', {
    ...attached,
    restart: { kind: 'on-failure', maximumRetries: 2, firstMs: 1, longestMs: 1, settledMs: 1000 },
  })
  await client.state('stopped')
  assert.is(client.output('stdout').toString(), 'run\r\nrun\r\nrun\r\n')
})

Terminal('a burst is logged as it was, by lines', async () => {
  const monitor = driver.start('seq 1 20000; printf end', { change: terminal, log: JSON_FILE })
  await monitor.client.exit()
  const whole = `${Array.from({ length: 20_000 }, (_, index) => `${index + 1}\r\n`).join('')}end`
  const lines = linesOf(monitor.log).map(({ log }) => log)
  assert.ok(lines.join('') === whole)
  assert.is(lines.length, 20_001)
  assert.ok(readFileSync(`${monitor.log}/00000001`).length > 0)
})

Terminal.run()
