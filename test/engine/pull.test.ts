// pull against a registry that misbehaves: which error, and what stays behind.
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import path from 'node:path'
import { type Digest, digestOf, hexOf } from '../../src/model/digest.ts'
import { hint, message } from '../../src/model/errors.ts'
import type { ImageProgress } from '../../src/model/image-verbs.ts'
import { type Fault, type FaultRegistry, startFaultRegistry } from '../support/fault-registry.ts'
import { type BuiltImage, buildImage, buildIndex } from '../support/image-builder.ts'
import { left, right, type TestStore, testStore } from '../support/image-store.ts'
import { assert, suite } from '../support/suite.ts'

const Pull = suite('engine/pull')
const big = Buffer.alloc(3_000_000, 'slipway ')
for (let at = 0; at < big.length; at += 7) big[at] = (at * 2654435761) >>> 24
const image = buildImage({ layers: [[{ name: 'a', data: big }], [{ name: 'b', data: 'two' }]] })
const [bigLayer] = image.layers
if (bigLayer === undefined) throw new Error('unreachable')
const foreign = buildImage({ architecture: 'arm64' })
const index = buildIndex([
  [foreign, 'arm64'],
  [image, 'amd64'],
])

let registry: FaultRegistry
let store: TestStore
let isUp = false
const serve = async (images: Readonly<Record<string, BuiltImage>>, fault?: Fault): Promise<void> => {
  await tearDown()
  registry = await startFaultRegistry(images, fault)
  store = testStore()
  isUp = true
}
const setUp = (fault?: Fault): Promise<void> =>
  serve({ 'app:1': image, 'app:index': index, 'app:arm': foreign }, fault)
const tearDown = async (): Promise<void> => {
  if (!isUp) return
  isUp = false
  store.remove()
  await registry.stop()
}
Pull.afterEach(tearDown)

const end = (response: ServerResponse, status: number, headers: object = {}, body = ''): true => {
  response.writeHead(status, { ...headers }).end(body)
  return true
}
const isBigLayer = (url: string | undefined): boolean => url?.endsWith(bigLayer.digest) === true
const name = (tag: string) => `${registry.host}/app:${tag}`
/** What an empty store that was looked at holds. */
const EMPTY = ['oci/oci-layout']

Pull('an image arrives whole, unpacked and under its name', async () => {
  await setUp()
  const pulled = await right(store.images.pull(name('1')))
  assert.equal(pulled, {
    reference: name('1'),
    digest: image.target.digest,
    id: image.config.digest,
    status: 'downloaded',
  })
  for (const [digest, bytes] of image.blobs)
    assert.ok(readFileSync(path.join(store.root, 'oci/blobs/sha256', hexOf(digest))).equals(bytes))
  const [only, ...more] = JSON.parse(readFileSync(path.join(store.root, 'oci/index.json'), 'utf8')).manifests
  assert.equal(more, [])
  assert.is(only.annotations['org.opencontainers.image.ref.name'], name('1'))
  assert.equal([...store.snapshotter.layers.keys()].sort(), [...image.diffIds].sort())
})

Pull('the second pull of the same image finds nothing to do', async () => {
  await setUp()
  await right(store.images.pull(name('1')))
  const before = registry.requests.length
  assert.is((await right(store.images.pull(name('1')))).status, 'current')
  assert.is(registry.requests.length, before + 1)
})

Pull('another name for the same image downloads no blob again', async () => {
  await setUp()
  await right(store.images.pull(name('1')))
  const before = registry.count(/blobs/)
  await right(store.images.pull(`${registry.host}/app@${image.target.digest}`))
  assert.is(registry.count(/blobs/), before)
  assert.is(store.snapshotter.unpacked(), 2)
})

Pull('of an index only the wanted platform is downloaded', async () => {
  await setUp()
  const pulled = await right(store.images.pull(name('index')))
  assert.is(pulled.digest, index.target.digest)
  assert.is(pulled.id, image.config.digest)
  assert.is(registry.count(new RegExp(foreign.target.digest)), 0)
})

Pull('another platform is pulled when asked for by name', async () => {
  await setUp()
  const platform = { os: 'linux', architecture: 'arm64' }
  assert.is((await right(store.images.pull(name('index'), { platform }))).id, foreign.config.digest)
})

Pull('a platform the index does not have is an error that lists what it has', async () => {
  await setUp()
  const error = await left(
    'PlatformMismatch',
    store.images.pull(name('index'), { platform: { os: 'linux', architecture: 's390x' } }),
  )
  assert.is(message(error), `${name('index')}: no image for linux/s390x; it has linux/arm64, linux/amd64`)
  assert.equal(store.files(), EMPTY)
})

Pull('a single image for another architecture is refused and leaves nothing', async () => {
  await setUp()
  const error = await left('PlatformMismatch', store.images.pull(name('arm')))
  assert.equal(error.found, ['linux/arm64'])
  assert.equal(store.files(), EMPTY)
})

Pull('progress names every layer, counts its bytes and ends with done', async () => {
  await setUp()
  const seen: ImageProgress[] = []
  await right(store.images.pull(name('1'), { onProgress: (progress) => seen.push(progress) }))
  assert.equal(seen[0], {
    kind: 'layers',
    layers: image.layers.map(({ digest, size }) => ({ digest, sizeBytes: size })),
  })
  const last = seen.filter((event) => event.kind === 'layer' && event.digest === bigLayer.digest).at(-1)
  assert.equal(last, {
    kind: 'layer',
    digest: bigLayer.digest,
    status: 'done',
    receivedBytes: bigLayer.size,
    sizeBytes: bigLayer.size,
  })
})

Pull('an unknown tag is no such image', async () => {
  await setUp()
  const error = await left('ImageNotFound', store.images.pull(name('nope')))
  assert.is(message(error), `no such image: ${name('nope')}`)
})

Pull('a reference that is none is refused before anything is asked', async () => {
  await setUp()
  await left('InvalidReference', store.images.pull(`${registry.host}/App`))
  assert.is(registry.requests.length, 0)
})

Pull('a manifest asked for by digest must have that digest', async () => {
  await setUp((request, response) =>
    request.url?.includes('/manifests/')
      ? end(response, 200, { 'content-type': image.target.mediaType }, '{}')
      : false,
  )
  const error = await left('DigestMismatch', store.images.pull(`${registry.host}/app@${image.target.digest}`))
  assert.is(error.actual, digestOf('{}'))
})

Pull('a manifest that is not what its header promises is refused', async () => {
  await setUp((_, response) => end(response, 200, { 'docker-content-digest': digestOf('x') }, '{}'))
  assert.is((await left('DigestMismatch', store.images.pull(name('1')))).expected, digestOf('x'))
})

Pull('a manifest that is no JSON is refused, naming the document', async () => {
  await setUp((_, response) => end(response, 200, { 'content-type': image.target.mediaType }, '<html>'))
  const error = await left('InvalidSpec', store.images.pull(name('1')))
  assert.is(error.document, `manifest ${digestOf('<html>')}`)
  assert.equal(store.files(), EMPTY)
})

Pull('an answer that is no manifest at all is no container image', async () => {
  await setUp((_, response) => end(response, 200, { 'content-type': 'text/html' }, '<html>'))
  assert.match((await left('Unsupported', store.images.pull(name('1')))).feature, /text\/html/)
})

Pull('a manifest larger than 4 MiB is refused, announced or not', async () => {
  for (const headers of [{ 'content-length': 5_000_000 }, {}]) {
    await setUp((_, response) => end(response, 200, headers, 'x'.repeat(5_000_000)))
    assert.match(
      (await left('RegistryFailed', store.images.pull(name('1')))).why,
      /larger than 4194304 bytes/,
    )
  }
})

Pull('a blob with other bytes of the same length is refused and leaves nothing', async () => {
  await setUp((request, response) => {
    if (!isBigLayer(request.url)) return false
    const bytes = Buffer.from(image.blobs.get(bigLayer.digest) ?? '')
    bytes[bytes.length - 5] = (bytes[bytes.length - 5] ?? 0) ^ 1
    response.end(bytes)
    return true
  })
  const error = await left('DigestMismatch', store.images.pull(name('1')))
  assert.is(error.expected, bigLayer.digest)
  assert.equal(store.files(), EMPTY)
  assert.is(store.snapshotter.stacks.size, 0)
})

Pull('a layer that is no gzip stream but has the right digest is refused as a layer', async () => {
  const junk = Buffer.concat([Buffer.from([0x1f, 0x8b, 8, 0]), Buffer.alloc(1000, 7)])
  const blobs = new Map(image.blobs)
  const layer = { ...bigLayer, digest: digestOf(junk), size: junk.length }
  const manifest = Buffer.from(
    JSON.stringify({ schemaVersion: 2, config: image.config, layers: [layer, image.layers[1]] }),
  )
  blobs.set(layer.digest, junk).set(digestOf(manifest), manifest)
  const target = { ...image.target, digest: digestOf(manifest), size: manifest.length }
  await serve({ 'app:1': { ...image, target, blobs } })
  const error = await left('LayerRefused', store.images.pull(name('1')))
  assert.match(error.why, /cannot be decompressed/)
  assert.is(error.digest, layer.digest)
  assert.equal(store.files(), EMPTY)
})

Pull('a layer whose tar is not the one of the config is refused', async () => {
  const odd = buildImage({ diffIds: [digestOf('something else')] })
  await serve({ 'app:1': odd })
  const error = await left('DigestMismatch', store.images.pull(name('1')))
  assert.is(error.expected, digestOf('something else'))
  assert.equal(store.files(), EMPTY)
})

Pull('a config with fewer diff_ids than the manifest has layers is refused at $.layers', async () => {
  await serve({ 'app:1': buildImage({ diffIds: [] }) })
  assert.is((await left('InvalidSpec', store.images.pull(name('1')))).where, '$.layers')
})

for (const [what, length] of [
  ['shorter', -7],
  ['longer', 7],
] as const) {
  Pull(`a blob announced ${what} than its manifest says is refused`, async () => {
    await setUp((request, response) => {
      if (!isBigLayer(request.url)) return false
      response.writeHead(200, { 'content-length': bigLayer.size + length })
      response.end(Buffer.alloc(bigLayer.size + length))
      return true
    })
    const error = await left('RegistryFailed', store.images.pull(name('1')))
    assert.match(
      error.why,
      new RegExp(`has ${bigLayer.size + length} bytes and its manifest says ${bigLayer.size}`),
    )
  })
}

Pull('a blob without announced length that goes on too long is stopped', async () => {
  await setUp((request, response) => {
    if (!isBigLayer(request.url)) return false
    response.write(image.blobs.get(bigLayer.digest))
    response.end('more')
    return true
  })
  assert.match((await left('RegistryFailed', store.images.pull(name('1')))).why, /longer than the/)
})

Pull('blobs without a name that a crash of the machine damaged are got again', async () => {
  await setUp()
  const file = (digest: Digest) => path.join(store.root, 'oci/blobs/sha256', hexOf(digest))
  for (const digest of image.blobs.keys()) {
    mkdirSync(path.dirname(file(digest)), { recursive: true })
    writeFileSync(file(digest), '')
  }
  await right(store.images.pull(name('1')))
  for (const digest of image.blobs.keys()) assert.is(digestOf(readFileSync(file(digest))), digest)
})

Pull('a pull of what is there writes nothing', async () => {
  await setUp()
  await right(store.images.pull(name('1')))
  const times = () =>
    readdirSync(store.root, { recursive: true })
      .map(String)
      .filter((file) => !file.startsWith('locks'))
      .map((file) => `${file} ${statSync(path.join(store.root, file), { bigint: true }).ctimeNs}`)
      .sort()
  const before = times()
  assert.is((await right(store.images.pull(name('1')))).status, 'current')
  assert.equal(times(), before)
})

Pull('a blob that breaks off is resumed where it broke', async () => {
  await setUp((request, response, seen) => {
    if (!isBigLayer(request.url) || seen > 0) return false
    response.writeHead(200, { 'content-length': bigLayer.size })
    response.write(image.blobs.get(bigLayer.digest)?.subarray(0, 100_000), () => response.destroy())
    return true
  })
  await right(store.images.pull(name('1')))
  const ranges = registry.requests.filter(({ url }) => isBigLayer(url)).map(({ headers }) => headers.range)
  assert.is(ranges.length, 2)
  assert.match(ranges[1] ?? '', /^bytes=[1-9]\d*-$/)
})

Pull('a blob that breaks off at any byte, many times, comes whole out of the pieces', async () => {
  const bytes = image.blobs.get(bigLayer.digest) ?? Buffer.alloc(0)
  for (const ignoresRange of [false, true]) {
    const asked: number[] = []
    await setUp((request, response) => {
      if (!isBigLayer(request.url)) return false
      const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0)
      asked.push(from)
      const start = ignoresRange ? 0 : from
      response.writeHead(start > 0 ? 206 : 200, {
        'content-length': bytes.length - start,
        ...(start > 0 ? { 'content-range': `bytes ${start}-${bytes.length - 1}/${bytes.length}` } : {}),
      })
      // Each connection brings something, or gives up would be right.
      const until = Math.min(bytes.length, from + 1 + Math.floor((Math.random() * bytes.length) / 4))
      response.write(bytes.subarray(start, until), () =>
        until < bytes.length ? response.destroy() : response.end(),
      )
      return true
    })
    const pulled = await right(store.images.pull(name('1')))
    assert.is(pulled.status, 'downloaded')
    assert.ok(asked.length > 4, 'more breaks than tries in a row')
    assert.equal(
      asked,
      [...asked].sort((a, b) => a - b),
    )
    const stored = readFileSync(path.join(store.root, 'oci/blobs/sha256', hexOf(bigLayer.digest)))
    assert.ok(stored.equals(bytes))
  }
})

Pull('another range than the one that was asked for is refused', async () => {
  await setUp((request, response, seen) => {
    if (!isBigLayer(request.url)) return false
    const bytes = image.blobs.get(bigLayer.digest) ?? Buffer.alloc(0)
    if (seen === 0) {
      response.writeHead(200, { 'content-length': bytes.length })
      response.write(bytes.subarray(0, 100_000), () => response.destroy())
    } else {
      response.writeHead(206, { 'content-range': `bytes 5-${bytes.length - 1}/${bytes.length}` })
      response.end(bytes.subarray(5))
    }
    return true
  })
  assert.match(
    (await left('RegistryFailed', store.images.pull(name('1')))).why,
    /from byte \d+, it sends "bytes 5-/,
  )
})

Pull('a server that ignores the range is read from the start again', async () => {
  await setUp((request, response, seen) => {
    if (!isBigLayer(request.url)) return false
    const bytes = image.blobs.get(bigLayer.digest) ?? Buffer.alloc(0)
    response.writeHead(200, { 'content-length': bytes.length })
    if (seen > 0) response.end(bytes)
    else response.write(bytes.subarray(0, 100_000), () => response.destroy())
    return true
  })
  await right(store.images.pull(name('1')))
})

Pull('a blob that always ends too early fails, saying how far it came', async () => {
  await setUp((request, response) => {
    if (!isBigLayer(request.url)) return false
    response.end(image.blobs.get(bigLayer.digest)?.subarray(0, 1000))
    return true
  })
  const error = await left('RegistryFailed', store.images.pull(name('1')))
  assert.match(error.why, new RegExp(`1000 of ${bigLayer.size} bytes|ha[sd] 1000 bytes`))
})

Pull('what a broken download left is used by the next try', async () => {
  const small = image.layers[1]?.digest ?? bigLayer.digest
  const stored = (): boolean => existsSync(path.join(store.root, 'oci/blobs/sha256', hexOf(small)))
  // The download breaks when the other layer is there, and not before: a failure calls off what is still on its way.
  await setUp((request, response) => {
    if (!isBigLayer(request.url)) return false
    const refuse = (): void => void (stored() ? end(response, 403) : setTimeout(refuse, 2))
    refuse()
    return true
  })
  await left('RegistryFailed', store.images.pull(name('1')))
  registry.fault = () => false
  await right(store.images.pull(name('1')))
  assert.is(registry.count(new RegExp(small)), 1)
})

Pull("a blob the manifest names and the registry lacks is the registry's fault", async () => {
  await setUp((request, response) => isBigLayer(request.url) && end(response, 404))
  const error = await left('RegistryFailed', store.images.pull(name('1')))
  assert.match(error.why, /is missing though the manifest of app names it/)
})

for (const status of [500, 502, 503, 429]) {
  Pull(`status ${status} is tried again`, async () => {
    await setUp((_, response, seen) => seen < 2 && end(response, status, { 'retry-after': '0' }))
    await right(store.images.pull(name('1')))
  })
  Pull(`status ${status} for ever fails after a few tries`, async () => {
    await setUp((_, response) => end(response, status))
    const error = await left('RegistryFailed', store.images.pull(name('1')))
    assert.is(error.status, status)
    assert.is(registry.requests.length, 4)
  })
}

Pull('the words of a refusal are passed on without control characters', async () => {
  await setUp((_, response) => end(response, 403, {}, '{"errors":[{"message":"go \\u001b[31maway"}]}'))
  const error = await left('RegistryFailed', store.images.pull(name('1')))
  assert.is(error.why, 'go ?[31maway')
  assert.match(hint(error) ?? '', /config\.json/)
})

Pull('nobody listening is connection refused, at once', async () => {
  await setUp()
  await registry.stop()
  const error = await left('RegistryFailed', store.images.pull(name('1')))
  assert.is(message(error), `${registry.host}: connection refused`)
})

Pull('a server that falls silent is given up', async () => {
  await setUp((request) => request.url?.includes('/manifests/') === true)
  const impatient = store.other({ registry: { idleMs: 50, retryMs: 1, credentials: async () => undefined } })
  const error = await left('RegistryFailed', impatient.pull(name('1')))
  assert.match(error.why, /silent for 0.05 s|connection was closed/)
})

Pull('a stalled blob is given up, too', async () => {
  await setUp((request, response) => {
    if (!isBigLayer(request.url)) return false
    response.writeHead(200, { 'content-length': bigLayer.size })
    response.flushHeaders()
    return true
  })
  const impatient = store.other({ registry: { idleMs: 50, retryMs: 1, credentials: async () => undefined } })
  await left('RegistryFailed', impatient.pull(name('1')))
})

Pull('plain HTTP is for loopback only', async () => {
  await setUp((_, response) => end(response, 307, { location: 'http://192.0.2.1/x' }))
  const redirected = await left('RegistryFailed', store.images.pull(name('1')))
  assert.match(redirected.why, /refusing http:\/\/192\.0\.2\.1/)
})

Pull('an endless redirect is stopped', async () => {
  await setUp((request, response) => end(response, 307, { location: request.url ?? '' }))
  assert.match((await left('RegistryFailed', store.images.pull(name('1')))).why, /more than 8 redirects/)
})

Pull('an abort during the download is Cancelled, and the connection is let go', async () => {
  const stop = new AbortController()
  await setUp((request, response) => {
    if (!isBigLayer(request.url)) return false
    response.writeHead(200, { 'content-length': bigLayer.size })
    response.write('x', () => stop.abort())
    return true
  })
  await left('Cancelled', store.images.pull(name('1'), { signal: stop.signal }))
})

Pull('an abort before the start is Cancelled', async () => {
  await setUp()
  await left('Cancelled', store.images.pull(name('1'), { signal: AbortSignal.abort() }))
})

Pull('at most three layers are in work at a time', async () => {
  const many = buildImage({
    layers: Array.from({ length: 9 }, (_, at) => [{ name: `f${at}`, data: big.subarray(at) }]),
  })
  await serve({ 'app:1': many })
  await right(store.images.pull(name('1')))
  assert.is(store.snapshotter.widest(), 3)
  assert.is(store.snapshotter.unpacked(), 9)
})

Pull('a layer that occurs twice is downloaded once', async () => {
  const layer = [{ name: 'same', data: 'same' }]
  await serve({ 'app:1': buildImage({ layers: [layer, [{ name: 'x' }], layer] }) })
  await right(store.images.pull(name('1')))
  assert.is(store.snapshotter.unpacked(), 2)
})

Pull('an image without layers is an image', async () => {
  await serve({ 'app:1': buildImage({ layers: [] }) })
  await right(store.images.pull(name('1')))
})

Pull('ten pulls of one image at once, from two engines, give one image', async () => {
  await setUp()
  const engines = [store.images, store.other()]
  const pulls = Array.from({ length: 10 }, (_, at) =>
    right((engines[at % 2] ?? store.images).pull(name('1'))),
  )
  const ids = new Set((await Promise.all(pulls)).map(({ id }) => id))
  assert.equal([...ids], [image.config.digest])
  assert.is((await right(store.images.list())).length, 1)
  assert.equal(
    store.files().filter((file) => file.startsWith('ingest/')),
    [],
  )
})

Pull('a stored blob that went bad is downloaded again', async () => {
  await setUp(
    (request, response) =>
      request.url?.endsWith(image.layers[1]?.digest ?? '?') === true && end(response, 403),
  )
  await left('RegistryFailed', store.images.pull(name('1')))
  const { writeFileSync, mkdirSync } = await import('node:fs')
  const file = path.join(store.root, 'oci/blobs/sha256', hexOf(bigLayer.digest))
  mkdirSync(path.dirname(file), { recursive: true })
  writeFileSync(file, Buffer.alloc(bigLayer.size))
  store.snapshotter.layers.clear()
  registry.fault = () => false
  await right(store.images.pull(name('1')))
  assert.ok(readFileSync(file).equals(image.blobs.get(bigLayer.digest) ?? Buffer.alloc(0)))
})

Pull.run()
