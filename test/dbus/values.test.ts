// Values and messages of D-Bus as bytes and back, and what is not one.
import fc from 'fast-check'
import { decodeValues } from '../../src/dbus/decode.ts'
import { encodeValues } from '../../src/dbus/encode.ts'
import { decodeMessage, encodeCall, MAX_MESSAGE_BYTES, messageSize } from '../../src/dbus/message.ts'
import { DbusFormatError, parseSignature } from '../../src/dbus/signature.ts'
import type { DbusValue } from '../../src/model/unit-property.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('dbus/values')
const RUNS = Number(process.env.SLIPWAY_FUZZ_RUNS ?? 300)

const back = (signature: string, values: readonly DbusValue[]): readonly DbusValue[] => {
  const bytes = encodeValues(signature, values)
  const { values: read, end } = decodeValues(signature, bytes, true)
  assert.is(end, bytes.length)
  return read
}
const refuses = (body: () => unknown, why: RegExp): void =>
  assert.throws(body, (error: unknown) => error instanceof DbusFormatError && why.test(error.message))
const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex')

test('values lie where the specification puts them', () => {
  for (const [signature, values, bytes] of [
    ['y', [7], '07'],
    ['b', [true], '01000000'],
    ['yu', [1, 2], '01 000000 02000000'],
    ['s', ['foo'], '03000000 666f6f00'],
    ['g', ['as'], '02 617300'],
    ['n', [-2], 'feff'],
    ['t', [2n ** 64n - 1n], 'ffffffffffffffff'],
    ['x', [-1n], 'ffffffffffffffff'],
    ['yd', [1, 1.5], '01 00000000000000 000000000000f83f'],
    // The array's length does not count what is before its first element.
    ['at', [[5n]], '08000000 00000000 0500000000000000'],
    ['at', [[]], '00000000 00000000'],
    ['v', [{ signature: 'u', value: 9 }], '01 7500 00 09000000'],
    ['(yv)', [[1, { signature: 's', value: '' }]], '01 01 7300 00000000 00'],
    ['a{sy}', [[['a', 1]]], '07000000 00000000 01000000 6100 01'],
  ] as const)
    assert.equal(encodeValues(signature, values as readonly DbusValue[]), hex(bytes), signature)
})

test('the other byte order is read, too', () => {
  assert.equal(decodeValues('uqt', hex('01020304 0506 0000 0000000000000007'), false).values, [
    0x01020304,
    0x0506,
    7n,
  ])
})

test('what is written is read', () => {
  const leaf = fc.oneof(
    fc.boolean().map((value) => ['b', value] as const),
    fc.integer({ min: 0, max: 255 }).map((value) => ['y', value] as const),
    fc.integer().map((value) => ['i', value] as const),
    fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map((value) => ['t', value] as const),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map((value) => ['x', value] as const),
    fc.double({ noNaN: true }).map((value) => ['d', value] as const),
    fc
      .string({ unit: 'grapheme' })
      .filter((text) => !text.includes('\0') && !/[\ud800-\udfff]/u.test(text))
      .map((value) => ['s', value] as const),
  )
  const typed = fc.letrec<{ value: readonly [string, DbusValue] }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      leaf as fc.Arbitrary<readonly [string, DbusValue]>,
      fc
        .tuple(tie('value'), fc.nat(3))
        .map(([[signature, value], count]): readonly [string, DbusValue] => [
          `a${signature}`,
          Array.from({ length: count }, () => value),
        ]),
      fc
        .array(tie('value'), { minLength: 1, maxLength: 3 })
        .map((members): readonly [string, DbusValue] => [
          `(${members.map(([signature]) => signature).join('')})`,
          members.map(([, value]) => value),
        ]),
      tie('value').map(([signature, value]): readonly [string, DbusValue] => ['v', { signature, value }]),
    ),
  })).value
  fc.assert(
    fc.property(fc.array(typed, { maxLength: 4 }), (all) => {
      const signature = all.map(([each]) => each).join('')
      if (signature.length > 255) return
      const values = all.map(([, value]) => value)
      assert.equal(back(signature, values), values)
    }),
    { numRuns: RUNS },
  )
})

test('signatures are refused that are none', () => {
  for (const [signature, why] of [
    ['a', /ends in the middle/],
    ['(i', /ends in the middle/],
    ['()', /an empty struct/],
    [')', /no type/],
    ['{si}', /no type/],
    ['a{vs}', /no basic type/],
    ['a{s}', /no type "\}"/],
    ['a{sii}', /has two types/],
    ['z', /no type "z"/],
    ['i'.repeat(256), /longer than 255/],
    [`${'a'.repeat(33)}i`, /too deeply/],
    [`${'('.repeat(33)}i${')'.repeat(33)}`, /too deeply/],
    ['constructor', /no type/],
  ] as const)
    refuses(() => parseSignature(signature), why)
  assert.is(parseSignature(`${'a'.repeat(32)}i`).length, 1)
})

test('values are refused that are not of their type', () => {
  for (const [signature, value, why] of [
    ['y', 256, /256 is no y/],
    ['y', 1.5, /is no y/],
    ['u', -1, /-1 is no u/],
    ['i', 2 ** 31, /is no i/],
    ['u', Number.NaN, /NaN is no u/],
    ['t', 5, /5 is no t/],
    ['t', -1n, /-1 is no t/],
    ['x', 2n ** 63n, /is no x/],
    ['s', 'a\0b', /no text/],
    ['s', 5, /no text/],
    ['b', 1, /neither true nor false/],
    ['as', 'abc', /no list/],
    ['(ii)', [1], /another number of members/],
    ['v', 5, /no variant/],
    ['v', { signature: 'ii', value: 5 }, /not one complete type/],
  ] as const)
    refuses(() => encodeValues(signature, [value as DbusValue]), why)
  refuses(() => encodeValues('ii', [1]), /1 values/)
})

test('bytes are refused that are no values', () => {
  for (const [signature, bytes, why] of [
    ['u', '010000', /ends behind the message/],
    ['yu', '01 000100 02000000', /padding that is not zero/],
    ['b', '02000000', /a boolean of 2/],
    ['s', '03000000 666f6f01', /without a NUL/],
    ['s', '03000000 66006f00', /a NUL in it/],
    ['s', '01000000 ff00', /no UTF-8/],
    ['s', 'ffffffff 00', /ends behind the message/],
    ['g', '01 7a00', /no type "z"/],
    ['v', '02 696900 00000000', /not one complete type/],
    ['v', '00 00', /not one complete type/],
    ['au', 'ffffffff', /an array of 4294967295 bytes/],
    ['au', '08000000 01000000', /an array ends behind/],
    ['au', '03000000 01000000', /an array ends inside/],
  ] as const)
    refuses(() => decodeValues(signature, hex(bytes), true), why)
})

test('variants in variants end somewhere', () => {
  refuses(() => decodeValues('v', Buffer.from('\x01v\0'.repeat(100), 'latin1'), true), /too deeply/)
})

test('random bytes are values or refused', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.boolean(), (bytes, little) => {
      for (const signature of ['a{sv}', 'yyyyuua(yv)', 'v', '(sgo)', 'aas']) {
        try {
          const { end } = decodeValues(signature, Buffer.from(bytes), little)
          assert.ok(end <= bytes.length)
        } catch (error) {
          assert.instance(error, DbusFormatError)
        }
      }
    }),
    { numRuns: RUNS },
  )
})

const CALL = { path: '/a/b', interface: 'x.Y', member: 'Do', signature: 'su', values: ['hi', 5] } as const

test('a call is a message, and says where to', () => {
  const bytes = encodeCall({ ...CALL, destination: 'org.x' }, 3)
  assert.is(messageSize(bytes), bytes.length)
  assert.is(messageSize(bytes.subarray(0, 15)), undefined)
  assert.is(messageSize(bytes.subarray(0, 16)), bytes.length)
  const { kind, serial, path, interface: of, member, values } = decodeMessage(bytes)
  assert.equal([kind, serial, path, of, member, values], ['call', 3, '/a/b', 'x.Y', 'Do', ['hi', 5]])
})

test('a body begins on a boundary of its own', () => {
  for (const member of ['D', 'Do', 'DoIt', 'DoThat', 'DoNothing'])
    assert.equal(decodeMessage(encodeCall({ ...CALL, member, signature: 't', values: [1n] }, 1)).values, [1n])
})

test('damaged messages are read or refused, and nothing else happens', () => {
  const whole = encodeCall(CALL, 9)
  fc.assert(
    fc.property(
      fc.nat(whole.length - 1),
      fc.integer({ min: 0, max: 255 }),
      fc.nat(whole.length),
      (at, byte, size) => {
        for (const bytes of [Buffer.from(whole), Buffer.from(whole.subarray(0, size))]) {
          if (at < bytes.length) bytes[at] = byte
          try {
            messageSize(bytes)
            decodeMessage(bytes)
          } catch (error) {
            assert.instance(error, DbusFormatError)
          }
        }
      },
    ),
    { numRuns: RUNS },
  )
})

test('messages are refused that cannot be', () => {
  const changed = (at: number, ...bytes: readonly number[]): Buffer => {
    const message = encodeCall(CALL, 1)
    message.set(bytes, at)
    return message
  }
  refuses(() => messageSize(changed(0, 0x41)), /begins with 65/)
  refuses(() => messageSize(changed(3, 2)), /protocol 2/)
  refuses(() => messageSize(changed(4, 0, 0, 0, 2)), /a message of \d+ bytes/)
  assert.ok(MAX_MESSAGE_BYTES < 2 ** 25)
  refuses(() => decodeMessage(changed(8, 0, 0, 0, 0)), /does not fit its message/)
  refuses(() => decodeMessage(encodeCall(CALL, 1).subarray(0, -1)), /does not fit its message/)
  // The path's field, as text.
  refuses(() => decodeMessage(changed(18, 0x73)), /path is of type s/)
})

test.run()
