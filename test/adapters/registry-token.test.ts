// A real registry that wants tokens, and who gets them: pull and push, expiry in the middle, logins.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { RegistryOptions } from '../../src/adapters/registry.ts'
import { mergeScopes } from '../../src/adapters/registry-auth.ts'
import { retryAfter } from '../../src/adapters/registry-session.ts'
import type { Images } from '../../src/engine/images-verbs.ts'
import { type FaultProxy, startFaultProxy } from '../support/fault-proxy.ts'
import { buildImage, layoutFiles } from '../support/image-builder.ts'
import { left, right, type TestStore, testStore } from '../support/image-store.ts'
import { type RunningRegistry, startRegistry } from '../support/registry.ts'
import { assert, suite } from '../support/suite.ts'
import { tarOf } from '../support/tar-builder.ts'
import { startTokenServer, type TokenServer } from '../support/token-server.ts'

const Token = suite('adapters/registry-token')
Token.requires('program:docker-registry', 'program:openssl')

const image = buildImage({
  layers: [[{ name: 'big', data: Buffer.alloc(3_000_000, 'x') }]],
  compression: 'none',
})
let tokens: TokenServer
let registry: RunningRegistry
let proxy: FaultProxy
let store: TestStore
let folder = ''
Token.before(async () => {
  tokens = await startTokenServer()
  registry = await startRegistry({ auth: tokens.auth })
})
Token.after(async () => {
  await registry.stop()
  await tokens.stop()
})
Token.beforeEach(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'slipway-docker-'))
  proxy = await startFaultProxy(registry.host)
  store = testStore()
  Object.assign(tokens, { life: 300, toldLife: undefined, identity: undefined, denied: () => false })
  tokens.asked.length = 0
  const tar = tarOf(layoutFiles([[image, undefined]]))
  async function* stream() {
    yield tar
  }
  await right(store.images.load({ stream: stream() }, { name: name('me/app:1') }))
})
Token.afterEach(async () => {
  store.remove()
  await proxy.stop()
  registry.clear()
  rmSync(folder, { recursive: true, force: true })
})
const name = (rest: string): string => `${proxy.host}/${rest}`
const as = (more: RegistryOptions = {}): Images =>
  store.other({
    registry: { retryMs: 1, idleMs: 2000, registries: {}, env: { DOCKER_CONFIG: folder }, ...more },
  })
const me = async () => ({ kind: 'password', username: 'me', password: 'secret' }) as const

Token('a push asks once, for pull and push, and comes through', async () => {
  await right(as({ credentials: me }).push(name('me/app:1')))
  assert.equal(
    tokens.asked.map(({ url }) => url.searchParams.getAll('scope')),
    [['repository:me/app:pull,push']],
  )
  assert.is(tokens.asked[0]?.url.searchParams.get('account'), 'me')
  await right(as().pull(name('me/app:1')))
})
Token('nobody may push, and is told to log in', async () => {
  const error = await left('RegistryFailed', as().push(name('me/app:1')))
  assert.is(error.status, 401)
  assert.match(error.hint ?? '', /slipway login 127\.0\.0\.1:\d+/)
  assert.equal(registry.unfinished(), [])
})
Token('a mount asks for the neighbour, too, and without the right to it the blob is sent', async () => {
  const images = as({ credentials: me })
  await right(images.push(name('me/app:1')))
  await right(images.tag(name('me/app:1'), name('me/copy:1')))
  await right(images.push(name('me/copy:1')))
  const scopes = tokens.asked.flatMap(({ url }) => url.searchParams.getAll('scope'))
  assert.ok(scopes.includes('repository:me/app:pull'))
  tokens.denied = (scope) => scope === 'repository:me/app:pull' || scope === 'repository:me/copy:pull'
  const other = as({ credentials: me })
  await right(other.tag(name('me/app:1'), name('me/third:1')))
  await right(other.push(name('me/third:1')))
})
Token('a token that ends in the middle of a transfer is changed for a new one', async () => {
  // The registry allows a minute of leeway: so the answer is what it would be after that.
  let refused = 0
  proxy.fault = ({ method, request }) => {
    if (method !== 'PATCH' || refused > 1) return undefined
    refused++
    const header = `Bearer realm="${tokens.realm}",service="registry.test",scope="repository:me/app:pull,push",error="invalid_token"`
    request.resume()
    return { status: 401, headers: { 'www-authenticate': header } }
  }
  const images = as({ credentials: me, registries: { [proxy.host]: { chunkSize: 1_000_000 } } })
  refused = 1
  await right(images.push(name('me/app:1')))
  assert.is(refused, 2)
  assert.is(tokens.asked.length, 2)
  await right(as().pull(name('me/app:1')))
})
Token('a pull that is refused in the middle gets a new token and goes on', async () => {
  await right(as({ credentials: me }).push(name('me/app:1')))
  await right(store.images.remove(name('me/app:1')))
  tokens.asked.length = 0
  let refused = 0
  const header = `Bearer realm="${tokens.realm}",service="registry.test",scope="repository:me/app:pull"`
  proxy.fault = ({ method, url }) =>
    method === 'GET' && /blobs/.test(url) && refused++ === 0
      ? { status: 401, headers: { 'www-authenticate': header } }
      : undefined
  await right(as().pull(name('me/app:1')))
  assert.ok(refused > 1)
  assert.is(tokens.asked.length, 2)
})
Token('a token near its end is changed before it is refused', async () => {
  tokens.toldLife = 0.001
  await right(as({ credentials: me }).push(name('me/app:1')))
  assert.ok(tokens.asked.length > 3)
  const unauthorized = proxy.requests.filter(({ headers }) => headers.authorization === undefined)
  assert.is(unauthorized.length, 1)
})
Token('a login proves the password, keeps it, and opens the registry; a logout closes it', async () => {
  const images = as()
  const done = await right(images.login(proxy.host, { username: 'me', password: 'secret' }))
  assert.equal(done, { registry: proxy.host, where: `${folder}/config.json`, plain: true })
  assert.is(tokens.asked[0]?.url.searchParams.get('offline_token'), 'true')
  await right(images.push(name('me/app:1')))
  assert.is(await right(images.logout(proxy.host)), true)
  await right(images.tag(name('me/app:1'), name('me/app:2')))
  assert.is((await left('RegistryFailed', images.push(name('me/app:2')))).status, 401)
  assert.is(await right(images.logout(proxy.host)), false)
})
Token('a login with a wrong password keeps nothing', async () => {
  const error = await left('RegistryFailed', as().login(proxy.host, { username: 'me', password: 'wrong' }))
  assert.is(error.status, 401)
  assert.is(error.why, 'it refuses this user name and password')
  assert.throws(() => readFileSync(`${folder}/config.json`), /ENOENT/)
})
Token('a login where nothing is a registry fails', async () => {
  await left('InvalidOption', as().login('not a host', { username: 'me', password: 'x' }))
  await left('InvalidOption', as().login(proxy.host, { username: 'a:b', password: 'x' }))
  await left('RegistryFailed', as().login('127.0.0.1:1', { username: 'me', password: 'x' }))
})
Token('an identity token is kept in place of the password, and exchanged for tokens', async () => {
  tokens.identity = 'very-long'
  const images = as()
  await right(images.login(proxy.host, { username: 'me', password: 'secret' }))
  const kept = readFileSync(`${folder}/config.json`, 'utf8')
  assert.match(kept, /very-long/)
  assert.not.match(kept, new RegExp(Buffer.from('me:secret').toString('base64')))
  tokens.asked.length = 0
  await right(images.push(name('me/app:1')))
  const [asked] = tokens.asked
  assert.is(asked?.method, 'POST')
  assert.is(asked?.form.get('grant_type'), 'refresh_token')
  assert.is(asked?.form.get('refresh_token'), 'very-long')
  assert.is(asked?.form.get('scope'), 'repository:me/app:pull,push')
  assert.is(asked?.authorization, undefined)
})
Token('what is sent to a place of its own for uploads has no token with it', async () => {
  const seen: (string | undefined)[] = []
  const other = await startFaultProxy(registry.host)
  try {
    other.fault = ({ request }) => {
      seen.push(request.headers.authorization)
      return { status: 403 }
    }
    proxy.fault = ({ method }) =>
      method === 'POST' ? { status: 202, headers: { location: `http://${other.host}/up` } } : undefined
    await left('RegistryFailed', as({ credentials: me }).push(name('me/app:1')))
    assert.ok(seen.length > 0)
    assert.ok(seen.every((header) => header === undefined))
  } finally {
    await other.stop()
  }
})

Token('scopes of one resource become one', () => {
  assert.equal(mergeScopes(['repository:a:pull', 'repository:b:pull', 'repository:a:push,pull', 'x']), [
    'repository:a:pull,push',
    'repository:b:pull',
  ])
})
for (const [header, expected] of [
  [undefined, undefined],
  ['3', 3000],
  ['999999', 20_000],
  ['Thu, 01 Jan 1970 00:00:05 GMT', 4000],
  ['Thu, 01 Jan 1970 00:00:00 GMT', 0],
  ['soon', undefined],
] as const) {
  Token(`Retry-After ${header} is ${expected} ms`, () => {
    assert.is(retryAfter(header, 1000), expected)
  })
}
Token.run()
