// Credentials: which are sent, to whom, and to whom never.
import { createServer, type Server } from 'node:http'
import fc from 'fast-check'
import { parseChallenges } from '../../src/adapters/registry-auth.ts'
import type { Credential } from '../../src/adapters/registry-credentials.ts'
import { isLoopback } from '../../src/adapters/registry-errors.ts'
import { hint } from '../../src/model/errors.ts'
import { type FaultRegistry, startFaultRegistry } from '../support/fault-registry.ts'
import { buildImage } from '../support/image-builder.ts'
import { left, right, type TestStore, testStore } from '../support/image-store.ts'
import { listen, stopListening } from '../support/loopback.ts'
import { assert, suite } from '../support/suite.ts'

const Auth = suite('adapters/registry-auth')
const image = buildImage()
const USER = `Basic ${Buffer.from('me:secret').toString('base64')}`
const ME: Credential = { kind: 'password', username: 'me', password: 'secret' }

const opened: (() => void | Promise<void>)[] = []
Auth.afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close()
})
const serve = async (): Promise<FaultRegistry> => {
  const registry = await startFaultRegistry({ 'app:1': image })
  opened.push(registry.stop)
  return registry
}
const openStore = (credential?: Credential): TestStore => {
  const store = testStore({ registry: { retryMs: 1, credentials: async () => credential, env: {} } })
  opened.push(store.remove)
  return store
}
/** A second server on another port, which records what it is sent. */
const other = async (answer: (url: string) => { status: number; body: Uint8Array | string }) => {
  const seen: { url: string; authorization: string | undefined }[] = []
  const server: Server = createServer((request, response) => {
    seen.push({ url: request.url ?? '', authorization: request.headers.authorization })
    const { status, body } = answer(request.url ?? '')
    response.writeHead(status).end(body)
  })
  opened.push(() => stopListening(server))
  return { seen, origin: `http://${await listen(server)}` }
}

Auth('a challenge is read with its parameters, quoted or not', () => {
  assert.equal(
    parseChallenges(
      'Bearer realm="https://a/t?x=1,2",service=reg.example,scope="repository:a/b:pull,push", Basic realm="x \\"y\\""',
    ).map(({ scheme, parameters }) => [scheme, { ...parameters }]),
    [
      ['bearer', { realm: 'https://a/t?x=1,2', service: 'reg.example', scope: 'repository:a/b:pull,push' }],
      ['basic', { realm: 'x "y"' }],
    ],
  )
  assert.equal(parseChallenges(''), [])
  assert.equal(
    parseChallenges('Negotiate').map(({ scheme }) => scheme),
    ['negotiate'],
  )
})

Auth('whatever the header, the answer is a list; what was written in it is read from it', () => {
  const name = fc.stringMatching(/^[a-zA-Z][\w-]{0,10}$/)
  const value = fc.string({ maxLength: 20 })
  const quote = (text: string): string => `"${text.replace(/["\\]/g, (char) => `\\${char}`)}"`
  fc.assert(
    fc.property(
      name,
      fc.uniqueArray(fc.tuple(name, value), { selector: ([key]) => key.toLowerCase() }),
      (scheme, pairs) => {
        const header = `${scheme} ${pairs.map(([key, text]) => `${key}=${quote(text)}`).join(', ')}`
        const [only, ...more] = parseChallenges(header)
        assert.equal(more, [])
        assert.is(only?.scheme, scheme.toLowerCase())
        assert.equal(
          { ...only?.parameters },
          Object.fromEntries(pairs.map(([key, text]) => [key.toLowerCase(), text])),
        )
      },
    ),
    { numRuns: 500 },
  )
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.string({ unit: 'binary' })), (header) => {
      const started = performance.now()
      for (const { scheme, parameters } of parseChallenges(header.repeat(50)))
        assert.ok(scheme === scheme.toLowerCase() && Object.getPrototypeOf(parameters) === null)
      assert.ok(performance.now() - started < 1000)
    }),
    { numRuns: 500 },
  )
})

const challenge = (registry: FaultRegistry, header: string, accepted: string): void => {
  registry.fault = (request, response) => {
    if (request.headers.authorization === accepted) return false
    response.writeHead(401, { 'www-authenticate': header }).end()
    return true
  }
}

Auth('an anonymous token is fetched once and used for everything', async () => {
  const registry = await serve()
  const tokens = await other(() => ({ status: 200, body: '{"token":"t0k"}' }))
  challenge(registry, `Bearer realm="${tokens.origin}/token",service="reg"`, 'Bearer t0k')
  await right(openStore().images.pull(`${registry.host}/app:1`))
  assert.equal(tokens.seen, [
    { url: '/token?service=reg&scope=repository%3Aapp%3Apull', authorization: undefined },
  ])
})
Auth('credentials go to the token server, and the token to the registry', async () => {
  const registry = await serve()
  const tokens = await other(() => ({ status: 200, body: '{"access_token":"t0k"}' }))
  challenge(registry, `Bearer realm="${tokens.origin}/token",scope="repository:app:pull"`, 'Bearer t0k')
  await right(openStore(ME).images.pull(`${registry.host}/app:1`))
  assert.is(tokens.seen[0]?.authorization, USER)
  assert.not(registry.requests.some(({ headers }) => headers.authorization === USER))
})
Auth('basic credentials are sent only after they were asked for', async () => {
  const registry = await serve()
  challenge(registry, 'Basic realm="x"', USER)
  await right(openStore(ME).images.pull(`${registry.host}/app:1`))
  assert.is(registry.requests[0]?.headers.authorization, undefined)
})
Auth('without credentials a private image is access denied, with advice', async () => {
  const registry = await serve()
  challenge(registry, 'Basic realm="x"', USER)
  const error = await left('RegistryFailed', openStore().images.pull(`${registry.host}/app:1`))
  assert.is(error.status, 401)
  assert.match(hint(error) ?? '', /config\.json/)
})
Auth('wrong credentials are access denied, not an endless loop', async () => {
  const registry = await serve()
  challenge(registry, 'Basic realm="x"', 'Basic other')
  assert.is((await left('RegistryFailed', openStore(ME).images.pull(`${registry.host}/app:1`))).status, 401)
  assert.is(registry.requests.length, 2)
})
for (const [what, answer] of [
  ['refuses', { status: 403, body: '' }],
  ['gives no token', { status: 200, body: '{}' }],
  ['gives no JSON', { status: 200, body: '<html>' }],
  ['gives a token with a line break', { status: 200, body: '{"token":"a\\r\\nX: y"}' }],
] as const) {
  Auth(`a token server that ${what} is the error`, async () => {
    const registry = await serve()
    const tokens = await other(() => answer)
    challenge(registry, `Bearer realm="${tokens.origin}/token"`, 'Bearer x')
    const error = await left('RegistryFailed', openStore().images.pull(`${registry.host}/app:1`))
    assert.is(`http://${error.registry}`, tokens.origin)
  })
}
for (const [realm, why] of [
  ['', /does not say where/],
  ['nonsense', /does not say where/],
  ['http://192.0.2.1/token', /refusing http:/],
] as const) {
  Auth(`the realm ${JSON.stringify(realm)} is refused`, async () => {
    const registry = await serve()
    challenge(registry, `Bearer realm="${realm}"`, 'Bearer x')
    assert.match((await left('RegistryFailed', openStore(ME).images.pull(`${registry.host}/app:1`))).why, why)
  })
}

Auth('a redirect to another server takes no credentials along', async () => {
  const registry = await serve()
  const layer = image.layers[0]?.digest ?? ''
  const blobs = await other(() => ({
    status: 200,
    body: [...image.blobs].find(([digest]) => digest === layer)?.[1] ?? '',
  }))
  registry.fault = (request, response) => {
    if (request.headers.authorization !== USER) {
      response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end()
      return true
    }
    if (!request.url?.endsWith(layer)) return false
    response.writeHead(307, { location: `${blobs.origin}/elsewhere?signature=1` }).end()
    return true
  }
  await right(openStore(ME).images.pull(`${registry.host}/app:1`))
  assert.equal(blobs.seen, [{ url: '/elsewhere?signature=1', authorization: undefined }])
})
Auth('a redirect on the same server keeps them', async () => {
  const registry = await serve()
  const layer = image.layers[0]?.digest ?? ''
  registry.fault = (request, response) => {
    if (request.headers.authorization !== USER) {
      response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end()
      return true
    }
    if (request.url !== `/v2/app/blobs/${layer}`) return false
    response.writeHead(302, { location: `/v2/moved/blobs/${layer}` }).end()
    return true
  }
  await right(openStore(ME).images.pull(`${registry.host}/app:1`))
  assert.is(registry.count(/moved/), 1)
})

for (const [host, expected] of [
  ['localhost', true],
  ['LOCALHOST', true],
  ['127.0.0.1', true],
  ['127.255.0.9', true],
  ['::1', true],
  ['[::1]', true],
  ['127.0.0.1.evil.example', false],
  ['128.0.0.1', false],
  ['localhost.example', false],
  ['0.0.0.0', false],
  ['::2', false],
] as const) {
  Auth(`${host} is ${expected ? '' : 'not '}loopback`, () => {
    assert.is(isLoopback(host), expected)
  })
}
Auth.run()
