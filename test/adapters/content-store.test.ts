// The store's files: what is written, when, and what happens to bytes that are not what they should be.
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import * as zlib from 'node:zlib'
import { deflateRawSync, gzipSync } from 'node:zlib'
import * as E from '#fp/Either'
import * as O from '#fp/Option'
import type { TaskEither } from '#fp/TaskEither'
import * as TE from '#fp/TaskEither'
import { attempt } from '../../src/adapters/attempt.ts'
import { openContentStore } from '../../src/adapters/content-store.ts'
import { loadLayerAddon } from '../../src/adapters/layer-native.ts'
import type { Consumer, ContentStore } from '../../src/engine/ports/content-store.ts'
import { digestOf, hexOf } from '../../src/model/digest.ts'
import type { EngineError } from '../../src/model/errors.ts'
import type { Descriptor } from '../../src/model/image.ts'
import { OCI_MANIFEST } from '../../src/model/media-type.ts'
import type { Decompressors } from '../../src/native/layer-addon.ts'
import { loadAddon } from '../../src/native/load.ts'
import { left, right } from '../support/image-store.ts'
import { assert, suite } from '../support/suite.ts'

const Store = suite('adapters/content-store')
const flock = (fd: number, operation: number): number => loadAddon().flock(fd, operation)
const BYTES = Buffer.from('some bytes')
const DIGEST = digestOf(BYTES)

let root: string
let store: ContentStore
Store.beforeEach(() => {
  root = mkdtempSync(path.join(tmpdir(), 'slipway-content-'))
  store = openContentStore(root, flock)
})
Store.afterEach(() => rmSync(root, { recursive: true, force: true }))

const blobFile = (digest = DIGEST) => path.join(root, 'oci/blobs/sha256', hexOf(digest))
const ingested = () => (existsSync(path.join(root, 'ingest')) ? readdirSync(path.join(root, 'ingest')) : [])
async function* chunks(...parts: readonly (string | Uint8Array | Error)[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) {
    if (part instanceof Error) throw part
    yield Buffer.from(part as string)
  }
}
const collect: Consumer<string> = {
  consume: (bytes) =>
    attempt('collect', async () => {
      const seen: Uint8Array[] = []
      for await (const chunk of bytes) seen.push(chunk)
      return Buffer.concat(seen).toString()
    }),
}
const through = (blob: Buffer, consumer: Consumer<unknown> = collect) =>
  store.writeThrough({ what: 'layer x', digest: digestOf(blob), size: blob.length }, chunks(blob), consumer)

Store('a blob gets its name when it is complete, and only the owner may read it', async () => {
  const stored = await right(
    store.write({ what: 'x', digest: DIGEST, size: BYTES.length }, chunks('some ', 'bytes')),
  )
  assert.equal(stored, { digest: DIGEST, size: BYTES.length })
  assert.ok(readFileSync(blobFile()).equals(BYTES))
  assert.is(statSync(blobFile()).mode & 0o777, 0o600)
  assert.equal(ingested(), [])
})
Store('a blob of unknown digest is stored under what it turns out to be', async () => {
  assert.is((await right(store.write({ what: 'x' }, chunks(BYTES)))).digest, DIGEST)
})
Store('a sha512 blob lies beside the others', async () => {
  const digest = digestOf(BYTES, 'sha512')
  await right(store.write({ what: 'x', digest }, chunks(BYTES)))
  assert.ok(readFileSync(path.join(root, 'oci/blobs/sha512', hexOf(digest))).equals(BYTES))
  assert.ok((await right(store.read({ digest }))).equals(BYTES))
})
Store('the same blob may be written again', async () => {
  for (const _ of [1, 2]) await right(store.write({ what: 'x', digest: DIGEST }, chunks(BYTES)))
  assert.ok(await right(store.has(DIGEST)))
})
for (const [what, expected, parts, actual] of [
  ['other bytes', { digest: DIGEST }, ['some bytez'], digestOf('some bytez')],
  ['too few bytes', { digest: DIGEST, size: 10 }, ['some'], '4 bytes'],
  ['too many bytes', { digest: DIGEST, size: 10 }, ['some bytes', '!'], 'more than 10 bytes'],
] as const) {
  Store(`${what} are refused and leave nothing`, async () => {
    const error = await left('DigestMismatch', store.write({ what: 'x', ...expected }, chunks(...parts)))
    assert.is(error.actual, actual)
    assert.not.ok(await right(store.has(DIGEST)))
    assert.equal(ingested(), [])
  })
}
Store('a source that breaks is the error, and leaves nothing', async () => {
  const broken = Object.assign(new Error('x'), { errno: -5, syscall: 'read', path: '/dev/x' })
  const error = await left('SyscallFailed', store.write({ what: 'x' }, chunks('a', broken)))
  assert.equal(error, { _tag: 'SyscallFailed', step: 'read', errno: 5, path: '/dev/x' })
  assert.equal(ingested(), [])
})
Store('a root that cannot be made is a failed call with its path', async () => {
  writeFileSync(path.join(root, 'oci'), '')
  const error = await left('SyscallFailed', store.write({ what: 'x' }, chunks('a')))
  assert.is(error.step, 'mkdir')
})

/** Both ways a stream can go. */
const WAYS: readonly (readonly [string, Decompressors | undefined])[] = [
  ["Node's zlib", undefined],
  ['a thread of the addon', loadLayerAddon()],
]
for (const [way, native] of WAYS) {
  const test = (name: string, body: () => Promise<void>): void =>
    Store(`${name} (${way})`, async () => {
      store = openContentStore(root, flock, native)
      await body()
    })

  for (const [what, blob] of [
    ['gzip', gzipSync('hello')],
    ['gzip in two members', Buffer.concat([gzipSync('hel'), gzipSync('lo')])],
    ['no compression', Buffer.from('hello')],
  ] as const) {
    test(`a consumer gets the decompressed bytes of ${what}, stored or passing by`, async () => {
      assert.is(await right(through(blob)), 'hello')
      assert.is(
        await right(store.readThrough({ digest: digestOf(blob), size: blob.length }, collect)),
        'hello',
      )
    })
  }
  for (const blob of [Buffer.alloc(0), Buffer.from('ab'), gzipSync('')]) {
    test(`a blob of ${blob.length} bytes reaches its consumer`, async () => {
      assert.is(typeof (await right(through(blob))), 'string')
    })
  }
  test('bytes after the end of a gzip stream are hashed and stored, too', async () => {
    const blob = Buffer.concat([gzipSync('hello'), Buffer.alloc(300_000)])
    assert.is(await right(through(blob)), 'hello')
    assert.is(statSync(blobFile(digestOf(blob))).size, blob.length)
  })
  for (const [what, blob] of [
    ['cut short', gzipSync('hello'.repeat(1000)).subarray(0, -10)],
    ['damaged', Buffer.concat([gzipSync('').subarray(0, 10), Buffer.alloc(100, 0xff)])],
  ] as const) {
    test(`gzip that is ${what} is refused, though its digest is right`, async () => {
      assert.match((await left('LayerRefused', through(blob))).why, /cannot be decompressed/)
      assert.not.ok(await right(store.has(digestOf(blob))))
    })
  }
  test('damaged gzip with a wrong digest is called a wrong digest', async () => {
    const good = gzipSync('hello'.repeat(100_000))
    const bad = Buffer.from(good)
    bad.fill(0xff, 20, 60)
    const expected = { what: 'layer x', digest: digestOf(good), size: good.length }
    assert.is(
      (await left('DigestMismatch', store.writeThrough(expected, chunks(bad), collect))).actual,
      digestOf(bad),
    )
  })
  test('a consumer that gives up ends the transfer with its own error', async () => {
    const refusal: EngineError = { _tag: 'LayerRefused', digest: 'x', why: 'no' }
    const endless = async function* (): AsyncGenerator<Uint8Array> {
      for (;;) {
        yield Buffer.alloc(65536)
        await sleep(0)
      }
    }
    const result = store.writeThrough({ what: 'layer x', digest: DIGEST }, endless(), {
      consume: () => TE.left(refusal),
    })
    assert.is((await left('LayerRefused', result)).why, 'no')
    assert.equal(ingested(), [])
  })
  test('a consumer that needs nothing does not hinder the blob', async () => {
    const blob = gzipSync(Buffer.alloc(5_000_000, 1))
    assert.is(await right(through(blob, { consume: () => TE.right('had it') })), 'had it')
    assert.ok(await right(store.has(digestOf(blob))))
  })
  test('a source that breaks stops the consumer, and is the error', async () => {
    let stopped = false
    const consumer: Consumer<void> = {
      consume: (bytes) => async () => {
        try {
          for await (const _ of bytes);
        } catch {
          stopped = true
        }
        return E.right(undefined)
      },
    }
    const broken = Object.assign(new Error('x'), { errno: -104, syscall: 'read' })
    await left(
      'SyscallFailed',
      store.writeThrough({ what: 'layer x', digest: DIGEST }, chunks('aaaaaaaa', broken), consumer),
    )
    assert.ok(stopped)
  })
}

/** hello, in a frame of one raw block (RFC 8878 §3.1.1). */
const ZSTD = Buffer.from('28b52ffd200529000068656c6c6f', 'hex')
const hasZstd = 'createZstdDecompress' in zlib
for (const [way, native] of WAYS) {
  const able = native?.canDecompress('zstd') ?? hasZstd
  Store(
    `zstd is decompressed where something can, and refused by name where nothing does (${way})`,
    async () => {
      store = openContentStore(root, flock, native)
      if (able) assert.is(await right(through(ZSTD)), 'hello')
      else {
        const refused = await left('Unsupported', through(ZSTD))
        assert.match(refused.feature, /zstd/)
        assert.match(refused.why, /libzstd1/)
      }
      assert.equal(ingested(), [])
    },
  )
}
Store('zstd with a window of 2 GiB is refused before memory is taken for it, and not stored', async () => {
  // RFC 8878, 3.1.1.1.2: exponent 21, mantissa 0; then one raw block of one byte.
  const blob = Buffer.from('28b52ffd00a809000078', 'hex')
  const before = process.memoryUsage().rss
  const error = await through(blob)()
  assert.ok(
    E.isLeft(error) && ['LayerRefused', 'Unsupported'].includes(error.left._tag),
    JSON.stringify(error),
  )
  assert.ok(process.memoryUsage().rss - before < 256 << 20)
  assert.not.ok(await right(store.has(digestOf(blob))))
})
Store('raw deflate is no compression we know: its bytes pass as they are', async () => {
  const blob = deflateRawSync('hello')
  assert.is(await right(through(blob)), blob.toString())
})

Store('a stored blob that was changed is not handed out as good', async () => {
  await right(store.write({ what: 'x', digest: DIGEST }, chunks(BYTES)))
  truncateSync(blobFile(), 4)
  assert.is((await left('DigestMismatch', store.read({ digest: DIGEST, size: 10 }))).actual, '4 bytes')
  assert.is((await left('DigestMismatch', store.read({ digest: DIGEST }))).actual, digestOf('some'))
  await left('DigestMismatch', store.readThrough({ digest: DIGEST, size: 10 }, collect))
})
Store('a missing blob is named with its path', async () => {
  assert.is((await left('StateDamaged', store.read({ digest: DIGEST }))).path, blobFile())
  assert.is(
    (await left('StateDamaged', store.readThrough({ digest: DIGEST, size: 1 }, collect))).path,
    blobFile(),
  )
})
Store('a document of more than 8 MiB is not read into memory', async () => {
  await right(store.write({ what: 'x', digest: DIGEST }, chunks(BYTES)))
  truncateSync(blobFile(), 9 << 20)
  assert.match((await left('StateDamaged', store.read({ digest: DIGEST }))).why, /larger than/)
})

const entry = (text: string): Descriptor => ({
  mediaType: OCI_MANIFEST,
  digest: digestOf(text),
  size: text.length,
})
Store('a change that fails changes nothing', async () => {
  await right(store.update((entries) => E.right([...entries, entry('a')])))
  const before = readFileSync(path.join(root, 'oci/index.json'))
  const version = store.version()
  await left(
    'ImageNotFound',
    store.update(() => E.left({ _tag: 'ImageNotFound', reference: 'x' })),
  )
  assert.ok(readFileSync(path.join(root, 'oci/index.json')).equals(before))
  assert.is(store.version(), version)
})
Store('the version tells every change, and is undefined before the first', async () => {
  assert.is(store.version(), undefined)
  const seen = new Set<string | undefined>()
  for (const name of ['a', 'b', 'c']) {
    await right(store.update((entries) => E.right([...entries, entry(name)])))
    seen.add(store.version())
  }
  assert.is(seen.size, 3)
})
Store('writers of the index take turns, in any number of stores', async () => {
  const stores = [store, openContentStore(root, flock), openContentStore(root, flock)]
  const names = Array.from({ length: 60 }, (_, at) => `n${at}`)
  await Promise.all(
    names.map((name, at) =>
      right((stores[at % 3] ?? store).update((entries) => E.right([...entries, entry(name)]))),
    ),
  )
  assert.is((await right(store.entries)).length, 60)
})

/** A program that tells when it runs, and ends when it is told to. */
const gate = () => {
  let begin = (): void => {}
  let end = (): void => {}
  const running = new Promise<void>((resolve) => {
    begin = resolve
  })
  const ended = new Promise<void>((resolve) => {
    end = resolve
  })
  const program: TaskEither<EngineError, string> = async () => {
    begin()
    await ended
    return E.right('done')
  }
  return { program, running, end }
}
Store('keeping may overlap with keeping, and alone gives way to it', async () => {
  const { program, running, end } = gate()
  const first = right(store.keeping(program))
  await running
  assert.is(await right(openContentStore(root, flock).keeping(TE.right('too'))), 'too')
  assert.equal(await right(openContentStore(root, flock).alone(TE.right('never'))), O.none)
  end()
  assert.is(await first, 'done')
  assert.equal(await right(store.alone(TE.right('now'))), O.some('now'))
})
Store('keeping waits while somebody is alone', async () => {
  const order: string[] = []
  const { program, running, end } = gate()
  const alone = right(store.alone(program)).then(() => order.push('alone'))
  await running
  const kept = right(openContentStore(root, flock).keeping(TE.right(1))).then(() => order.push('kept'))
  await sleep(20)
  assert.equal(order, [])
  end()
  await Promise.all([alone, kept])
  assert.equal(order, ['alone', 'kept'])
})
Store('a failing program gives its locks back', async () => {
  const failure: EngineError = { _tag: 'ImageNotFound', reference: 'x' }
  await left('ImageNotFound', store.keeping(TE.left(failure)))
  await left('ImageNotFound', store.alone(TE.left(failure)))
  assert.equal(await right(store.alone(TE.right(1))), O.some(1))
})
Store('a lock that the system refuses is a failed flock', async () => {
  const refused = openContentStore(root, () => 37)
  assert.equal(await left('SyscallFailed', refused.keeping(TE.right(1))), {
    _tag: 'SyscallFailed',
    step: 'flock',
    errno: 37,
    path: path.join(root, 'locks/content'),
  })
})
Store('a hundred locks leave no descriptor behind', async () => {
  const count = () => readdirSync('/proc/self/fd').length
  await right(store.keeping(TE.right(1)))
  const before = count()
  for (let n = 0; n < 100; n++) {
    await right(store.keeping(TE.right(1)))
    await right(store.alone(TE.right(1)))
    await left('DigestMismatch', store.write({ what: 'x', digest: DIGEST }, chunks('y')))
  }
  assert.is(count(), before)
})
Store.run()
