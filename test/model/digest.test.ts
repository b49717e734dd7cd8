// Digests and chainIDs, against the specification's own definitions.
import { createHash } from 'node:crypto'
import * as E from '#fp/Either'
import {
  algorithmOf,
  chainIds,
  digestOf,
  hasher,
  hexOf,
  parseDigest,
  shortDigest,
} from '../../src/model/digest.ts'
import { assert, suite } from '../support/suite.ts'

const DigestSuite = suite('model/digest')
const EMPTY = 'sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'

DigestSuite('the digest of nothing is the well-known one', () => {
  assert.is(digestOf(''), EMPTY)
})
DigestSuite('pieces give the digest of the whole', () => {
  const pieces = hasher()
  pieces.update(Buffer.from('ab'))
  pieces.update(Buffer.from('c'))
  assert.is(pieces.digest(), digestOf('abc'))
})
DigestSuite('sha512 is accepted with its own length', () => {
  const digest = digestOf('x', 'sha512')
  assert.equal(parseDigest(digest), E.right(digest))
  assert.is(algorithmOf(digest), 'sha512')
  assert.is(hexOf(digest).length, 128)
})
DigestSuite('the short form has twelve digits and no algorithm', () => {
  assert.is(shortDigest(digestOf('')), 'e3b0c44298fc')
})
for (const text of [
  '',
  'sha256',
  ':00',
  'sha256:',
  'sha256:zz',
  `sha256:${'0'.repeat(63)}`,
  `sha256:${'F'.repeat(64)}`,
  `sha256:${'0'.repeat(65)}`,
  `sha1:${'0'.repeat(40)}`,
  `${EMPTY}\n`,
]) {
  DigestSuite(`${JSON.stringify(text.slice(0, 24))} of ${text.length} characters is no digest`, () => {
    assert.ok(E.isLeft(parseDigest(text)))
  })
}
DigestSuite('the chainID of one layer is its diffID, and each next one covers all below', () => {
  const [a, b, c] = ['a', 'b', 'c'].map((text) => digestOf(text))
  if (!a || !b || !c) throw new Error('unreachable')
  const sha = (text: string) => `sha256:${createHash('sha256').update(text).digest('hex')}`
  const two = sha(`${a} ${b}`)
  assert.equal(chainIds([a, b, c]), [a, two, sha(`${two} ${c}`)])
  assert.equal(chainIds([]), [])
})
DigestSuite.run()
