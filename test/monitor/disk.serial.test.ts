// A disk that is full, or does not answer: the container goes on, and what is lost is told.
import { execFileSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import type { LogRecord } from '../../src/model/log.ts'
import type { ExitRecord } from '../../src/model/monitor-state.ts'
import { assert, suite } from '../support/suite.ts'
import { type Driver, endContainer, type Monitor, openDriver } from './driver.ts'
import { COMPACT, holds, JSON_FILE, linesOf, recordsOf } from './logs.ts'

const Disk = suite('monitor/disk')
Disk.requires('root', 'program:busybox', 'program:mkfs.ext4', 'program:fsfreeze')

let folder = ''
let driver: Driver
Disk.before(() => {
  folder = mkdtempSync('/var/tmp/slipway-disk-')
  const image = path.join(folder, 'image')
  writeFileSync(image, '')
  truncateSync(image, 24 << 20)
  execFileSync('mkfs.ext4', ['-q', '-m', '0', image])
  mkdirSync(path.join(folder, 'disk'))
  execFileSync('mount', ['-o', 'loop', image, path.join(folder, 'disk')])
  driver = openDriver(path.join(folder, 'disk'))
})
Disk.after(async () => {
  await driver.close()
  execFileSync('umount', [path.join(folder, 'disk')])
  rmSync(folder, { recursive: true })
})

const filler = (): string => path.join(folder, 'disk', 'filler')
const fill = (): void => {
  try {
    execFileSync('dd', ['if=/dev/zero', `of=${filler()}`, 'bs=64k'], { stdio: 'ignore' })
  } catch {
    // That is what ends it.
  }
  try {
    execFileSync('dd', ['if=/dev/zero', `of=${filler()}2`, 'bs=1k'], { stdio: 'ignore' })
  } catch {
    // The last blocks.
  }
}
const empty = (): void => {
  for (const file of [filler(), `${filler()}2`]) rmSync(file, { force: true })
}

const lostIn = (records: readonly LogRecord[]): number =>
  records.reduce((sum, { lostBytes = 0n }) => sum + Number(lostBytes), 0)
const keptIn = (records: readonly LogRecord[]): number =>
  records.reduce((sum, { bytes }) => sum + bytes.length, 0)

const interactive = { stdin: 'open', attach: { stdin: true, stdout: true, watch: true } } as const
const SCRIPT = 'echo first; read x; seq 1 20000; echo done; read x; echo again; read x'
const flood = Array.from({ length: 20_000 }, (_, index) => `${index + 1}\n`).join('')
/** Bytes. */
const ROOM = 64 << 10
const input = { _tag: 'Input', bytes: Buffer.from('\n') } as const

/** One that writes while the disk has so many bytes left, and again when there is room. */
const floodedMeanwhile = async (
  form: typeof COMPACT | typeof JSON_FILE,
  room: number,
): Promise<{ readonly monitor: Monitor; readonly exit: ExitRecord }> => {
  // Its segments are begun while there is room, so that it is the blocks that are missing.
  const log = { ...form, maxBytes: 100_000_000, maxFiles: 2 }
  const monitor = driver.start(SCRIPT, { ...interactive, log })
  const { client } = monitor
  await client.reads('stdout', 'first')
  fill()
  if (room > 0) truncateSync(filler(), statSync(filler()).size - room)
  client.send(input)
  await client.reads('stdout', 'done')
  empty()
  client.send(input)
  await client.reads('stdout', 'again')
  client.send(input)
  return { monitor, exit: await client.exit() }
}

for (const form of [COMPACT, JSON_FILE])
  Disk(`${form.kind}: a full disk loses what it must, and the log goes on when there is room`, async () => {
    const { monitor, exit } = await floodedMeanwhile(form, 0)
    const { client } = monitor
    assert.is(exit.exitCode, 0)
    assert.is(client.output('stdout').toString(), `first\n${flood}done\nagain\n`)
    const all = `first\n${flood}done\nagain\n`.length
    if (form === COMPACT) {
      const records = recordsOf(monitor.log)
      assert.ok(lostIn(records) > 0)
      assert.is(keptIn(records) + lostIn(records), all)
      assert.is(Buffer.from(records.at(-1)?.bytes ?? []).toString(), 'again\n')
    } else {
      const lines = linesOf(monitor.log).map((line) => line.log)
      const lost = lines.flatMap(
        (line) => /^slipway: (\d+) bytes of output were lost\n$/.exec(line)?.[1] ?? [],
      )
      assert.ok(lost.length > 0)
      const kept = lines.filter((line) => !line.startsWith('slipway: ')).join('')
      assert.is(kept.length + lost.reduce((sum, count) => sum + Number(count), 0), all)
      assert.is(lines.at(-1), 'again\n')
    }
  })

Disk(
  'json-file: what is lost is told where it was, also between lines that are written at once',
  async () => {
    // Not for as many lines as are written at once, but for the fewer ones behind them.
    const { monitor } = await floodedMeanwhile(JSON_FILE, ROOM)
    const all = `first\n${flood}done\nagain\n`
    const lines = linesOf(monitor.log).map((line) => line.log)
    const lost = lines.map((line) =>
      Number(/^slipway: (\d+) bytes of output were lost\n$/.exec(line)?.[1] ?? 0),
    )
    let offset = 0
    for (const [index, line] of lines.entries()) {
      const size = lost[index] || line.length
      if (lost[index] === 0) assert.is(line, all.slice(offset, offset + size), `line ${index}`)
      offset += size
    }
    assert.is(offset, all.length)
    const first = lost.findIndex((bytes) => bytes > 0)
    assert.ok(lines.slice(first).some((line) => /^\d+\n$/.test(line)))
  },
)

Disk('an end on a full disk is told, and written where its last record was', async () => {
  const again = { kind: 'on-failure', maximumRetries: 1, firstMs: 1, longestMs: 1, settledMs: 1000 } as const
  const monitor = driver.start('read x; exit 3', { ...interactive, restart: again })
  await monitor.client.state('running')
  monitor.client.send(input)
  assert.is((await monitor.client.exit()).exitCode, 3)
  await monitor.client.state('running')
  fill()
  monitor.client.send(input)
  const last = await monitor.client.exit()
  assert.is(last.restarts, 1)
  assert.equal(monitor.record(), last)
  empty()
})

/** Nobody gets past a write meanwhile, the test neither. */
const frozen = async (meanwhile: () => Promise<void>): Promise<void> => {
  const disk = path.join(folder, 'disk')
  execFileSync('fsfreeze', ['--freeze', disk])
  await meanwhile().finally(() => execFileSync('fsfreeze', ['--unfreeze', disk]))
}

/** It writes while nobody can, until its FIFO is full. */
const stall = (monitor: Monitor): Promise<void> =>
  frozen(async () => {
    monitor.client.send(input)
    await driver.eventually('the monitor waits for the disk', () => driver.isWaitingForDisk(monitor.pid()))
    await driver.eventually('the program waits for the monitor', () => driver.isFull(monitor.pid()))
    // So long is slow.
    await new Promise((resolve) => setTimeout(resolve, 100))
  })

for (const blocking of [false, true])
  Disk(
    `while the disk does not answer ${blocking ? 'a blocking log waits' : 'output is lost, and counted'}`,
    async () => {
      const log = { ...COMPACT, maxBytes: 6_000_000, blocking }
      const script = 'for i in 1 2; do read x; seq 1 300000; echo part$i >&2; done; read x'
      const monitor = driver.start(script, { ...interactive, attach: { stdin: true, watch: true }, log })
      await monitor.client.state('running')
      // The first time its FIFO is made larger.
      await stall(monitor)
      await driver.eventually('the end of the first part', () => holds(monitor.log, 'part1\n'))
      await stall(monitor)
      await driver.eventually('the end of the second part', () => holds(monitor.log, 'part2\n'))
      monitor.client.send(input)
      await monitor.client.exit()
      const records = recordsOf(monitor.log)
      const part = Array.from({ length: 300_000 }, (_, index) => `${index + 1}\n`).join('').length + 6
      assert.is(keptIn(records) + lostIn(records), 2 * part)
      if (blocking) assert.is(lostIn(records), 0)
      else assert.ok(lostIn(records) > 500_000, String(lostIn(records)))
    },
  )

const newest = (log: string): number => (existsSync(log) ? Math.max(0, ...readdirSync(log).map(Number)) : 0)

Disk('a flood is bounded on the disk', async () => {
  const monitor = driver.start('yes', { log: { ...COMPACT, maxBytes: 500_000, maxFiles: 2 } })
  await driver.eventually('a hundred segments', () => newest(monitor.log) >= 100)
  for (let round = 0; round < 20; round++) {
    const { sizes, rss } = driver.footprint(monitor)
    assert.ok(sizes.length <= 3 && sizes.every((size) => size <= 500_000), String(sizes))
    // The sanitizers' own memory is not bounded.
    if (process.env.SLIPWAY_TEST_SANITIZED === undefined) assert.ok(rss <= 1000, `${rss} kB`)
  }
  await endContainer(monitor.client)
})

Disk.run()
