import { createHash } from 'node:crypto'
import { existsSync, lstatSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import * as E from '#fp/Either'
import * as TE from '#fp/TaskEither'
import { chainIdOf } from '../../src/adapters/snapshotter-paths.ts'
import type { EngineError } from '../../src/model/errors.ts'
import { chunks, header, tar } from '../native/layer-tar.ts'
import { expectRight } from '../support/either.ts'
import { assert, suite } from '../support/suite.ts'
import { digestOf, inStore, left, right, type Store, unpack } from './snapshotter-store.ts'

const Snapshots = suite('adapters/snapshotter')
Snapshots.requires('root')
const test = (name: string, body: (store: Store) => Promise<void>): void =>
  Snapshots(name, () => inStore(body))

const base = tar(
  { name: 'etc/', type: '5' },
  { name: 'etc/a', data: 'one' },
  { name: 'etc/b', data: 'two' },
  { name: 'tmp/', type: '5', mode: 0o1777 },
  { name: 'dir/', type: '5' },
  { name: 'dir/inside', data: 'hidden later' },
)
const upper = tar(
  { name: 'etc/.wh.a' },
  { name: 'etc/c', link: 'etc/b', type: '1' },
  { name: 'dir/', type: '5' },
  { name: 'dir/.wh..wh..opq' },
  { name: 'dir/new', data: 'new' },
  { name: 'tmp/x', data: 'x' },
)

test('a one-layer image is its layer, a second unpack of it reads nothing', async (store) => {
  const layer = await unpack(store, base)
  assert.equal(layer, { diffId: digestOf(base), sizeBytes: base.length, entries: 6, reused: false })
  const again = await right(
    store.snapshots.unpackLayer(digestOf(base), {
      [Symbol.asyncIterator]: () => {
        throw new Error('the source is read')
      },
    }),
  )
  assert.equal(again, { ...layer, reused: true })
  const stack = await right(store.snapshots.prepareStack([digestOf(base)]))
  assert.is(stack.chainId, digestOf(base))
  assert.is(readFileSync(`${stack.path}/etc/a`, 'utf8'), 'one')
  assert.is(stack.path.startsWith(`${store.root}/layers/`), true)
})

test('layers unpack in any order and become one tree: whiteouts, opaque folders and links across layers', async (store) => {
  await Promise.all([unpack(store, upper), unpack(store, base)])
  const diffIds = [digestOf(base), digestOf(upper)]
  const stack = await right(store.snapshots.prepareStack(diffIds))
  assert.is(stack.chainId, chainIdOf(diffIds))
  assert.equal(readdirSync(stack.path).sort(), ['dir', 'etc', 'tmp'])
  assert.equal(readdirSync(`${stack.path}/etc`).sort(), ['b', 'c'])
  assert.equal(readdirSync(`${stack.path}/dir`), ['new'])
  assert.is(readFileSync(`${stack.path}/etc/c`, 'utf8'), 'two')
  assert.is(statSync(`${stack.path}/etc/b`).ino, statSync(`${stack.path}/etc/c`).ino)
  assert.is(
    statSync(`${stack.path}/tmp`).mode & 0o7777,
    0o1777,
    'a layer that only passes through keeps the mode',
  )
  assert.equal(await right(store.snapshots.list), {
    layers: [...diffIds].sort(),
    stacks: [{ chainId: stack.chainId, diffIds }],
  })
  const again = await right(store.snapshots.prepareStack(diffIds))
  assert.equal(again, { ...stack, reused: true })
})

test('a stack waits for each of its layers, and begins with those that are there', async (store) => {
  const diffIds = [digestOf(base), digestOf(upper)]
  await unpack(store, base)
  const asked: string[] = []
  let come = (): void => {}
  const second = new Promise<void>((resolve) => {
    come = resolve
  })
  const made = store.snapshots.prepareStack(diffIds, (diffId) => async () => {
    asked.push(diffId)
    if (diffId === digestOf(upper)) await second
    return E.right(undefined)
  })()
  for (let tries = 0; asked.length < 2 && tries < 5000; tries++) await sleep(1)
  assert.equal(asked, diffIds)
  assert.is(readdirSync(`${store.root}/stacks`).length, 0)
  await unpack(store, upper)
  come()
  const stack = expectRight(await made)
  assert.equal(readdirSync(`${stack.path}/etc`).sort(), ['b', 'c'])
})

test('a layer that will not come ends the stack, and leaves nothing of it', async (store) => {
  await unpack(store, base)
  const why: EngineError = { _tag: 'Cancelled', what: 'the pull', why: 'aborted' }
  for (const diffIds of [[digestOf(base), digestOf(upper)], [digestOf(upper)]]) {
    const made = store.snapshots.prepareStack(diffIds, (diffId) =>
      diffId === digestOf(upper) ? TE.left(why) : TE.right(undefined),
    )
    assert.equal(await made(), E.left(why))
  }
  for (const folder of ['staging', 'stacks']) assert.equal(readdirSync(`${store.root}/${folder}`), [])
})

test("the layer directory has overlay's form", async (store) => {
  await unpack(store, upper)
  const tree = `${store.root}/layers/${digestOf(upper).slice(7)}/fs`
  const hidden = lstatSync(`${tree}/etc/a`)
  assert.is(hidden.isCharacterDevice(), true)
  assert.is(hidden.rdev, 0)
})

test('a stream with another digest leaves nothing', async (store) => {
  const error = await left(store.snapshots.unpackLayer(digestOf(upper), chunks(base)))
  assert.equal(error, {
    _tag: 'DigestMismatch',
    what: 'layer diffID',
    expected: digestOf(upper),
    actual: digestOf(base),
  })
  assert.equal(await right(store.snapshots.list), { layers: [], stacks: [] })
})

test('remove takes the layer away and can be repeated', async (store) => {
  await unpack(store, base)
  assert.is(await right(store.snapshots.has('layer', digestOf(base))), true)
  await right(store.snapshots.remove('layer', digestOf(base)))
  await right(store.snapshots.remove('layer', digestOf(base)))
  assert.is(await right(store.snapshots.has('layer', digestOf(base))), false)
  assert.is(existsSync(`${store.root}/layers/${digestOf(base).slice(7)}`), false)
})

test('memory does not grow with the layer, and a signal that never fires keeps none of it', async (store) => {
  const size = 256 * 1024 * 1024
  const piece = 256 * 1024
  const block = header({ name: 'large', size })
  const parts = function* () {
    yield block
    for (let at = 0; at < size; at += piece) yield Buffer.alloc(piece)
    yield Buffer.alloc(1024)
  }
  const hash = createHash('sha256')
  for (const part of parts()) hash.update(part)
  let most = 0
  const source = async function* () {
    for (const part of parts()) {
      yield part
      most = Math.max(most, process.memoryUsage().arrayBuffers)
    }
  }
  const { signal } = new AbortController()
  await right(store.snapshots.unpackLayer(`sha256:${hash.digest('hex')}`, source(), { signal }))
  assert.ok(most < size / 2, `${most} bytes at once`)
})

Snapshots.run()
