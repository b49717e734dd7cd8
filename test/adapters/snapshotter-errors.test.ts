// Each way an unpack can fail: the error that comes out, and a store that looks as before.
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createGunzip, gzipSync } from 'node:zlib'
import { loadLayerAddon } from '../../src/adapters/layer-native.ts'
import { createSnapshotter } from '../../src/adapters/snapshotter.ts'
import { SlipwayError } from '../../src/model/errors.ts'
import { chunks, tar } from '../native/layer-tar.ts'
import { assert, suite } from '../support/suite.ts'
import { digestOf, inStore, left, right, type Store, unpack } from './snapshotter-store.ts'

const Failing = suite('adapters/snapshotter: failures')
Failing.requires('root')

const layer = tar({ name: 'a', data: 'x'.repeat(100_000) }, { name: 'b', data: 'y' })
const test = (name: string, body: (store: Store) => Promise<void>): void =>
  Failing(name, () =>
    inStore(async (store) => {
      await body(store)
      assert.is(await right(store.snapshots.has('layer', digestOf(layer))), false, 'the layer is not there')
    }),
  )

async function* failing(cause: unknown): AsyncGenerator<Uint8Array> {
  yield layer.subarray(0, 5000)
  throw cause
}

test("the source's own error of the engine comes through", async ({ snapshots }) => {
  const cause = { _tag: 'RegistryFailed', registry: 'r', why: 'gone' } as const
  assert.equal(await left(snapshots.unpackLayer(digestOf(layer), failing(cause))), cause)
  assert.equal(await left(snapshots.unpackLayer(digestOf(layer), failing(new SlipwayError(cause)))), cause)
})

test('a failed read of the source is a failed system call', async ({ snapshots }) => {
  const cause = Object.assign(new Error('EIO'), { errno: -5, syscall: 'read', code: 'EIO', path: '/blob' })
  const error = await left(snapshots.unpackLayer(digestOf(layer), failing(cause)))
  assert.equal(error, { _tag: 'SyscallFailed', step: 'read', errno: 5, path: '/blob' })
})

test('a stream that cannot be inflated refuses the layer', async ({ snapshots }) => {
  const packed = gzipSync(layer)
  packed.fill(0xff, 20, 60)
  const inflate = createGunzip()
  inflate.end(packed)
  const error = await left(snapshots.unpackLayer(digestOf(layer), inflate))
  assert.is(error._tag, 'LayerRefused')
  if (error._tag === 'LayerRefused') assert.match(error.why, /its stream cannot be read/)
})

test('an archive that is cut off is refused, and names the entry', async ({ snapshots }) => {
  const error = await left(snapshots.unpackLayer(digestOf(layer), chunks(layer.subarray(0, 60_000), 999)))
  assert.equal(error, {
    _tag: 'LayerRefused',
    digest: digestOf(layer),
    entry: 'a',
    why: 'the archive ends in the middle of an entry',
  })
})

test('a digest of another kind is no name of a layer', async ({ snapshots }) => {
  for (const digest of [
    '',
    'sha256:',
    `sha512:${'0'.repeat(128)}`,
    `sha256:${'0'.repeat(63)}/`,
    `sha256:${'A'.repeat(64)}`,
  ]) {
    const error = await left(snapshots.unpackLayer(digest, chunks(layer)))
    assert.is(error._tag, 'InvalidSpec', digest)
  }
})

test('an abort stops a source that has nothing to say', async ({ snapshots }) => {
  const stop = new AbortController()
  let returned = false
  const source: AsyncIterable<Uint8Array> = {
    [Symbol.asyncIterator]: () => ({
      next: () => {
        queueMicrotask(() => stop.abort())
        return new Promise(() => undefined)
      },
      return: async () => {
        returned = true
        return { done: true, value: undefined }
      },
    }),
  }
  const error = await left(snapshots.unpackLayer(digestOf(layer), source, { signal: stop.signal }))
  assert.equal(error, { _tag: 'Cancelled', what: 'unpack of a layer', why: 'aborted' })
  assert.is(returned, true, 'the source is told')
})

test('a signal that fired before stops the unpack at once', async ({ snapshots }) => {
  const error = await left(
    snapshots.unpackLayer(digestOf(layer), chunks(layer), { signal: AbortSignal.abort() }),
  )
  assert.is(error._tag, 'Cancelled')
})

test('a refused layer stops its source', async ({ snapshots }) => {
  let asked = 0
  async function* endless(): AsyncGenerator<Uint8Array> {
    for (;;) {
      asked++
      yield Buffer.alloc(1 << 20, 0xa5)
    }
  }
  const error = await left(snapshots.unpackLayer(digestOf(layer), endless()))
  assert.is(error._tag, 'LayerRefused')
  assert.ok(asked < 1000, `${asked} chunks were read`)
})

test('a stack of a layer that is missing names it', async (store) => {
  const error = await left(store.snapshots.prepareStack([digestOf(layer)]))
  assert.equal(error, {
    _tag: 'StateDamaged',
    path: `${store.root}/layers/${digestOf(layer).slice(7)}`,
    why: 'the layer is not unpacked',
  })
})

test('a stack names the layer whose hard link leads nowhere', async (store) => {
  const base = tar({ name: 'file', data: 'f' })
  const upper = tar({ name: 'dir/link', type: '1', link: 'nowhere' })
  await unpack(store, base)
  await unpack(store, upper)
  const error = await left(store.snapshots.prepareStack([digestOf(base), digestOf(upper)]))
  assert.equal(error, {
    _tag: 'LayerRefused',
    digest: digestOf(upper),
    entry: 'dir/link',
    why: 'a hard link to "nowhere", which no layer below has',
  })
  assert.equal((await right(store.snapshots.list)).stacks, [])
})

test('a stack of no layers is an empty tree', async ({ snapshots }) => {
  const stack = await right(snapshots.prepareStack([]))
  assert.equal(readdirSync(stack.path), [])
})

test('limits given to the store hold for its layers', async ({ root }) => {
  const snapshots = createSnapshotter({ root, native: loadLayerAddon(), limits: { maxBytes: 1000 } })
  const error = await left(snapshots.unpackLayer(digestOf(layer), chunks(layer)))
  assert.is(error._tag === 'LayerRefused' && error.why, "the layer's files are larger than allowed")
})

test('a bomb of 256 MiB in 256 KiB ends at the limit, long before its own end', async ({ root }) => {
  const zeros = tar({ name: 'bomb', data: Buffer.alloc(256 << 20) })
  const bomb = gzipSync(zeros)
  assert.ok(bomb.length < 300_000)
  const snapshots = createSnapshotter({ root, native: loadLayerAddon(), limits: { maxBytes: 1 << 20 } })
  let inflated = 0
  async function* counted(): AsyncGenerator<Uint8Array> {
    const gunzip = createGunzip()
    gunzip.end(bomb)
    for await (const chunk of gunzip) {
      inflated += chunk.length
      yield chunk
    }
  }
  const error = await left(snapshots.unpackLayer(digestOf(zeros), counted()))
  assert.is(error._tag === 'LayerRefused' && error.why, "the layer's files are larger than allowed")
  assert.ok(inflated < 64 << 20, `${inflated} bytes were inflated`)
})

test('a root that is a file is a failed system call', async ({ root }) => {
  writeFileSync(path.join(root, 'file'), '')
  mkdirSync(path.join(root, 'staging'))
  const snapshots = createSnapshotter({ root: path.join(root, 'file'), native: loadLayerAddon() })
  const error = await left(snapshots.unpackLayer(digestOf(layer), chunks(layer)))
  assert.is(error._tag === 'SyscallFailed' && error.errno, 20)
})

Failing('a full disk is a failed system call that names the file, and leaves nothing', async () => {
  const root = mkdtempSync(path.join(tmpdir(), 'slipway-full-'))
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'none', root])
  try {
    const snapshots = createSnapshotter({ root, native: loadLayerAddon() })
    const error = await left(snapshots.unpackLayer(digestOf(layer), chunks(layer)))
    assert.equal(error, { _tag: 'SyscallFailed', step: 'layer_write', errno: 28, path: 'a' })
    assert.equal(readdirSync(path.join(root, 'staging')), [])
    assert.equal(readdirSync(path.join(root, 'layers')), [])
  } finally {
    execFileSync('umount', [root])
    rmSync(root, { recursive: true })
  }
})

Failing.run()
