// Options that are asked for again are decoded once, and never given for others.
import * as E from '#fp/Either'
import { decodeOnce } from '../../src/model/decode-once.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('model/decode-once')

/** Counts how often it decodes; refuses what has a `wrong`. */
const counting = () => {
  const seen: unknown[] = []
  const decode = decodeOnce((options: unknown): E.Either<string, { readonly of: string }> => {
    seen.push(options)
    const text = JSON.stringify(options)
    return text?.includes('wrong') === true ? E.left(text) : E.right({ of: text ?? '' })
  })
  return { seen, decode }
}
const of = (result: E.Either<string, { readonly of: string }>): string =>
  E.isRight(result) ? result.right.of : result.left

test('the same plain values are decoded once, in whatever object they come', () => {
  const { seen, decode } = counting()
  const results = [1, 2, 3].map(() => decode({ memory: '1MiB', all: true, timeout: undefined, grace: null }))
  assert.is(seen.length, 1)
  assert.is(results[2], results[0])
})

test('another value, name, order or number of them is decoded anew', () => {
  const { decode } = counting()
  for (const options of [
    { a: 1, b: 2 },
    { a: 1, b: 3 },
    { a: 1, c: 3 },
    { c: 3, a: 1 },
    { c: 3 },
    { c: '3' },
    {},
    { c: 3, d: undefined, e: 1 },
  ])
    assert.is(of(decode(options)), JSON.stringify(options))
})

test('what holds an object may have changed inside and is never remembered', () => {
  const { seen, decode } = counting()
  const env: Record<string, string> = { A: '1' }
  const options = { env }
  assert.is(of(decode(options)), '{"env":{"A":"1"}}')
  env.A = '2'
  assert.is(of(decode(options)), '{"env":{"A":"2"}}')
  const changing: { cwd: string } = { cwd: '/a' }
  decode(changing)
  changing.cwd = '/b'
  assert.is(of(decode(changing)), '{"cwd":"/b"}')
  assert.is(seen.length, 4)
})

test('a refusal is not remembered, nor what is no object', () => {
  const { seen, decode } = counting()
  for (let again = 0; again < 2; again++) {
    assert.is(of(decode({ wrong: 1 })), '{"wrong":1}')
    decode(undefined)
    decode('text')
    decode(null)
  }
  assert.is(seen.length, 8)
})

test.run()
