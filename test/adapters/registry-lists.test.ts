// What registries list: tags over pages, referrers by both ways, repositories by a word.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { digestOf, hexOf } from '../../src/model/digest.ts'
import { message } from '../../src/model/errors.ts'
import { OCI_INDEX, OCI_MANIFEST } from '../../src/model/media-type.ts'
import { buildImage, layoutFiles } from '../support/image-builder.ts'
import { left, right, type TestStore, testStore } from '../support/image-store.ts'
import { listen, stopListening } from '../support/loopback.ts'
import { type RunningRegistry, startRegistry } from '../support/registry.ts'
import { assert, suite } from '../support/suite.ts'
import { tarOf } from '../support/tar-builder.ts'

const Lists = suite('adapters/registry-lists')
const Real = suite('adapters/registry-lists/real')
Real.requires('program:docker-registry')

let store: TestStore
let host = ''
let answer: (url: string, request: IncomingMessage, response: ServerResponse) => void = () => {}
const asked: { url: string; authorization: string | undefined }[] = []
const server = createServer((request, response) => {
  asked.push({ url: request.url ?? '', authorization: request.headers.authorization })
  answer(request.url ?? '', request, response)
})
Lists.before(async () => {
  host = await listen(server)
})
Lists.after(() => stopListening(server))
for (const tests of [Lists, Real]) {
  tests.beforeEach(() => {
    store = testStore()
    asked.length = 0
  })
  tests.afterEach(() => store.remove())
}
const json = (response: ServerResponse, value: unknown, headers: object = {}, status = 200): void =>
  void response
    .writeHead(status, { ...headers })
    .end(typeof value === 'string' ? value : JSON.stringify(value))

Lists('tags come from every page, each once', async () => {
  answer = (url, _, response) => {
    const last = /last=(\w+)/.exec(url)?.[1]
    const next = { undefined: 'b', b: 'd', d: undefined }[String(last)]
    const tags = { undefined: ['a', 'b'], b: ['c', 'd', 'b'], d: null }[String(last)]
    const link = next === undefined ? {} : { link: `</v2/app/tags/list?n=2&last=${next}>; rel="next"` }
    json(response, { name: 'app', tags }, link)
  }
  assert.equal(await right(store.images.tags(`${host}/app`)), ['a', 'b', 'c', 'd'])
  assert.is(asked.length, 3)
})
for (const [what, value, link, why] of [
  ['goes round in circles', { tags: ['a'] }, '</v2/app/tags/list?n=1000>; rel="next"', /does not end/],
  [
    'leads to another host',
    { tags: ['a'] },
    '<http://192.0.2.1/v2/>; rel="next"',
    /next page .* is elsewhere/,
  ],
  ['leads nowhere', { tags: ['a'] }, '<http://>; rel="next"', /next page .* is elsewhere/],
  ['is no JSON', '<html>', '', /no JSON/],
  ['is a number', '5', '', /no JSON/],
  ['is none', { tags: 'a' }, '', /has no tags/],
  ['has what is no tag', { tags: ['a', '\u001b[31m'] }, '', /which is none/],
] as const) {
  Lists(`a list of tags that ${what} is refused`, async () => {
    answer = (_url, _request, response) => json(response, value, link === '' ? {} : { link })
    const error = await left('RegistryFailed', store.images.tags(`${host}/app`))
    assert.match(error.why, why)
    assert.not.match(message(error), /[^\x20-\x7e]/)
  })
}
Lists('a repository that is not there is no such image', async () => {
  answer = (_url, _request, response) => json(response, '{}', {}, 404)
  const error = await left('ImageNotFound', store.images.tags(`${host}/nothing`))
  assert.is(error.reference, `${host}/nothing`)
})

const subject = digestOf('subject')
const referrer = (name: string, artifactType: string) => ({
  mediaType: OCI_MANIFEST,
  digest: digestOf(name),
  size: 7,
  artifactType,
  annotations: { name },
})
const listed = (...manifests: readonly object[]) => ({ schemaVersion: 2, mediaType: OCI_INDEX, manifests })
Lists(
  'referrers come from the API, over pages, and are filtered here where the registry does not',
  async () => {
    answer = (url, _, response) =>
      url.includes('page=2')
        ? json(response, listed(referrer('b', 'application/b'), referrer('c', 'application/a')))
        : json(response, listed(referrer('a', 'application/a')), {
            link: `</v2/app/referrers/${subject}?page=2>; rel="next"`,
          })
    const name = `${host}/app@${subject}`
    assert.equal(
      (await right(store.images.referrers(name))).map(({ annotations }) => annotations.name),
      ['a', 'b', 'c'],
    )
    const some = await right(store.images.referrers(name, { artifactType: 'application/a' }))
    assert.equal(
      some.map(({ digest }) => digest),
      [digestOf('a'), digestOf('c')],
    )
    assert.ok(asked.some(({ url }) => url.includes('artifactType=application%2Fa')))
  },
)
Lists('without the API they come from the tag that stands for it; without that there are none', async () => {
  answer = (url, _, response) =>
    url === `/v2/app/manifests/sha256-${hexOf(subject)}`
      ? json(response, listed(referrer('a', 'application/a')), { 'content-type': OCI_INDEX })
      : json(response, '{}', {}, 404)
  const [found] = await right(store.images.referrers(`${host}/app@${subject}`))
  assert.equal(found, {
    digest: digestOf('a'),
    mediaType: OCI_MANIFEST,
    sizeBytes: 7,
    annotations: { name: 'a' },
    artifactType: 'application/a',
  })
  answer = (_url, _request, response) => json(response, '{}', {}, 404)
  assert.equal(await right(store.images.referrers(`${host}/app@${subject}`)), [])
})
Lists('a list of referrers that is none is refused', async () => {
  answer = (_url, _request, response) => json(response, { manifests: 5 })
  await left('InvalidSpec', store.images.referrers(`${host}/app@${subject}`))
})

Lists('where there is no list of repositories, a search in the form of old is asked', async () => {
  answer = (url, _, response) =>
    url.startsWith('/v1/search')
      ? json(response, {
          results: [
            { name: 'me/debian', description: 'mine', star_count: 3, is_official: false },
            { name: 'NOT A NAME' },
            { name: 'debian' },
          ],
        })
      : json(response, '{}', {}, 404)
  assert.equal(await right(store.images.search(`${host}/deb`, { limit: 3 })), {
    by: 'search',
    repositories: [
      { name: `${host}/me/debian`, description: 'mine', stars: 3, official: false },
      { name: `${host}/debian` },
    ],
  })
  assert.ok(asked.some(({ url }) => url === '/v1/search?q=deb&n=3'))
})
Lists('a registry that offers neither says so', async () => {
  answer = (_url, _request, response) => json(response, '{}', {}, 404)
  const error = await left('Unsupported', store.images.search(`${host}/deb`))
  assert.is(
    message(error),
    `search in ${host}: not supported: it lists its repositories to nobody and has no search of its own`,
  )
})
Lists('a search without a word is refused before anything is asked', async () => {
  await left('InvalidOption', store.images.search(''))
  assert.is(asked.length, 0)
})

let registry: RunningRegistry
Real.before(async () => {
  registry = await startRegistry()
})
Real.after(() => registry.stop())
const image = buildImage()
const pushed = async (...names: readonly string[]): Promise<void> => {
  const tar = tarOf(layoutFiles([[image, undefined]]))
  async function* stream() {
    yield tar
  }
  const [first = '', ...others] = names.map((name) => `${registry.host}/${name}`)
  await right(store.images.load({ stream: stream() }, { name: first }))
  for (const other of others) await right(store.images.tag(first, other))
  for (const name of [first, ...others]) await right(store.images.push(name))
}
Real('tags, repositories and referrers of a real registry', async () => {
  await pushed('web/app:1', 'web/app:2', 'web/other:1', 'db:1')
  assert.equal([...(await right(store.images.tags(`${registry.host}/web/app`)))].sort(), ['1', '2'])
  await left('ImageNotFound', store.images.tags(`${registry.host}/nothing`))
  assert.equal(await right(store.images.search(`${registry.host}/WEB`)), {
    by: 'catalog',
    repositories: [{ name: `${registry.host}/web/app` }, { name: `${registry.host}/web/other` }],
  })
  assert.is((await right(store.images.search(`${registry.host}/`, { limit: 1 }))).repositories.length, 1)
  // This one knows no referrers API: an index under the tag is what others leave there.
  const index = Buffer.from(
    JSON.stringify(
      listed({ ...referrer('x', 'application/sbom'), ...image.target, artifactType: 'application/sbom' }),
    ),
  )
  const tag = `sha256-${hexOf(image.target.digest)}`
  const put = await fetch(`http://${registry.host}/v2/web/app/manifests/${tag}`, {
    method: 'PUT',
    headers: { 'content-type': OCI_INDEX },
    body: index,
  })
  assert.is(put.status, 201)
  const found = await right(store.images.referrers(`${registry.host}/web/app:1`))
  assert.equal(
    found.map(({ artifactType }) => artifactType),
    ['application/sbom'],
  )
})

Lists.run()
Real.run()
