// push to a real registry, behind a proxy that spoils the traffic: it comes through, or fails clearly and leaves nothing.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { digestOf, hexOf } from '../../src/model/digest.ts'
import { message } from '../../src/model/errors.ts'
import type { PushProgress } from '../../src/model/image-verbs.ts'
import { type FaultProxy, type Passing, type Spoiled, startFaultProxy } from '../support/fault-proxy.ts'
import { type BuiltImage, buildImage, buildIndex, layoutFiles, writeFiles } from '../support/image-builder.ts'
import { left, OWN_REGISTRY, right, type TestStore, testStore } from '../support/image-store.ts'
import { type RunningRegistry, startRegistry } from '../support/registry.ts'
import { assert, suite } from '../support/suite.ts'
import { tarOf } from '../support/tar-builder.ts'
import { startUploadRegistry, type UploadRegistry } from '../support/upload-registry.ts'

const Push = suite('engine/push')
Push.requires('program:docker-registry', 'program:skopeo')

const MiB = 1024 * 1024
const noise = (size: number, seed: number): Buffer => {
  const bytes = Buffer.alloc(size)
  let state = seed
  for (let at = 0; at < size; at += 4) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    bytes.writeUInt32LE(state, at)
  }
  return bytes
}
const image = buildImage({
  layers: [[{ name: 'big', data: noise(3 * MiB, 1) }], [{ name: 'small', data: 'two' }]],
})
const foreign = buildImage({ architecture: 'arm64', layers: [[{ name: 'arm', data: 'arm' }]] })
const index = buildIndex([
  [foreign, 'arm64'],
  [image, 'amd64'],
])
const [big, small] = image.layers
if (big === undefined || small === undefined) throw new Error('unreachable')

let registry: RunningRegistry
let proxy: FaultProxy
let store: TestStore
let folder = ''
Push.before(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'slipway-push-'))
  registry = await startRegistry()
})
Push.after(async () => {
  rmSync(folder, { recursive: true, force: true })
  await registry.stop()
})
Push.beforeEach(async () => {
  proxy = await startFaultProxy(registry.host)
  store = testStore()
})
Push.afterEach(async () => {
  store.remove()
  await proxy.stop()
  registry.clear()
})

const name = (rest: string): string => `${proxy.host}/${rest}`
const loadInto = async (built: BuiltImage, full: string, into = store.images): Promise<void> => {
  const tar = tarOf(layoutFiles([[built, undefined]]))
  await right(
    into.load(
      {
        stream: (async function* () {
          yield tar
        })(),
      },
      { name: full },
    ),
  )
}
/** Another engine on the same store, which sends layers in parts of this size. */
const inParts = (chunkSize: number) =>
  store.other({ registry: { ...OWN_REGISTRY, registries: { [proxy.host]: { chunkSize } } } })
/** All documents and layers, as another client finds them in the registry, are those that were pushed. */
const arrived = (repository: string, built: BuiltImage, tag = '1', ...flags: readonly string[]): void => {
  const target = mkdtempSync(path.join(folder, 'copy-'))
  const from = `docker://${registry.host}/${repository}:${tag}`
  execFileSync('skopeo', ['copy', '-q', '--src-tls-verify=false', ...flags, from, `oci:${target}:x`], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const entry = JSON.parse(readFileSync(path.join(target, 'index.json'), 'utf8')).manifests[0]
  assert.is(entry.digest, built.target.digest)
  for (const [digest, bytes] of built.blobs)
    assert.ok(readFileSync(path.join(target, 'blobs/sha256', hexOf(digest))).equals(bytes), digest)
  rmSync(target, { recursive: true })
}
const isBlobUpload = ({ method, url }: Passing): boolean =>
  (method === 'PUT' || method === 'PATCH') && /\/blobs\/uploads\//.test(url)
/** A fault for the first `times` requests that match. */
const first = (times: number, matches: (passing: Passing) => boolean, spoiled: Spoiled): void => {
  let left = times
  proxy.fault = (passing) => (left > 0 && matches(passing) && left-- > 0 ? spoiled : undefined)
}
/** Only requests that carry much of the large layer. */
const isBig = (passing: Passing): boolean =>
  isBlobUpload(passing) && Number(passing.request.headers['content-length'] ?? 0) > 400_000

Push('an image arrives whole, and is what another client finds', async () => {
  await loadInto(image, name('me/app:1'))
  const [pushed, ...more] = await right(store.images.push(name('me/app:1')))
  assert.equal(more, [])
  assert.equal(pushed, {
    reference: name('me/app:1'),
    tag: '1',
    digest: image.target.digest,
    sizeBytes: image.target.size,
  })
  arrived('me/app', image)
  assert.equal(registry.unfinished(), [])
})
Push('what is there is asked for and not sent again', async () => {
  await loadInto(image, name('app:1'))
  await right(store.images.push(name('app:1')))
  const before = proxy.count('POST')
  await right(store.images.tag(name('app:1'), name('app:2')))
  const seen: PushProgress[] = []
  await right(store.images.push(name('app:2'), { onProgress: (progress) => seen.push(progress) }))
  assert.is(proxy.count('POST'), before)
  arrived('app', image, '2')
})
Push('a blob that is there is not sent, one that is not is', async () => {
  const other = buildImage({ layers: [[{ name: 'big', data: noise(3 * MiB, 1) }], [{ name: 'new' }]] })
  await loadInto(image, name('app:1'))
  await loadInto(other, name('app:2'))
  await right(store.images.push(name('app:1')))
  const status = new Map<string, string>()
  await right(
    store.images.push(name('app:2'), {
      onProgress: (progress) => progress.kind === 'layer' && status.set(progress.digest, progress.status),
    }),
  )
  assert.equal(
    [...other.layers, other.config].map(({ digest }) => status.get(digest)),
    ['exists', 'done', 'done'],
  )
  arrived('app', other, '2')
})
Push('progress names every blob, counts its bytes and ends with done', async () => {
  await loadInto(image, name('app:1'))
  const seen: PushProgress[] = []
  await right(store.images.push(name('app:1'), { onProgress: (progress) => seen.push(progress) }))
  assert.equal(seen[0], {
    kind: 'layers',
    layers: [big, small, image.config].map(({ digest, size }) => ({ digest, sizeBytes: size })),
  })
  const ofBig = seen.filter((event) => event.kind === 'layer' && event.digest === big.digest)
  assert.ok(ofBig.length > 5)
  assert.equal(ofBig.at(-1), {
    kind: 'layer',
    digest: big.digest,
    status: 'done',
    sentBytes: big.size,
    sizeBytes: big.size,
  })
})

Push('an index goes whole, with every platform', async () => {
  await loadInto(index, name('multi:1'))
  const [pushed] = await right(store.images.push(name('multi:1')))
  assert.is(pushed?.digest, index.target.digest)
  arrived('multi', index, '1', '--all')
})
Push('an index of which a platform is not here is refused by its name, before anything is sent', async () => {
  await loadInto(index, name('multi:1'))
  await right(store.images.push(name('multi:1')))
  const fresh = testStore()
  try {
    await right(fresh.images.pull(name('multi:1')))
    await right(fresh.images.tag(name('multi:1'), name('elsewhere:1')))
    const posts = proxy.count('POST')
    const error = await left('ImageIncomplete', fresh.images.push(name('elsewhere:1')))
    assert.is(
      message(error),
      `${name('elsewhere:1')}: not here: linux/arm64 (manifest ${foreign.target.digest})`,
    )
    assert.match(error.hint ?? '', /--platform/)
    assert.is(proxy.count('POST'), posts)
    const [one] = await right(
      fresh.images.push(name('elsewhere:1'), { platform: { os: 'linux', architecture: 'amd64' } }),
    )
    assert.is(one?.digest, image.target.digest)
    arrived('elsewhere', image)
    // In its own repository the rest is there.
    await right(fresh.images.tag(name('multi:1'), name('multi:2')))
    await right(fresh.images.push(name('multi:2')))
    arrived('multi', index, '2', '--all')
  } finally {
    fresh.remove()
  }
})
Push('a platform the image does not have is a mismatch', async () => {
  await loadInto(index, name('multi:1'))
  const platform = { os: 'linux', architecture: 's390x' }
  await left('PlatformMismatch', store.images.push(name('multi:1'), { platform }))
  await loadInto(image, name('single:1'))
  await left('PlatformMismatch', store.images.push(name('single:1'), { platform }))
})
Push('a layer whose blob is gone from the store is named, and nothing is sent', async () => {
  await loadInto(image, name('app:1'))
  rmSync(path.join(store.root, 'oci/blobs/sha256', hexOf(big.digest)))
  const error = await left('ImageIncomplete', store.images.push(name('app:1')))
  assert.equal(error.missing, [`the compressed blob of layer ${big.digest}`])
  assert.is(proxy.count('POST'), 0)
})
Push('a layer that went bad in the store is refused before its end', async () => {
  await loadInto(image, name('app:1'))
  const file = path.join(store.root, 'oci/blobs/sha256', hexOf(big.digest))
  const bytes = readFileSync(file)
  bytes[bytes.length - 9] = (bytes.at(-9) ?? 0) ^ 1
  writeFileSync(file, bytes)
  const error = await left('DigestMismatch', store.images.push(name('app:1')))
  assert.is(error.expected, big.digest)
  writeFileSync(file, bytes.subarray(0, 1000))
  assert.match(message(await left('DigestMismatch', store.images.push(name('app:1')))), /1000 bytes/)
  await left('ImageNotFound', store.images.pull(name('app:1')))
})

Push('all tags of a repository go at once', async () => {
  await loadInto(image, name('app:1'))
  await loadInto(foreign, name('other:1')).catch(() => {})
  await right(store.images.tag(name('app:1'), name('app:2')))
  const pushed = await right(store.images.push(name('app'), { allTags: true }))
  assert.equal(pushed.map(({ tag }) => tag).sort(), ['1', '2'])
  arrived('app', image, '1')
  arrived('app', image, '2')
  assert.equal([...(await right(store.images.tags(name('app'))))].sort(), ['1', '2'])
  await left('InvalidReference', store.images.push(name('app:1'), { allTags: true }))
  await left('ImageNotFound', store.images.push(name('nothing'), { allTags: true }))
})
Push('what is not here, and a digest, cannot be pushed', async () => {
  const error = await left('ImageNotFound', store.images.push(name('app:1')))
  assert.match(error.hint ?? '', /slipway tag/)
  await left('InvalidReference', store.images.push(name(`app@${image.target.digest}`)))
})

Push('a layer the registry has in a repository it was pulled from is mounted, not sent', async () => {
  await loadInto(image, name('source:1'))
  await right(store.images.push(name('source:1')))
  const fresh = testStore()
  try {
    await right(fresh.images.pull(name('source:1')))
    await right(fresh.images.tag(name('source:1'), name('target:1')))
    const sent = proxy.requests.filter(({ method, url }) => method === 'PUT' && /uploads/.test(url)).length
    const from = new Map<string, string | undefined>()
    await right(
      fresh.images.push(name('target:1'), {
        onProgress: (progress) =>
          progress.kind === 'layer' &&
          progress.status === 'mounted' &&
          from.set(progress.digest, progress.from),
      }),
    )
    assert.equal(
      [big, small, image.config].map(({ digest }) => from.get(digest)),
      ['source', 'source', 'source'],
    )
    assert.is(
      proxy.requests.filter(({ method, url }) => method === 'PUT' && /uploads/.test(url)).length,
      sent,
    )
    arrived('target', image)
    assert.equal(registry.unfinished(), [])
  } finally {
    fresh.remove()
  }
})
Push('a mount the registry does not do becomes an upload', async () => {
  await loadInto(image, name('source:1'))
  await right(store.images.push(name('source:1')))
  await right(store.images.tag(name('source:1'), name('target:1')))
  proxy.fault = ({ method, url }) =>
    method === 'POST' && url.includes('mount=') ? { status: 403, body: '{}' } : undefined
  await right(store.images.push(name('target:1')))
  arrived('target', image)
})
Push('a neighbour that has lost the blob is no neighbour, and its upload is used', async () => {
  await loadInto(image, name('source:1'))
  await right(store.images.push(name('source:1')))
  rmSync(path.join(registry.folder, 'data/docker/registry/v2/repositories/source'), { recursive: true })
  await right(store.images.tag(name('source:1'), name('target:1')))
  const posts = proxy.count('POST')
  await right(store.images.push(name('target:1')))
  assert.is(proxy.count('POST') - posts, 3)
  arrived('target', image)
  assert.equal(registry.unfinished(), [])
})
Push('where a blob came from is forgotten with the last name there', async () => {
  await loadInto(image, name('app:1'))
  await right(store.images.push(name('app:1')))
  await right(store.images.tag(name('app:1'), name('other:1')))
  await right(store.images.push(name('other:1')))
  const repositories = () =>
    new Set(
      store
        .files()
        .flatMap((file) => (file.startsWith('origins/') ? path.basename(file).split('%2F').at(-1) : [])),
    )
  assert.equal([...repositories()].sort(), ['app', 'other'])
  await right(store.images.remove(name('app:1')))
  // A load sweeps.
  await loadInto(buildImage({ layers: [] }), name('sweeps:1'))
  assert.equal([...repositories()], ['other'])
})
Push('where a blob came from is forgotten with the blob', async () => {
  await loadInto(image, name('app:1'))
  await right(store.images.push(name('app:1')))
  assert.ok(store.files().some((file) => file.startsWith('origins/')))
  await right(store.images.remove(name('app:1')))
  assert.equal(
    store.files().filter((file) => file.startsWith('origins/')),
    [],
  )
})

Push('a large layer goes in parts, each where the last one ended', async () => {
  await loadInto(image, name('app:1'))
  await right(inParts(MiB).push(name('app:1')))
  const ranges = proxy.requests
    .filter(({ method }) => method === 'PATCH')
    .map(({ headers }) => headers['content-range'])
  assert.equal(ranges, [
    `0-${MiB - 1}`,
    `${MiB}-${2 * MiB - 1}`,
    `${2 * MiB}-${3 * MiB - 1}`,
    `${3 * MiB}-${big.size - 1}`,
  ])
  arrived('app', image)
})
for (const [what, spoiled] of [
  ['breaks off', { dropAfter: 300_000 }],
  ['gets no answer', { stall: true }],
  ['loses its answer', { loseAnswer: true }],
  ['meets a status 500', { status: 500 }],
  ['meets a status 429', { status: 429, headers: { 'retry-after': '0' } }],
] as const) {
  // This registry neither goes on with an upload whose state it could not tell us, nor takes it back: the next one is a new one.
  const isTorn = 'dropAfter' in spoiled || 'loseAnswer' in spoiled
  Push(`a part that ${what} does not stop a push`, async () => {
    await loadInto(image, name('app:1'))
    const patient = store.other({
      registry: {
        ...OWN_REGISTRY,
        idleMs: 1000,
        registries: { [proxy.host]: { chunkSize: MiB } },
      },
    })
    first(2, (passing) => passing.method === 'PATCH' && isBig(passing), spoiled)
    await right(patient.push(name('app:1')))
    assert.ok(proxy.count('GET', /uploads/) > 0)
    arrived('app', image)
    if (!isTorn) assert.equal(registry.unfinished(), [])
  })
  Push(`a whole layer that ${what} comes through`, async () => {
    await loadInto(image, name('app:1'))
    const patient = store.other({ registry: { ...OWN_REGISTRY, idleMs: 1000 } })
    first(2, (passing) => passing.method === 'PUT' && isBig(passing), spoiled)
    await right(patient.push(name('app:1')))
    arrived('app', image)
    if (!isTorn) assert.equal(registry.unfinished(), [])
  })
}
/** A registry that keeps what came of a broken upload, with the image in a store of its own. */
const withKeeper = async (
  chunkSize: number | undefined,
  body: (keeper: UploadRegistry, images: TestStore['images'], full: string) => Promise<void>,
): Promise<void> => {
  const keeper = await startUploadRegistry()
  try {
    const full = `${keeper.host}/app:1`
    await loadInto(image, full)
    const images = store.other({
      registry: {
        ...OWN_REGISTRY,
        registries: { [keeper.host]: chunkSize === undefined ? {} : { chunkSize } },
      },
    })
    await body(keeper, images, full)
  } finally {
    await keeper.stop()
  }
}
const total = [big, small, image.config].reduce((sum, { size }) => sum + size, 0)
Push('what arrived of a whole layer when it broke is not sent again', () =>
  withKeeper(undefined, async (keeper, images, full) => {
    keeper.breakAt = 2 * MiB
    await right(images.push(full))
    assert.is(keeper.parts.length, 1)
    assert.ok(Number(keeper.parts[0]?.split('-')[0]) >= 2 * MiB)
    assert.is(keeper.received(), total)
    assert.ok(keeper.blobs.get(big.digest)?.equals(image.blobs.get(big.digest) ?? Buffer.alloc(0)))
    assert.is(keeper.uploads.size, 0)
  }),
)
Push('what arrived of a part when it broke is not sent again', () =>
  withKeeper(MiB, async (keeper, images, full) => {
    keeper.breakAt = 700_000
    await right(images.push(full))
    assert.is(keeper.received(), total)
    assert.ok(keeper.blobs.get(big.digest)?.equals(image.blobs.get(big.digest) ?? Buffer.alloc(0)))
  }),
)
Push('parts are as large as the registry wants them', () =>
  withKeeper(1000, async (keeper, images, full) => {
    keeper.minChunk = 2 * MiB
    await right(images.push(full))
    assert.equal(keeper.parts, [`0-${2 * MiB - 1}`, `${2 * MiB}-${big.size - 1}`])
  }),
)
Push('an abort in the middle takes the upload back', () =>
  withKeeper(MiB, async (keeper, images, full) => {
    const stop = new AbortController()
    const onProgress = (progress: PushProgress) =>
      progress.kind === 'layer' && progress.sentBytes > 2 * MiB && stop.abort()
    await left('Cancelled', images.push(full, { signal: stop.signal, onProgress }))
    assert.is(keeper.uploads.size, 0)
    assert.ok(keeper.cancelled() > 0)
  }),
)
Push('an upload the registry has forgotten is begun again', async () => {
  await loadInto(image, name('app:1'))
  first(1, (passing) => passing.method === 'PATCH', {
    status: 404,
    body: '{"errors":[{"code":"BLOB_UPLOAD_UNKNOWN"}]}',
  })
  await right(inParts(MiB).push(name('app:1')))
  arrived('app', image)
  assert.equal(registry.unfinished(), [])
})
Push('an upload that is always forgotten fails with what the registry says', async () => {
  await loadInto(image, name('app:1'))
  proxy.fault = (passing) =>
    passing.method === 'PATCH'
      ? { status: 404, body: '{"errors":[{"code":"BLOB_UPLOAD_UNKNOWN"}]}' }
      : undefined
  const error = await left('RegistryFailed', inParts(MiB).push(name('app:1')))
  assert.is(error.why, 'BLOB_UPLOAD_UNKNOWN')
  assert.equal(registry.unfinished(), [])
})
for (const status of [405, 415, 501])
  Push(`a registry that takes no parts, by status ${status}, gets the whole`, async () => {
    await loadInto(image, name('app:1'))
    proxy.fault = (passing) => (passing.method === 'PATCH' ? { status } : undefined)
    await right(inParts(MiB).push(name('app:1')))
    arrived('app', image)
    assert.equal(registry.unfinished(), [])
  })
Push('a proxy that takes no large bodies gets parts of 8 MiB', async () => {
  const large = buildImage({ layers: [[{ name: 'large', data: noise(10 * MiB, 7) }]] })
  await loadInto(large, name('app:1'))
  proxy.fault = (passing) =>
    isBlobUpload(passing) && Number(passing.request.headers['content-length']) > 9 * MiB
      ? { status: 413 }
      : undefined
  await right(store.images.push(name('app:1')))
  assert.is(proxy.count('PATCH'), 2)
  arrived('app', large)
  assert.equal(registry.unfinished(), [])
})
Push('an upload that is opened while another one fails is taken back, too', async () => {
  await loadInto(image, name('app:1'))
  let posts = 0
  proxy.fault = (passing) => {
    if (passing.method === 'POST' && ++posts === 2) return { answerAfterMs: 500 }
    return isBlobUpload(passing) ? { status: 403 } : undefined
  }
  await left('RegistryFailed', store.images.push(name('app:1')))
  assert.ok(posts >= 2, String(posts))
  assert.equal(registry.unfinished(), [])
})
for (const [what, spoiled] of [
  ['always breaks off', { dropAfter: 0 }],
  ['is always a status 503', { status: 503 }],
  ['is refused', { status: 403, body: '{"errors":[{"message":"quota"}]}' }],
] as const) {
  Push(`an upload that ${what} fails and leaves nothing half-made`, async () => {
    await loadInto(image, name('app:1'))
    proxy.fault = (passing) => (isBlobUpload(passing) ? spoiled : undefined)
    await left('RegistryFailed', store.images.push(name('app:1')))
    await left('RegistryFailed', inParts(MiB).push(name('app:1')))
    assert.equal(registry.unfinished(), [])
    proxy.fault = () => undefined
    await left('ImageNotFound', store.images.pull(name('app:1')))
    await right(store.images.push(name('app:1')))
    arrived('app', image)
  })
}
Push('a registry that calls a blob or a manifest otherwise is not believed', async () => {
  await loadInto(image, name('app:1'))
  const wrong = { answerHeaders: { 'docker-content-digest': digestOf('wrong') } }
  proxy.fault = (passing) => (passing.method === 'PUT' && isBlobUpload(passing) ? wrong : undefined)
  const blob = await left('DigestMismatch', store.images.push(name('app:1')))
  assert.match(blob.what, /^blob sha256:\w+ in the registry$/)
  proxy.fault = ({ method, url }) => (method === 'PUT' && /manifests/.test(url) ? wrong : undefined)
  const manifest = await left('DigestMismatch', store.images.push(name('app:1')))
  assert.is(manifest.actual, digestOf('wrong'))
})
Push('a manifest is sent again after a status 500', async () => {
  await loadInto(image, name('app:1'))
  first(2, ({ method, url }) => method === 'PUT' && /manifests/.test(url), { status: 500 })
  await right(store.images.push(name('app:1')))
  arrived('app', image)
})
Push('an abort before the start is Cancelled', async () => {
  await loadInto(image, name('app:1'))
  await left('Cancelled', store.images.push(name('app:1'), { signal: AbortSignal.abort() }))
  assert.is(proxy.requests.length, 0)
})
Push('a location that leads from TLS to plain HTTP, or nowhere, is refused', async () => {
  await loadInto(image, name('app:1'))
  proxy.fault = ({ method }) =>
    method === 'POST' ? { status: 202, headers: { location: 'http://192.0.2.1/x' } } : undefined
  assert.match(
    (await left('RegistryFailed', store.images.push(name('app:1')))).why,
    /refusing http:\/\/192\.0\.2\.1/,
  )
  proxy.fault = ({ method }) => (method === 'POST' ? { status: 202 } : undefined)
  assert.match((await left('RegistryFailed', store.images.push(name('app:1')))).why, /does not say where/)
})

Push('what points at another document is in the list of its referrers, once', async () => {
  await loadInto(image, name('app:1'))
  await right(store.images.push(name('app:1')))
  const pointing = (annotation: string): BuiltImage => {
    const manifest = JSON.parse(image.blobs.get(image.target.digest)?.toString() ?? '')
    const bytes = Buffer.from(
      JSON.stringify({
        ...manifest,
        artifactType: 'application/test',
        subject: image.target,
        annotations: { annotation },
      }),
    )
    const target = { ...image.target, digest: digestOf(bytes), size: bytes.length }
    return { ...image, target, blobs: new Map(image.blobs).set(target.digest, bytes) }
  }
  const [one, two] = [pointing('one'), pointing('two')]
  await loadInto(one, name('app:one'))
  await loadInto(two, name('app:two'))
  for (const tag of ['one', 'two', 'one']) await right(store.images.push(name(`app:${tag}`)))
  const found = await right(store.images.referrers(name('app:1')))
  assert.equal(
    found.map(({ digest, artifactType, annotations }) => [digest, artifactType, annotations.annotation]),
    [
      [one.target.digest, 'application/test', 'one'],
      [two.target.digest, 'application/test', 'two'],
    ],
  )
  // A registry that says it has seen the subject keeps the list itself.
  const puts = proxy.count('PUT', /manifests/)
  proxy.fault = ({ method, url }) =>
    method === 'PUT' && url.includes('/manifests/')
      ? { answerHeaders: { 'oci-subject': image.target.digest } }
      : undefined
  await loadInto(pointing('three'), name('app:three'))
  await right(store.images.push(name('app:three')))
  assert.is(proxy.count('PUT', /manifests/), puts + 1)
})

/** What may happen to any request. */
const MISHAPS: readonly Spoiled[] = [
  { dropAfter: 0 },
  { dropAfter: 200_000 },
  { loseAnswer: true },
  { status: 500 },
  { status: 503 },
  { status: 429, headers: { 'retry-after': '0' } },
  { status: 404 },
  { status: 401, headers: { 'www-authenticate': 'Basic realm="x"' } },
]
for (const seed of [1, 2, 3, 4, 5, 6, 7, 8]) {
  Push(
    `mishaps at random, ${seed}: every push ends whole or with what was wrong, and the last one is whole`,
    async () => {
      await loadInto(image, name('app:1'))
      let state = seed
      const draw = (below: number): number => {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0
        return Math.floor((state / 2 ** 32) * below)
      }
      proxy.fault = () => (draw(seed + 3) === 0 ? MISHAPS[draw(MISHAPS.length)] : undefined)
      const images = seed % 2 === 0 ? store.images : inParts(MiB)
      for (let turn = 0; turn < 4; turn++) {
        const result = await images.push(name('app:1'))()
        if (result._tag === 'Right') {
          proxy.fault = () => undefined
          return arrived('app', image)
        }
        assert.ok(['RegistryFailed', 'ImageIncomplete'].includes(result.left._tag), message(result.left))
      }
      proxy.fault = () => undefined
      await right(images.push(name('app:1')))
      arrived('app', image)
    },
  )
}

Push('a round trip through skopeo loses nothing', async () => {
  const layout = path.join(folder, 'layout')
  writeFiles(layout, layoutFiles([[index, 'x']]))
  for (const format of ['oci', 'v2s2']) {
    registry.push(`oci:${layout}:x`, `trip:${format}`, '--all', '--format', format)
    const raw = execFileSync('skopeo', [
      'inspect',
      '--raw',
      '--tls-verify=false',
      `docker://${registry.host}/trip:${format}`,
    ])
    for (const architecture of ['amd64', 'arm64'])
      await right(store.images.pull(name(`trip:${format}`), { platform: { os: 'linux', architecture } }))
    await right(store.images.tag(name(`trip:${format}`), name(`back:${format}`)))
    const [pushed] = await right(store.images.push(name(`back:${format}`)))
    assert.is(pushed?.digest, digestOf(raw))
    const back = execFileSync('skopeo', [
      'inspect',
      '--raw',
      '--tls-verify=false',
      `docker://${registry.host}/back:${format}`,
    ])
    assert.ok(back.equals(raw))
    execFileSync('skopeo', [
      'copy',
      '-q',
      '--all',
      '--src-tls-verify=false',
      `docker://${registry.host}/back:${format}`,
      `dir:${path.join(folder, `dir-${format}`)}`,
    ])
  }
})

Push.run()
