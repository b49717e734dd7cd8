// Decompression on a thread: what zlib and zstd(1) wrote comes out as it was, and what is damaged is told.
import { execFileSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { gzipSync } from 'node:zlib'
import { loadLayerAddon } from '../../src/adapters/layer-native.ts'
import { lacking } from '../support/needs.ts'
import { assert, suite } from '../support/suite.ts'

const Decompress = suite('native/decompressor')
const addon = loadLayerAddon()
type Kind = 'gzip' | 'zstd'

interface Options {
  readonly pieceBytes?: number
  readonly bufferBytes?: number
}
/** Everything the bytes mean, and why they end badly. */
const decompress = async (
  kind: Kind,
  bytes: Buffer,
  { pieceBytes = 1000, bufferBytes = 4096 }: Options = {},
) => {
  const native = new addon.Decompressor(kind)
  const feed = async (): Promise<void> => {
    for (let at = 0; at < bytes.length; at += pieceBytes)
      await native.write(bytes.subarray(at, at + pieceBytes))
    native.end()
  }
  const fed = feed()
  const parts: Buffer[] = []
  for (;;) {
    const buffer = Buffer.alloc(bufferBytes)
    const read = await native.read(buffer)
    if (typeof read === 'number' && read > 0) parts.push(buffer.subarray(0, read))
    else {
      await fed
      return { bytes: Buffer.concat(parts), why: typeof read === 'string' ? read : undefined }
    }
  }
}

/** Text, noise and zeros: more than a window of gzip. */
const PLAIN = Buffer.concat([
  Buffer.from('all work and no play makes jack a dull boy\n'.repeat(3000)),
  randomBytes(70_000),
  Buffer.alloc(300_000),
])
const zstd = (bytes: Buffer, ...words: readonly string[]): Buffer =>
  execFileSync('zstd', ['-q', '-c', ...words], { input: bytes, maxBuffer: 1 << 28 })
const ZSTD = addon.canDecompress('zstd')
  ? lacking('program:zstd')
  : 'needs libzstd.so.1, or a Node that has zstd'
const withZstd = (name: string, body: () => Promise<void>): void =>
  ZSTD === undefined ? Decompress(name, body) : Decompress.skip(name, ZSTD)
/** RFC 8878 §3.1.2: what no decoder gives out. */
const skippable = (bytes: Buffer): Buffer => {
  const head = Buffer.from([0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0])
  head.writeUInt32LE(bytes.length, 4)
  return Buffer.concat([head, bytes])
}

Decompress('gzip can be decompressed wherever there is zlib, and Node has it', async () => {
  assert.is(addon.canDecompress('gzip'), true)
})

for (const options of [
  { pieceBytes: 1, bufferBytes: 1 << 20 },
  { pieceBytes: 7, bufferBytes: 333 },
  { pieceBytes: 1 << 20, bufferBytes: 1 },
  { pieceBytes: 65_536, bufferBytes: 65_536 },
]) {
  const small = PLAIN.subarray(120_000, 140_000)
  const text = `in pieces of ${options.pieceBytes} into buffers of ${options.bufferBytes}`
  Decompress(`gzip ${text} comes out as it went in`, async () => {
    const out = await decompress('gzip', gzipSync(small), options)
    assert.is(out.why, undefined)
    assert.ok(out.bytes.equals(small))
  })
  withZstd(`zstd ${text} comes out as it went in`, async () => {
    const out = await decompress('zstd', zstd(small), options)
    assert.is(out.why, undefined)
    assert.ok(out.bytes.equals(small))
  })
}

Decompress(
  'members of gzip one after the other are one stream, and zeros behind them are nothing',
  async () => {
    const members = [PLAIN, Buffer.alloc(0), PLAIN.subarray(0, 10)]
    const bytes = Buffer.concat([...members.map((each) => gzipSync(each)), Buffer.alloc(100_000)])
    const out = await decompress('gzip', bytes)
    assert.is(out.why, undefined)
    assert.ok(out.bytes.equals(Buffer.concat(members)))
  },
)
withZstd(
  'frames of zstd one after the other are one stream, and frames to be skipped are nothing',
  async () => {
    const frames = [
      skippable(Buffer.from('before')),
      zstd(PLAIN, '-19'),
      skippable(randomBytes(50_000)),
      zstd(PLAIN.subarray(0, 5), '--no-check'),
      zstd(Buffer.alloc(0)),
      skippable(Buffer.alloc(0)),
    ]
    const out = await decompress('zstd', Buffer.concat(frames))
    assert.is(out.why, undefined)
    assert.ok(out.bytes.equals(Buffer.concat([PLAIN, PLAIN.subarray(0, 5)])))
  },
)
withZstd('what pzstd wrote, whose first frame is to be skipped, comes out', async () => {
  const out = await decompress('zstd', execFileSync('pzstd', ['-q', '-c', '-p', '2'], { input: PLAIN }))
  assert.is(out.why, undefined)
  assert.ok(out.bytes.equals(PLAIN))
})

/** Damage, and what is said of it. What was whole before it comes out. */
const DAMAGE: readonly (readonly [what: string, kind: Kind, bytes: () => Buffer, why: RegExp])[] = [
  ['gzip that is cut short', 'gzip', () => gzipSync(PLAIN).subarray(0, -9), /^unexpected end of file$/],
  [
    'gzip whose next member is cut short',
    'gzip',
    () => Buffer.concat([gzipSync('a'), Buffer.from([0x1f, 0x8b])]),
    /^unexpected end of file$/,
  ],
  ['gzip with a wrong checksum', 'gzip', () => spoiled(gzipSync(PLAIN), -8), /^incorrect data check$/],
  ['gzip with a wrong length', 'gzip', () => spoiled(gzipSync(PLAIN), -4), /^incorrect length check$/],
  [
    'gzip with something else behind it',
    'gzip',
    () => Buffer.concat([gzipSync('a'), Buffer.from('garbage')]),
    /^incorrect header check$/,
  ],
  ['no gzip', 'gzip', () => Buffer.from('plain text'), /^incorrect header check$/],
  [
    'gzip with a block of no known type',
    'gzip',
    () => Buffer.concat([gzipSync('').subarray(0, 10), Buffer.alloc(9, 0xff)]),
    /^invalid block type$/,
  ],
  ['zstd that is cut short', 'zstd', () => zstd(PLAIN).subarray(0, -5), /^unexpected end of file$/],
  [
    'zstd that is cut short in a frame to be skipped',
    'zstd',
    () => skippable(PLAIN).subarray(0, -5),
    /^unexpected end of file$/,
  ],
  ['zstd with a wrong checksum', 'zstd', () => spoiled(zstd(PLAIN, '--check'), -1), /checksum/],
  [
    'zstd with something else behind it',
    'zstd',
    () => Buffer.concat([zstd(PLAIN), Buffer.from('garbage')]),
    /Unknown frame descriptor/,
  ],
  [
    'zstd that wants a window of 256 MiB',
    'zstd',
    () => zstd(Buffer.alloc(300 << 20), '--long=28'),
    /too much memory/,
  ],
]
const spoiled = (bytes: Buffer, at: number): Buffer => {
  const copy = Buffer.from(bytes)
  const place = at < 0 ? copy.length + at : at
  copy[place] = (copy[place] ?? 0) ^ 0xff
  return copy
}
for (const [what, kind, bytes, why] of DAMAGE) {
  const test = kind === 'zstd' ? withZstd : Decompress
  test(`${what} is told`, async () => {
    assert.match((await decompress(kind, bytes())).why ?? 'nothing', why)
  })
}
withZstd('a window of 128 MiB is still taken', async () => {
  const big = Buffer.alloc(140 << 20, 'x')
  const out = await decompress('zstd', zstd(big, '--long=27'), { pieceBytes: 65_536, bufferBytes: 8 << 20 })
  assert.is(out.why, undefined)
  assert.is(
    createHash('sha256').update(out.bytes).digest('hex'),
    createHash('sha256').update(big).digest('hex'),
  )
})

/** Whether a promise has settled by now. */
const settled = async (promise: Promise<unknown>): Promise<boolean> =>
  (await Promise.race([promise.then(() => 'yes'), sleep(50, 'no')])) === 'yes'

Decompress('a writer waits when nobody reads, and goes on when somebody does', async () => {
  const native = new addon.Decompressor('gzip')
  const bytes = gzipSync(randomBytes(8 << 20))
  let waiting: Promise<boolean> = Promise.resolve(true)
  let at = 0
  while (await settled(waiting)) {
    waiting = native.write(bytes.subarray(at, at + 65_536))
    at += 65_536
    assert.ok(at < 4 << 20, 'it has a limit')
  }
  for (let reads = 0; reads < 24; reads++) await native.read(Buffer.alloc(65_536))
  assert.is(await waiting, true)
  native.abort()
})
Decompress('buffers that were given come back in their order, full but for the last', async () => {
  const native = new addon.Decompressor('gzip')
  const buffers = Array.from({ length: 5 }, () => Buffer.alloc(10))
  const reads = buffers.map((buffer) => native.read(buffer))
  await native.write(gzipSync('0123456789abcdefghijxyz'))
  native.end()
  assert.equal(await Promise.all(reads), [10, 10, 3, 0, 0])
  assert.equal(buffers.slice(0, 2).map(String), ['0123456789', 'abcdefghij'])
  assert.is(await native.read(Buffer.alloc(1)), 0)
  assert.is(await native.write(Buffer.from('more')), false)
})
Decompress('what was aborted answers everybody who waits', async () => {
  const native = new addon.Decompressor('gzip')
  const reads = [native.read(Buffer.alloc(10)), native.read(Buffer.alloc(10))]
  native.abort()
  native.abort()
  assert.equal(await Promise.all(reads), ['it was stopped', 'it was stopped'])
  assert.is(await native.write(Buffer.from('x')), false)
  assert.is(await native.read(Buffer.alloc(1)), 'it was stopped')
  native.end()
})
Decompress('an abort while a writer waits lets it go', async () => {
  const native = new addon.Decompressor('gzip')
  const writes = Array.from({ length: 50 }, () => native.write(gzipSync(randomBytes(100_000))))
  native.abort()
  assert.is((await Promise.all(writes)).length, 50)
})
Decompress('no thread and no descriptor stays behind', async () => {
  const count = () => ['task', 'fd'].map((folder) => readdirSync(`/proc/self/${folder}`).length)
  await decompress('gzip', gzipSync(PLAIN))
  const before = count()
  for (let n = 0; n < 30; n++) {
    await decompress('gzip', n % 2 === 0 ? gzipSync(PLAIN) : Buffer.from('damaged'), {
      pieceBytes: 65_536,
      bufferBytes: 65_536,
    })
    new addon.Decompressor('gzip').abort()
  }
  for (let tries = 0; String(count()) !== String(before) && tries < 100; tries++) await sleep(20)
  assert.equal(count(), before)
})
Decompress('a worker thread may end in the middle of a stream', async () => {
  const file = process.env.SLIPWAY_ADDON ?? `${process.cwd()}/build/Release/slipway.node`
  const code = `
    const module_ = { exports: {} }
    process.dlopen(module_, ${JSON.stringify(file)})
    module_.exports.watchDescriptors(true)
    const native = new module_.exports.Decompressor('gzip')
    const bytes = require('node:zlib').gzipSync(Buffer.alloc(50_000_000))
    native.write(bytes)
    for (let n = 0; n < 1000; n++) native.read(Buffer.alloc(1000))
    require('node:worker_threads').parentPort.postMessage('ready')
    setInterval(() => {}, 1000)`
  for (let n = 0; n < 5; n++) {
    const worker = new Worker(code, { eval: true })
    await new Promise((resolve) => worker.once('message', resolve))
    await worker.terminate()
  }
  assert.is((await decompress('gzip', gzipSync(PLAIN))).why, undefined)
})
Decompress.run()
