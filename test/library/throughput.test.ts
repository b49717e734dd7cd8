// One gigabyte through each direction, byte-exact by hash, with a slow reader and in flat memory.
import { createHash, type Hash, randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { Readable } from 'node:stream'
import { setTimeout as pause } from 'node:timers/promises'
import { librarySuite } from '../support/library.ts'
import { assert } from '../support/suite.ts'

const { test, box, scratch, run } = librarySuite('library/throughput')

const MIB = 1024 * 1024
const SIZE = 1024 * MIB
/** A pipe and a stream buffer of 64 KiB each way, and what the collector has not come to yet. */
const GROWTH_LIMIT = 150 * MIB

/** Random bytes that never repeat: each block of 1 MiB is the same noise, with its own number in every KiB. */
const noise = randomBytes(MIB)
const block = (number: number): Buffer => {
  const bytes = Buffer.from(noise)
  for (let at = 0; at < MIB; at += 1024) bytes.writeUInt32LE(number, at)
  return bytes
}
const source = async function* (hash: Hash) {
  for (let number = 0; number < SIZE / MIB; number++) {
    const bytes = block(number)
    hash.update(bytes)
    yield bytes
  }
}

/** Resident memory over the time of `body`: how much more than at its start, at most. */
const growthOf = async (what: string, body: () => Promise<void>): Promise<void> => {
  const before = process.memoryUsage.rss()
  let largest = before
  const sampling = setInterval(() => {
    largest = Math.max(largest, process.memoryUsage.rss())
  }, 5)
  const from = performance.now()
  await body()
  clearInterval(sampling)
  const growth = Math.max(largest, process.memoryUsage.rss()) - before
  const seconds = (performance.now() - from) / 1000
  console.log(
    `${what}: ${(SIZE / MIB / seconds).toFixed(0)} MiB/s, memory grew by ${(growth / MIB).toFixed(0)} MiB`,
  )
  assert.ok(growth < GROWTH_LIMIT, `${what}: memory grew by ${growth} bytes`)
}

test('1 GB of output arrives whole at a reader that pauses', async () => {
  const part = Buffer.concat(Array.from({ length: 64 }, (_, number) => block(number)))
  writeFileSync(scratch('part'), part)
  const expected = createHash('sha256')
  for (let number = 1; number <= 16; number++) expected.update(`part ${number}\n`).update(part)
  await growthOf('output', async () => {
    await using running = await box().engine.start(
      { rootfs: box().rootfs },
      ['sh', '-c', 'for i in $(seq 16); do echo "part $i"; cat /part; done'],
      { mounts: [{ type: 'bind', source: scratch('part'), target: '/part', readonly: true }] },
    )
    const hash = createHash('sha256')
    let chunks = 0
    for await (const chunk of running.stdout ?? []) {
      hash.update(chunk as Buffer)
      if (++chunks % 200 === 0) await pause(2)
    }
    assert.is((await running.exit).exitCode, 0)
    assert.is(hash.digest('hex'), expected.digest('hex'))
  })
})

test('1 GB of input arrives whole, from a generator', async () => {
  const sent = createHash('sha256')
  await growthOf('input', async () => {
    const result = await box().engine.run({ rootfs: box().rootfs }, ['busybox', 'sha256sum'], {
      stdin: source(sent),
    })
    assert.is(result.stdout, `${sent.digest('hex')}  -\n`)
    assert.is(result.exitCode, 0)
  })
})

test('1 GB of input waits for a payload that reads slowly', async () => {
  const sent = createHash('sha256')
  await growthOf('input of a slow reader', async () => {
    const script = 'for i in $(seq 16); do head -c 67108864; sleep 0.05; done | busybox sha256sum'
    const { stdout } = await box().engine.run({ rootfs: box().rootfs }, ['sh', '-c', script], {
      stdin: Readable.from(source(sent), { objectMode: false }),
    })
    assert.is(stdout, `${sent.digest('hex')}  -\n`)
  })
})

test('1 GB goes in and comes out at once', async () => {
  const sent = createHash('sha256')
  const received = createHash('sha256')
  await growthOf('both ways', async () => {
    await using running = await box().engine.start({ rootfs: box().rootfs }, ['cat'], { stdin: source(sent) })
    for await (const chunk of running.stdout ?? []) received.update(chunk as Buffer)
    assert.is((await running.exit).exitCode, 0)
  })
  assert.is(received.digest('hex'), sent.digest('hex'))
})

test('a payload that stops reading is no error', async () => {
  const result = await box().engine.run({ rootfs: box().rootfs }, ['head', '-c', '5'], {
    stdin: 'x'.repeat(10 * MIB),
  })
  assert.is(result.stdout, 'xxxxx')
  assert.is(result.exitCode, 0)
})

run()
