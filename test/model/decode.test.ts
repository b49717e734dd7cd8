// The decoder library: types, ranges, paths of what is wrong.
import * as E from '#fp/Either'
import {
  array,
  boolean,
  check,
  type Decoder,
  finite,
  firstRepeated,
  integer,
  object,
  oneOf,
  optional,
  record,
  show,
  text,
} from '../../src/model/decode.ts'
import { assert, suite } from '../support/suite.ts'

const Decode = suite('model/decode')
const right = <A>(decoder: Decoder<A>, value: unknown): A => {
  const result = decoder(value)
  if (E.isRight(result)) return result.right
  throw new Error(`${result.left.where} ${result.left.why}`)
}
const left = (decoder: Decoder<unknown>, value: unknown): string => {
  const result = decoder(value)
  if (E.isRight(result)) throw new Error('decoded')
  return `${result.left.where}: ${result.left.why}`
}

const point = object({ x: integer(0, 9), y: optional(integer()), name: optional(text) })

Decode('values of the right type pass', () => {
  assert.is(right(text, 'a'), 'a')
  assert.is(right(boolean, false), false)
  assert.is(right(integer(0, 5), 5), 5)
  assert.is(right(integer(0, 5), 3n), 3)
  assert.is(right(finite, 0.5), 0.5)
  assert.is(right(oneOf('a', 'b'), 'b'), 'b')
  assert.equal(right(array(text), ['a']), ['a'])
  assert.equal(right(record(integer()), { a: 1 }), { a: 1 })
})

const wrong: readonly (readonly [what: string, decoder: Decoder<unknown>, value: unknown, want: string])[] = [
  ['a number for a text', text, 5, ': expected a string'],
  ['a text with NUL', text, 'a\0b', ': contains a NUL character'],
  ['a text for a boolean', boolean, 'true', ': expected true or false'],
  ['a fraction for a whole number', integer(), 1.5, ': expected a whole number'],
  ['a text for a whole number', integer(), '5', ': expected a whole number'],
  ['a number out of range', integer(0, 5), 6, ': is not between 0 and 5'],
  ['a bigint out of range', integer(0, 5), 2n ** 70n, ': is not between 0 and 5'],
  ['infinity for a number', finite, Number.POSITIVE_INFINITY, ': expected a number'],
  ['another word', oneOf('a', 'b'), 'c', ': expected one of a, b'],
  ['an object for an array', array(text), {}, ': expected an array'],
  ['a wrong item', array(text), ['a', 1], '[1]: expected a string'],
  ['an array for an object', point, [], ': expected an object'],
  ['null for an object', point, null, ': expected an object'],
  ['a missing field', point, {}, '.x: is required'],
  ['null for a field that must be there', point, { x: null }, '.x: is required'],
  ['a wrong field', point, { x: 10 }, '.x: is not between 0 and 9'],
  ['a wrong optional field', point, { x: 1, y: 'a' }, '.y: expected a whole number'],
  ['a wrong entry under an odd key', record(text), { 'a b': 1 }, '["a b"]: expected a string'],
  ['a wrong entry under a plain key', record(text), { ab: 1 }, '.ab: expected a string'],
  ['an array for a map', record(text), [], ': expected an object'],
  [
    'something wrong deep inside',
    array(object({ p: array(point) })),
    [{ p: [{ x: 1 }, { x: -1 }] }],
    '[0].p[1].x: is not between 0 and 9',
  ],
  ['a failed check', check(text, () => 'is bad'), 'a', ': is bad'],
  ['a wrong type before a check', check(text, () => 'is bad'), 1, ': expected a string'],
]
for (const [what, decoder, value, want] of wrong) {
  Decode(`${what} is refused at ${want}`, () => assert.is(left(decoder, value), want))
}

Decode('optional fields that are null or undefined are absent from the result', () => {
  assert.equal(Object.keys(right(point, { x: 1, y: null, name: undefined })), ['x'])
})

Decode('fields that nobody named are ignored', () => {
  assert.equal(right(point, { x: 1, z: 5 }), { x: 1 })
})

Decode('an inherited property is not a field of the document', () => {
  assert.is(left(object({ toString: text }), {}), '.toString: is required')
})

Decode('a shown value is short, whatever it is', () => {
  const loop: Record<string, unknown> = {}
  loop.loop = loop
  assert.equal([show('a'), show(5n), show(undefined), show(loop)], ['"a"', '5', 'undefined', 'object'])
  assert.is(show('x'.repeat(100)).length, 61)
})

Decode('the first repeated item is found by its key', () => {
  assert.is(
    firstRepeated(['a', 'b', 'a', 'b'], (item) => item),
    2,
  )
  assert.is(
    firstRepeated(['a', 'b'], (item) => item),
    -1,
  )
})

Decode.run()
