// How a registry is reached: certificates from folders and settings, proxies, mirrors, and what insecure allows.
import { copyFileSync, mkdirSync, rmSync } from 'node:fs'
import { createServer, type IncomingMessage } from 'node:http'
import { connect, type Socket } from 'node:net'
import path from 'node:path'
import type { RegistryOptions } from '../../src/adapters/registry.ts'
import { openPlaces } from '../../src/adapters/registry-places.ts'
import { proxyFor } from '../../src/adapters/registry-proxy.ts'
import { readRegistries } from '../../src/adapters/registry-settings.ts'
import type { Images } from '../../src/engine/images-verbs.ts'
import { message, SlipwayError } from '../../src/model/errors.ts'
import { decodeRegistriesFile } from '../../src/model/registry-settings.ts'
import { type Authority, makeAuthority } from '../support/certificates.ts'
import { expectMessage, expectRight } from '../support/either.ts'
import { type FaultRegistry, startFaultRegistry } from '../support/fault-registry.ts'
import { buildImage, layoutFiles } from '../support/image-builder.ts'
import { left, OWN_REGISTRY, right, type TestStore, testStore } from '../support/image-store.ts'
import { listen, stopListening } from '../support/loopback.ts'
import { type RunningRegistry, startRegistry } from '../support/registry.ts'
import { assert, suite } from '../support/suite.ts'
import { tarOf } from '../support/tar-builder.ts'

const Pure = suite('adapters/registry-connections/pure')
const Tls = suite('adapters/registry-connections/tls')
Tls.requires('program:docker-registry', 'program:openssl')
const Places = suite('adapters/registry-connections/places')

// --- which proxy

const env = { https_proxy: 'proxy.example:3128', HTTP_PROXY: 'http://u:p%40@other.example:80' }
for (const [url, noProxy, expected] of [
  ['https://reg.example/', '', 'http://proxy.example:3128/'],
  ['http://reg.example/', '', 'http://u:p%40@other.example/'],
  ['https://127.0.0.1:5000/', '', undefined],
  ['https://localhost/', '', undefined],
  ['https://[::1]:5000/', '', undefined],
  ['https://reg.example/', '*', undefined],
  ['https://reg.example/', 'example', undefined],
  ['https://reg.example/', 'x.y, .example', undefined],
  ['https://example/', '.example', 'http://proxy.example:3128/'],
  ['https://notexample/', 'example', 'http://proxy.example:3128/'],
  ['https://reg.example:5000/', 'reg.example:5000', undefined],
  ['https://reg.example:5001/', 'reg.example:5000', 'http://proxy.example:3128/'],
  ['https://reg.example/', 'reg.example:443', undefined],
  ['https://10.1.2.3/', '10.0.0.0/8', undefined],
  ['https://11.1.2.3/', '10.0.0.0/8', 'http://proxy.example:3128/'],
  ['https://11.1.2.3/', '10.0.0.0/99', 'http://proxy.example:3128/'],
  ['https://[fd00::1]/', 'fd00::/8', undefined],
  ['https://[fd00::1]/', 'fd00::1', undefined],
] as const) {
  Pure(
    `${url} with NO_PROXY=${noProxy} goes ${expected === undefined ? 'directly' : `through ${expected}`}`,
    () => {
      assert.is(proxyFor(new URL(url), { ...env, NO_PROXY: noProxy })?.href, expected)
    },
  )
}
Pure('what is no proxy is an error that names the variable, without a password', () => {
  for (const [value, why] of [
    ['socks5://u:secret@x:1', /HTTPS_PROXY: .*socks5:\/\/ is not supported/],
    ['http://:', /HTTPS_PROXY: .*it is no URL/],
  ] as const) {
    try {
      proxyFor(new URL('https://reg.example'), { HTTPS_PROXY: value })
      assert.unreachable()
    } catch (error) {
      assert.match(String((error as Error).message), why)
      assert.not.match(String((error as Error).message), /secret/)
    }
  }
})

// --- the file

Pure('settings of registries are read by host', () => {
  const text = JSON.stringify({
    'docker.io': { mirrors: ['mirror.example', 'cache.example:5000/hub/x'] },
    'reg.lan:5000': { insecure: true, chunkSize: '5MiB' },
  })
  assert.equal(expectRight(decodeRegistriesFile(text, 'f')), {
    'docker.io': {
      mirrors: [
        { registry: 'mirror.example', prefix: '' },
        { registry: 'cache.example:5000', prefix: 'hub/x/' },
      ],
    },
    'reg.lan:5000': { insecure: true, chunkSize: 5 * 1024 * 1024 },
  })
})
for (const [text, expected] of [
  ['{', 'f: $: it is not JSON'],
  ['[]', 'f: $: expected an object'],
  ['{"debian":{}}', 'f: $.debian: is not a host, as in a reference'],
  ['{"index.docker.io":{}}', 'f: $["index.docker.io"]: is called docker.io here'],
  ['{"a.b":{"insecur":true}}', 'f: $["a.b"].insecur: no such field; did you mean insecure?'],
  ['{"a.b":{"insecure":"yes"}}', 'f: $["a.b"].insecure: expected true or false'],
  ['{"a.b":{"mirrors":["http://x"]}}', /^f: \$\["a\.b"\]\.mirrors\[0\]: /],
  ['{"a.b":{"mirrors":["word"]}}', 'f: $["a.b"].mirrors[0]: expected host[:port] or host[:port]/path'],
  ['{"a.b":{"ca":"x.pem"}}', 'f: $["a.b"].ca: must be an absolute path'],
  ['{"a.b":{"clientKey":"/x"}}', 'f: $["a.b"]: clientCertificate and clientKey need each other'],
  ['{"a.b":{"chunkSize":0}}', 'f: $["a.b"].chunkSize: must be 1 or more'],
] as const) {
  Pure(`the settings ${text} are refused by file and field`, () => {
    const found = expectMessage(decodeRegistriesFile(text, 'f'))
    if (typeof expected === 'string') assert.is(found, expected)
    else assert.match(found, expected)
  })
}
Pure('a file that is named has to be there', async () => {
  try {
    await readRegistries({ SLIPWAY_REGISTRIES: '/nonexistent/registries.json' })
    assert.unreachable()
  } catch (error) {
    assert.match(String(error), /ENOENT/)
  }
})

// --- TLS

const image = buildImage()
let authority: Authority
let registry: RunningRegistry
let guarded: RunningRegistry
let store: TestStore
Tls.before(async () => {
  authority = makeAuthority()
  const { cert: certificate, key } = authority.issue('server', 'IP:127.0.0.1', 'DNS:registry.test')
  registry = await startRegistry({ http: { tls: { certificate, key } } })
  guarded = await startRegistry({ http: { tls: { certificate, key, clientcas: [authority.ca] } } })
  authority.issue('client')
  authority.issue('stranger')
})
Tls.after(async () => {
  await registry.stop()
  await guarded.stop()
  rmSync(authority.folder, { recursive: true, force: true })
})
Tls.beforeEach(() => {
  store = testStore()
})
Tls.afterEach(() => {
  store.remove()
  rmSync(certs(), { recursive: true, force: true })
})
const certs = (): string => path.join(authority.folder, 'certs.d')
const put = (host: string, files: Readonly<Record<string, string>>): void => {
  mkdirSync(path.join(certs(), host), { recursive: true })
  for (const [name, from] of Object.entries(files)) copyFileSync(from, path.join(certs(), host, name))
}
const as = (more: RegistryOptions = {}): Images =>
  store.other({ registry: { ...OWN_REGISTRY, certificateFolders: [certs()], ...more } })
const loadInto = async (full: string): Promise<void> => {
  const tar = tarOf(layoutFiles([[image, undefined]]))
  async function* stream() {
    yield tar
  }
  await right(store.images.load({ stream: stream() }, { name: full }))
}
const roundTrip = async (images: Images, full: string): Promise<void> => {
  await loadInto(full)
  await right(images.push(full))
  await right(images.remove(full))
  assert.is((await right(images.pull(full))).digest, image.target.digest)
}
const at = (name: string): string => path.join(authority.folder, name)

Tls('without its authority a registry is not trusted', async () => {
  const error = await left('RegistryFailed', as().pull(`${registry.host}/app:1`))
  assert.is(error.why, 'its certificate is not trusted')
  assert.match(error.hint ?? '', /certs\.d\/127\.0\.0\.1:\d+/)
})
Tls('an authority in a folder of the registry is trusted', async () => {
  put(registry.host, { 'ca.crt': authority.ca })
  await roundTrip(as(), `${registry.host}/app:1`)
})
Tls('an authority of the settings is trusted, in one registry alone', async () => {
  const images = as({ registries: { [registry.host]: { ca: authority.ca } } })
  await roundTrip(images, `${registry.host}/app:1`)
  await left('RegistryFailed', images.pull(`${guarded.host}/app:1`))
})
Tls('a further authority does not take the place of those of NODE_EXTRA_CA_CERTS', async () => {
  const other = makeAuthority()
  try {
    put(registry.host, { 'other.crt': other.ca })
    await left('RegistryFailed', as().pull(`${registry.host}/app:1`))
    await roundTrip(as({ env: { NODE_EXTRA_CA_CERTS: authority.ca } }), `${registry.host}/app:1`)
  } finally {
    rmSync(other.folder, { recursive: true, force: true })
  }
})
Tls('an insecure registry need not be trusted', async () => {
  await roundTrip(as({ registries: { [registry.host]: { insecure: true } } }), `${registry.host}/app:1`)
})
Tls('a registry that wants a certificate gets that of its folder, or of the settings', async () => {
  put(guarded.host, { 'ca.crt': authority.ca })
  const refused = await left('RegistryFailed', as().pull(`${guarded.host}/app:1`))
  assert.match(`${refused.why} ${refused.hint}`, /refuses our side of the TLS handshake .*NAME\.cert/)
  put(guarded.host, { 'client.cert': at('client.pem'), 'client.key': at('client.key') })
  await roundTrip(as(), `${guarded.host}/app:1`)
  const rules = { ca: authority.ca, clientCertificate: at('client.pem'), clientKey: at('client.key') }
  await roundTrip(
    as({ registries: { [guarded.host]: rules }, certificateFolders: [] }),
    `${guarded.host}/app:2`,
  )
})
for (const [what, files, why] of [
  [
    'a certificate without its key',
    { 'client.cert': 'client.pem' },
    /client\.cert: \$: its key client\.key is missing/,
  ],
  [
    'a key without its certificate',
    { 'client.key': 'client.key' },
    /client\.key: \$: its certificate client\.cert is missing/,
  ],
  ['an authority that is none', { 'ca.crt': 'client.key' }, /ca\.crt: \$: it is no certificate in PEM form/],
  [
    'a key of another certificate',
    { 'c.cert': 'client.pem', 'c.key': 'stranger.key' },
    /c\.key: \$: it cannot be used/,
  ],
] as const) {
  Tls(`${what} is an error that names the file`, async () => {
    put(registry.host, Object.fromEntries(Object.entries(files).map(([name, from]) => [name, at(from)])))
    const error = await left('InvalidSpec', as().pull(`${registry.host}/app:1`))
    assert.match(message(error), why)
  })
}

/** A proxy of HTTP/1.1 that takes every name for this machine. */
const startProxy = async (port: string, wanted?: string) => {
  const seen: { readonly method: string; readonly url: string }[] = []
  const isWanted = (request: IncomingMessage): boolean =>
    wanted === undefined || request.headers['proxy-authorization'] === wanted
  const server = createServer((request, response) => {
    seen.push({ method: request.method ?? '', url: request.url ?? '' })
    response.writeHead(isWanted(request) ? 404 : 407).end()
  })
  server.on('connect', (request: IncomingMessage, socket: Socket) => {
    seen.push({ method: 'CONNECT', url: request.url ?? '' })
    if (!isWanted(request)) return socket.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n')
    const onward = connect(Number(port), '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 Connection Established\r\n\r\n')
      onward.pipe(socket)
      socket.pipe(onward)
    })
    for (const each of [socket, onward]) each.on('error', () => [socket, onward].map((one) => one.destroy()))
    return undefined
  })
  return { seen, host: await listen(server), stop: () => stopListening(server) }
}

Tls('a registry is reached through a tunnel of the proxy, with its own certificate', async () => {
  const wanted = `Basic ${Buffer.from('me:p@ss').toString('base64')}`
  const [, port = ''] = registry.host.split(':')
  const proxy = await startProxy(port, wanted)
  try {
    const rules = { 'registry.test:7777': { ca: authority.ca } }
    const images = as({ registries: rules, env: { HTTPS_PROXY: `http://me:p%40ss@${proxy.host}` } })
    await roundTrip(images, 'registry.test:7777/app:1')
    assert.ok(proxy.seen.every(({ method, url }) => method === 'CONNECT' && url === 'registry.test:7777'))
    const refused = await left(
      'RegistryFailed',
      as({ registries: rules, env: { HTTPS_PROXY: `http://${proxy.host}` } }).pull(
        'registry.test:7777/app:1',
      ),
    )
    assert.is(message(refused), `proxy ${proxy.host}: HTTP 407: it demands a user and a password`)
  } finally {
    proxy.stop()
  }
})
Tls('a proxy that is away is the error, not the registry', async () => {
  const images = as({ env: { https_proxy: 'http://127.0.0.1:1' } })
  const error = await left('RegistryFailed', images.pull('registry.test/app:1'))
  assert.is(message(error), 'proxy 127.0.0.1:1: connection refused')
})

// --- mirrors, and plain HTTP

const opened: (() => void | Promise<void>)[] = []
Places.beforeEach(() => {
  store = testStore()
  opened.push(store.remove)
})
Places.afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close()
})
const serve = async (images: Parameters<typeof startFaultRegistry>[0]): Promise<FaultRegistry> => {
  const served = await startFaultRegistry(images)
  opened.push(served.stop)
  return served
}
const mirrored = (own: FaultRegistry, ...mirrors: readonly string[]): Images =>
  store.other({
    registry: {
      ...OWN_REGISTRY,
      registries: {
        [own.host]: {
          mirrors: mirrors.map((mirror) => {
            const [registryHost = '', prefix] = mirror.split(/\/(.*)/)
            return { registry: registryHost, prefix: prefix === undefined ? '' : `${prefix}/` }
          }),
        },
      },
    },
  })

Places('what a mirror has is taken from it, under the name of its registry', async () => {
  const own = await serve({ 'app:1': image })
  const mirror = await serve({ 'hub/app:1': image })
  const images = mirrored(own, `${mirror.host}/hub`)
  const pulled = await right(images.pull(`${own.host}/app:1`))
  assert.is(pulled.reference, `${own.host}/app:1`)
  assert.is(own.requests.length, 0)
  assert.ok(mirror.count(/^\/v2\/hub\/app\/blobs/) > 0)
})
for (const [what, status] of [
  ['does not have it', 404],
  ['says no', 403],
  ['has a problem', 500],
] as const) {
  Places(`a mirror that ${what} is passed over`, async () => {
    const own = await serve({ 'app:1': image })
    const mirror = await serve({})
    mirror.fault = (_, response) => {
      response.writeHead(status).end()
      return true
    }
    await right(mirrored(own, mirror.host).pull(`${own.host}/app:1`))
    assert.ok(mirror.requests.length > 0)
  })
}
Places('a mirror that is away, and one whose manifest is wrong, are passed over', async () => {
  const own = await serve({ 'app:1': image })
  const liar = await serve({ 'app:1': image })
  liar.fault = (request, response) => {
    if (!request.url?.includes('/manifests/')) return false
    response.writeHead(200, { 'docker-content-digest': image.target.digest }).end('{}')
    return true
  }
  await right(mirrored(own, '127.0.0.1:1', liar.host).pull(`${own.host}/app:1`))
  assert.ok(own.count(/manifests/) > 0)
})
Places('a blob that breaks off at the mirror goes on at the registry', async () => {
  const large = buildImage({
    layers: [[{ name: 'a', data: Buffer.alloc(2_000_000, 'x') }]],
    compression: 'none',
  })
  const digest = large.layers[0]?.digest ?? ''
  const own = await serve({ 'app:1': large })
  const mirror = await serve({ 'app:1': large })
  mirror.fault = (request, response, seen) => {
    if (!request.url?.endsWith(digest)) return false
    if (seen > 0) response.writeHead(404).end()
    else {
      response.writeHead(200, { 'content-length': large.layers[0]?.size ?? 0 })
      response.write([...large.blobs].find(([key]) => key === digest)?.[1].subarray(0, 500_000), () =>
        response.destroy(),
      )
    }
    return true
  }
  await right(mirrored(own, mirror.host).pull(`${own.host}/app:1`))
  const [asked] = own.requests.filter(({ url }) => url.endsWith(digest))
  assert.match(asked?.headers.range ?? '', /^bytes=[1-9]/)
})
Places('a mirror that is away is left alone for a minute, and then asked again', async () => {
  let now = 0
  const rules = { 'reg.lan': { mirrors: [{ registry: 'mirror.lan', prefix: '' }] } }
  const places = openPlaces(
    async () => rules,
    () => now,
  )
  const reference = { registry: 'reg.lan', repository: 'app', tag: '1' }
  const asked = async () => (await places.of(reference)).map(({ registry: host }) => host)
  const [mirror = reference] = await places.of(reference)
  const problem = { _tag: 'RegistryFailed', registry: 'mirror.lan', why: 'x' } as const
  assert.is(places.gaveUp(mirror, new SlipwayError({ ...problem, status: 500 })), true)
  assert.equal(await asked(), ['mirror.lan', 'reg.lan'])
  assert.is(places.gaveUp(mirror, new SlipwayError(problem)), true)
  assert.equal(await asked(), ['reg.lan'])
  now = 60_000
  assert.equal(await asked(), ['mirror.lan', 'reg.lan'])
  assert.is(places.gaveUp(mirror, new SlipwayError({ _tag: 'Cancelled', what: 'x', why: 'y' })), false)
})
Places('what no place has is no such image, as its registry says it', async () => {
  const own = await serve({})
  const mirror = await serve({})
  const error = await left('ImageNotFound', mirrored(own, mirror.host).pull(`${own.host}/app:1`))
  assert.is(error.reference, `${own.host}/app:1`)
})

Places('plain HTTP off this machine wants an insecure registry', async () => {
  const proxy = await startProxy('1')
  opened.push(proxy.stop)
  const via = (registries: RegistryOptions['registries']) =>
    store.other({
      registry: {
        ...OWN_REGISTRY,
        idleMs: 500,
        env: { http_proxy: proxy.host },
        registries: registries ?? {},
      },
    })
  const plain = { 'reg.invalid:5000': { insecure: true } }
  await left('ImageNotFound', via(plain).pull('reg.invalid:5000/app:1'))
  // Through a proxy a plain request has the whole address.
  assert.equal(proxy.seen.at(-1), { method: 'GET', url: 'http://reg.invalid:5000/v2/app/manifests/1' })
  const before = proxy.seen.length
  const error = await left('RegistryFailed', via({}).pull('reg.invalid:5000/app:1'))
  assert.is(error.why, 'no such host')
  assert.is(proxy.seen.length, before)
})

Pure.run()
Tls.run()
Places.run()
