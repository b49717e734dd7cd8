// Image references: which texts are names, and what they mean.
import fc from 'fast-check'
import * as E from '#fp/Either'
import {
  familiarName,
  familiarRepository,
  fullName,
  looksLikeId,
  parseReference,
  parseRegistry,
} from '../../src/model/reference.ts'
import { assert, suite } from '../support/suite.ts'

const Reference = suite('model/reference')
const HEX = 'a'.repeat(64)

const accepted: readonly (readonly [text: string, full: string, familiar: string])[] = [
  ['debian', 'docker.io/library/debian:latest', 'debian:latest'],
  ['debian:bookworm', 'docker.io/library/debian:bookworm', 'debian:bookworm'],
  ['library/debian', 'docker.io/library/debian:latest', 'debian:latest'],
  ['docker.io/debian', 'docker.io/library/debian:latest', 'debian:latest'],
  ['index.docker.io/me/app', 'docker.io/me/app:latest', 'me/app:latest'],
  ['user/app:tag', 'docker.io/user/app:tag', 'user/app:tag'],
  ['user/deep/er:1', 'docker.io/user/deep/er:1', 'user/deep/er:1'],
  ['localhost/x', 'localhost/x:latest', 'localhost/x:latest'],
  ['localhost:5000/x', 'localhost:5000/x:latest', 'localhost:5000/x:latest'],
  ['host:5000/a/b:c', 'host:5000/a/b:c', 'host:5000/a/b:c'],
  [`host:5000/a/b@sha256:${HEX}`, `host:5000/a/b@sha256:${HEX}`, `host:5000/a/b@sha256:${HEX}`],
  [`a:1@sha256:${HEX}`, `docker.io/library/a:1@sha256:${HEX}`, `a:1@sha256:${HEX}`],
  [`a@sha512:${HEX}${HEX}`, `docker.io/library/a@sha512:${HEX}${HEX}`, `a@sha512:${HEX}${HEX}`],
  ['[::1]:5000/x', '[::1]:5000/x:latest', '[::1]:5000/x:latest'],
  ['[2001:db8::1]/x/y:z', '[2001:db8::1]/x/y:z', '[2001:db8::1]/x/y:z'],
  ['127.0.0.1:5000/debian:bookworm', '127.0.0.1:5000/debian:bookworm', '127.0.0.1:5000/debian:bookworm'],
  [
    'registry.example/a__b/c-d--e.f:T_1.x-y',
    'registry.example/a__b/c-d--e.f:T_1.x-y',
    'registry.example/a__b/c-d--e.f:T_1.x-y',
  ],
  ['Host/x', 'Host/x:latest', 'Host/x:latest'],
  ['a.b', 'docker.io/library/a.b:latest', 'a.b:latest'],
]
for (const [text, full, familiar] of accepted) {
  Reference(`${text.slice(0, 40)} means ${full.slice(0, 40)}`, () => {
    const parsed = parseReference(text)
    if (E.isLeft(parsed)) throw new Error(parsed.left.why)
    assert.is(fullName(parsed.right), full)
    assert.is(familiarName(parsed.right), familiar)
  })
}

const refused: readonly (readonly [text: string, why: RegExp])[] = [
  ['', /empty/],
  ['Debian', /lower case/],
  ['a//b', /not a part/],
  ['/a', /not a part/],
  ['a/', /not a part/],
  ['a_-b', /not a part/],
  ['-a', /not a part/],
  ['a..b', /not a part/],
  ['a b', /not a part/],
  ['../etc', /not a host name|not a part/],
  ['a/../b', /not a part/],
  ['host:5000/', /no repository/],
  ['host:port/a', /not a host name/],
  ['-bad.host/a', /not a host name/],
  ['a:', /not a tag/],
  ['a:.x', /not a tag/],
  [`a:${'x'.repeat(129)}`, /not a tag/],
  ['a:b:c', /not a tag/],
  ['a@', /algorithm:hex/],
  ['a@md5:00', /not supported/],
  [`a@sha256:${'A'.repeat(64)}`, /lower-case/],
  ['a@sha256:00', /64/],
  [HEX, /image id/],
  [`h.x/${'a'.repeat(256)}`, /longer than 255/],
]
for (const [text, why] of refused) {
  Reference(`${JSON.stringify(text.slice(0, 40))} is refused, saying why`, () => {
    const parsed = parseReference(text)
    if (E.isRight(parsed)) throw new Error(`accepted as ${fullName(parsed.right)}`)
    assert.is(parsed.left.reference, text)
    assert.match(parsed.left.why, why)
  })
}

Reference('the full form of a reference reads back as the same reference', () => {
  for (const [text] of accepted) {
    const first = parseReference(text)
    if (E.isLeft(first)) throw new Error(text)
    assert.equal(parseReference(fullName(first.right)), first)
    assert.equal(parseReference(familiarName(first.right)), first)
  }
})

Reference('the familiar repository has neither tag nor digest', () => {
  const parsed = parseReference(`docker.io/library/debian:x@sha256:${HEX}`)
  if (E.isLeft(parsed)) throw new Error(parsed.left.why)
  assert.is(familiarRepository(parsed.right), 'debian')
})

Reference('hex digits can be the beginning of an image id, other words cannot', () => {
  assert.ok(looksLikeId('c0ffee'))
  assert.ok(looksLikeId(`sha256:${HEX}`))
  assert.not(looksLikeId('coffee:latest'))
  assert.not(looksLikeId('xyz'))
  assert.not(looksLikeId(''))
})

Reference('whatever the text, an answer: a reference that reads back as itself, or why it is none', () => {
  const word = fc.oneof(
    { weight: 5, arbitrary: fc.stringMatching(/^[a-z0-9]{1,6}([._-][a-z0-9]{1,3})?$/) },
    { weight: 1, arbitrary: fc.stringMatching(/^[A-Za-z0-9._-]{0,12}$/) },
  )
  const like = fc
    .tuple(
      fc.constantFrom('', 'localhost/', 'h.x:5000/', '[::1]:5000/', 'docker.io/', 'index.docker.io/', 'A/'),
      fc.array(word, { maxLength: 3 }),
      fc.constantFrom('', ':', ':1', ':latest', ':x:y'),
      fc.constantFrom('', '@', `@sha256:${HEX}`, '@sha256:00'),
    )
    .map(([host, path, tag, digest]) => `${host}${path.join('/')}${tag}${digest}`)
  let good = 0
  fc.assert(
    fc.property(fc.oneof(like, fc.string(), fc.string({ unit: 'binary' })), (text) => {
      const parsed = parseReference(text)
      if (E.isLeft(parsed)) return parsed.left.reference === text && parsed.left.why !== ''
      good++
      const { registry, repository, tag, digest } = parsed.right
      // Nothing of it can leave its place in an address.
      if (!/^[A-Za-z0-9.:[\]-]+$/.test(registry) || !/^[a-z0-9._/-]+$/.test(repository)) return false
      if (repository.includes('..') || repository.startsWith('/') || repository.endsWith('/')) return false
      if (tag === undefined && digest === undefined) return false
      return [fullName(parsed.right), familiarName(parsed.right)].every((form) => {
        const again = parseReference(form)
        return E.isRight(again) && fullName(again.right) === fullName(parsed.right)
      })
    }),
    { numRuns: 3000 },
  )
  assert.ok(good > 100, `only ${good} references`)
})

for (const [text, expected] of [
  ['docker.io', 'docker.io'],
  ['index.docker.io', 'docker.io'],
  ['https://index.docker.io/v1/', 'docker.io'],
  ['reg.example:5000', 'reg.example:5000'],
  ['https://reg.example/', 'reg.example'],
  ['localhost', 'localhost'],
  ['[::1]:5000', '[::1]:5000'],
  ['debian', undefined],
  ['reg.example/app', undefined],
  ['', undefined],
  ['a b.c', undefined],
] as const) {
  Reference(`${JSON.stringify(text)} names ${expected === undefined ? 'no registry' : expected}`, () => {
    assert.is(parseRegistry(text), expected)
  })
}

Reference.run()
