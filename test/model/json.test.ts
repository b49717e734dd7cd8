// JSON with 64-bit numbers: exact, and otherwise as JSON.parse has it.

import fc from 'fast-check'
import * as E from '#fp/Either'
import { formatJson, parseJson } from '../../src/model/json.ts'
import { assert, suite } from '../support/suite.ts'

const Json = suite('model/json')
const parse = (text: string): unknown => {
  const result = parseJson(text)
  if (E.isLeft(result)) throw new Error(result.left)
  return result.right
}

Json('a whole number beyond 2^53 is a bigint, exactly', () => {
  assert.equal(parse('{"hard": 18446744073709551615, "soft": -9223372036854775808}'), {
    hard: 18446744073709551615n,
    soft: -9223372036854775808n,
  })
})

Json('a long number that fits stays a number', () => {
  assert.equal(parse('[9007199254740991, 1000000000000000]'), [9007199254740991, 1000000000000000])
})

Json('a long number in a string or a key stays text', () => {
  assert.equal(parse('{"18446744073709551615": "18446744073709551615", "a": "\\"18446744073709551615"}'), {
    '18446744073709551615': '18446744073709551615',
    a: '"18446744073709551615',
  })
})

Json('strings that look like our marks stay as they are', () => {
  const text = '["n18446744073709551615", "s", "n", "", 18446744073709551615, {"nx": "sx"}]'
  assert.equal(parse(text), ['n18446744073709551615', 's', 'n', '', 18446744073709551615n, { nx: 'sx' }])
})

Json('a long number with a fraction or an exponent stays a double', () => {
  assert.equal(parse('[1234567890123456.5, 1234567890123456e2]'), [1234567890123456.5, 1234567890123456e2])
})

Json('a text that is not JSON is refused, with or without long numbers', () => {
  for (const text of ['', '{', '{"a":1,}', '01234567890123456789', '[18446744073709551615', 'nul']) {
    const result = parseJson(text)
    assert.ok(E.isLeft(result) && result.left.startsWith('not JSON: '), text)
  }
})

Json('a key called __proto__ changes no prototype', () => {
  const value = parse('{"__proto__": {"a": 18446744073709551615}}')
  assert.ok(Object.hasOwn(value as object, '__proto__'))
  assert.is(Reflect.get(value as object, 'a'), undefined)
})

Json('any JSON is what JSON.parse makes of it, once a long number is in it', () => {
  fc.assert(
    fc.property(fc.json(), (json) => {
      const text = `[${json}, 18446744073709551615]`
      const [value, long] = parse(text) as unknown[]
      assert.is(long, 18446744073709551615n)
      assert.is(JSON.stringify(value), JSON.stringify(JSON.parse(json)))
    }),
  )
})

Json('data is written as JSON.stringify has it, and long numbers exactly', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      assert.is(formatJson(value), JSON.stringify(value))
    }),
  )
  assert.is(
    formatJson({ a: [18446744073709551615n, undefined], b: undefined }),
    '{"a":[18446744073709551615,null]}',
  )
})

Json.run()
