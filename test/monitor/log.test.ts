// What a container writes is in its log as it was written, in both forms, whatever comes between.
import { readdirSync, readFileSync, readlinkSync, statSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import path from 'node:path'
import type { StreamName } from '../../src/model/monitor-frames.ts'
import { assert, suite } from '../support/suite.ts'
import { type Driver, openDriver } from './driver.ts'
import { bytesOf, COMPACT, JSON_FILE, jsonOf, linesOf, recordsOf, textOf } from './logs.ts'

const Log = suite('monitor/log')
Log.requires('root', 'program:busybox')

let driver: Driver
Log.before(() => {
  driver = openDriver()
})
Log.after(() => driver.close())

/** Of a program that writes to its standard output alone. */
const writtenIn = (kind: 'compact' | 'json-file', log: string): string =>
  kind === 'compact'
    ? bytesOf(log, 'stdout').toString()
    : linesOf(log)
        .map((line) => line.log)
        .join('')

/** Every byte there is, and no two lines alike. */
const ALL_BYTES = 'i=0; while [ $i -lt 256 ]; do printf "\\\\$(printf %o $i)"; i=$((i+1)); done'

for (const form of [COMPACT, JSON_FILE])
  Log(`${form.kind}: both streams are kept apart, with times that do not go back`, async () => {
    const monitor = driver.start('echo one; echo two >&2; sleep 0.1; echo three', { log: form })
    await monitor.client.exit()
    const before = Date.now()
    if (form === COMPACT) {
      assert.is(bytesOf(monitor.log, 'stdout').toString(), 'one\nthree\n')
      assert.is(bytesOf(monitor.log, 'stderr').toString(), 'two\n')
      const times = recordsOf(monitor.log).map(({ timeNs }) => timeNs)
      assert.equal(
        times,
        [...times].sort((a, b) => Number(a - b)),
      )
      assert.ok(Number((times[0] ?? 0n) / 1_000_000n) <= before)
    } else {
      assert.is(jsonOf(monitor.log, 'stdout'), 'one\nthree\n')
      assert.is(jsonOf(monitor.log, 'stderr'), 'two\n')
      for (const { time } of linesOf(monitor.log)) {
        assert.match(time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$/)
        assert.ok(Math.abs(Date.parse(time) - before) < 60_000, time)
      }
    }
  })

Log('compact: bytes of any kind are as they were', async () => {
  const monitor = driver.start(ALL_BYTES)
  await monitor.client.exit()
  assert.equal(
    [...bytesOf(monitor.log, 'stdout')],
    Array.from({ length: 256 }, (_, index) => index),
  )
})

Log('json-file: what is no UTF-8 becomes U+FFFD, and everything else is itself', async () => {
  const text = 'tab\tquote"back\\slash é 漢字 🦊 \u0001 \u007f'
  const input = Buffer.concat([
    Buffer.from(`${text}\n`),
    // Overlong, surrogate, above U+10FFFF, cut, alone.
    Buffer.from([0xc0, 0xaf, 0xed, 0xa0, 0x80, 0xf4, 0x90, 0x80, 0x80, 0xe2, 0x82, 0x0a, 0xff, 0x0a]),
  ])
  writeFileSync(path.join(driver.rootfs, 'odd'), input)
  const monitor = driver.start('cat /odd', { log: JSON_FILE })
  await monitor.client.exit()
  const lines = linesOf(monitor.log).map(({ log }) => log)
  assert.equal(lines, [`${text}\n`, `${'\ufffd'.repeat(11)}\n`, '\ufffd\n'])
})

Log('json-file: a long line comes in parts of 16 KiB that cut no character', async () => {
  const line = `a${'é'.repeat(20_000)}`
  writeFileSync(path.join(driver.rootfs, 'long'), `${line}\nshort\nunfinished`)
  const monitor = driver.start('cat /long', { log: JSON_FILE })
  await monitor.client.exit()
  const logs = linesOf(monitor.log).map(({ log }) => log)
  assert.is(logs.join(''), `${line}\nshort\nunfinished`)
  assert.equal(
    logs.map((part) => Buffer.byteLength(part)),
    [16_383, 16_384, 7235, 6, 10],
  )
})

Log('json-file: a line that comes in pieces is one line, and readers have each piece at once', async () => {
  const monitor = driver.start('printf one; read x; printf two; read x; echo three', {
    log: JSON_FILE,
    stdin: 'open',
    attach: { stdin: true, stdout: true, watch: true },
  })
  await monitor.client.reads('stdout', 'one')
  assert.equal(linesOf(monitor.log), [])
  monitor.client.send({ _tag: 'Input', bytes: Buffer.from('\n') })
  await monitor.client.reads('stdout', 'two')
  monitor.client.send({ _tag: 'Input', bytes: Buffer.from('\n') })
  await monitor.client.exit()
  assert.equal(
    linesOf(monitor.log).map(({ log }) => log),
    ['onetwothree\n'],
  )
  assert.is(monitor.client.output('stdout').toString(), 'onetwothree\n')
})

for (const form of [COMPACT, JSON_FILE])
  Log(`${form.kind}: segments follow one another, and the oldest go`, async () => {
    const small = { ...form, maxBytes: 20_000, maxFiles: 3 }
    const monitor = driver.start('seq 1 20000', { log: small })
    await monitor.client.exit()
    const names = readdirSync(monitor.log).sort()
    assert.is(names.length, 3)
    assert.ok(names.every((name) => /^\d{8}$/.test(name)))
    const numbers = names.map(Number)
    assert.equal(
      numbers,
      [0, 1, 2].map((index) => (numbers[0] ?? 0) + index),
    )
    for (const name of names) assert.ok(statSync(path.join(monitor.log, name)).size <= 20_000)
    const text = writtenIn(form.kind, monitor.log)
    const whole = Array.from({ length: 20_000 }, (_, index) => `${index + 1}\n`).join('')
    assert.ok(text.length > 3000 && whole.endsWith(text))
  })

for (const form of [COMPACT, JSON_FILE])
  Log(`${form.kind}: megabytes in a burst are all there`, async () => {
    const monitor = driver.start('seq 1 400000; seq 1 1000 >&2', { log: form })
    await monitor.client.exit()
    const whole = (last: number): string =>
      Array.from({ length: last }, (_, index) => `${index + 1}\n`).join('')
    const of = (stream: StreamName): string => textOf(form.kind, monitor.log, stream)
    if (form === COMPACT) {
      assert.ok(of('stdout') === whole(400_000))
    } else {
      // It is longer than its three segments.
      assert.ok(whole(400_000).endsWith(of('stdout')))
    }
    assert.is(of('stderr'), whole(1000))
    // Readers have what they had time for, and are told of the rest.
    const { messages } = monitor.client
    const missed = messages.reduce((sum, each) => sum + (each._tag === 'Missed' ? each.bytes : 0), 0)
    const got = monitor.client.output('stdout').length + monitor.client.output('stderr').length
    assert.is(got + missed, whole(400_000).length + whole(1000).length)
  })

Log('none: nothing is kept, and readers read', async () => {
  const monitor = driver.start('echo here', { log: { ...COMPACT, kind: 'none' } })
  await monitor.client.exit()
  assert.is(monitor.client.output('stdout').toString(), 'here\n')
  assert.equal(readdirSync(monitor.log), [])
})

for (const form of [COMPACT, JSON_FILE])
  Log(`${form.kind}: every run goes on in the same log`, async () => {
    const monitor = driver.start('echo run; exit 1', {
      log: form,
      restart: { kind: 'on-failure', maximumRetries: 2, firstMs: 1, longestMs: 1, settledMs: 1000 },
    })
    await monitor.client.state('stopped')
    assert.equal(readdirSync(monitor.log), ['00000001'])
    const text = writtenIn(form.kind, monitor.log)
    assert.is(text, 'run\nrun\nrun\n')
  })

/** Of a descriptor that is closed by now: nothing. */
const targetOf = (pid: number, fd: string): string => {
  try {
    return readlinkSync(`/proc/${pid}/fd/${fd}`)
  } catch {
    return ''
  }
}
/** What is in its epoll set: proc_pid_fdinfo(5). */
const awaitedBy = (pid: number): readonly string[] => {
  const isEpoll = (fd: string): boolean => targetOf(pid, fd) === 'anon_inode:[eventpoll]'
  const epoll = readdirSync(`/proc/${pid}/fd`).find(isEpoll)
  const infos = readFileSync(`/proc/${pid}/fdinfo/${epoll}`, 'utf8')
  return [...infos.matchAll(/^tfd:\s+(\d+)/gm)].map(([, fd = '']) => path.basename(targetOf(pid, fd)))
}

// On one processor it is never there when the program writes.
for (const form of availableParallelism() > 1 ? [COMPACT, JSON_FILE] : [])
  Log(
    `${form.kind}: a flood wakes nobody, and what comes after it does again, also in the next run`,
    async () => {
      const flood = 'while :; do echo one line after another; done & read x; kill $!; wait $!'
      const monitor = driver.start(`${flood}; echo after; read x; exit 1`, {
        log: form,
        stdin: 'open',
        attach: { stdin: true, stdout: false, watch: true },
        restart: { kind: 'on-failure', maximumRetries: 1, firstMs: 1, longestMs: 1, settledMs: 1000 },
      })
      const isAwaited = (): boolean => awaitedBy(monitor.pid()).includes('stdout')
      const line = { _tag: 'Input', bytes: Buffer.from('\n') } as const
      for (const run of [1, 2]) {
        await monitor.client.state('running')
        await driver.eventually(`the flood of run ${run} is left alone`, () => !isAwaited())
        monitor.client.send(line)
        await driver.eventually('its end', isAwaited)
        await driver.eventually('what comes after it', () =>
          textOf(form.kind, monitor.log, 'stdout').endsWith('after\n'),
        )
        monitor.client.send(line)
        await monitor.client.exit()
      }
    },
  )
if (availableParallelism() < 2) Log.skip('a flood wakes nobody', 'needs two processors')

Log.run()
