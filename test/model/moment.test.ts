// Moments as people and logs write them.
import fc from 'fast-check'
import * as E from '#fp/Either'
import { formatRfc3339, msOfNs, nsOfMs, parseMoment, parseRfc3339 } from '../../src/model/moment.ts'
import { assert, suite } from '../support/suite.ts'

const Moment = suite('model/moment')

const NOW = 1_700_000_000_000_000_000n
const parsed = (text: string | number | bigint): bigint | undefined => {
  const moment = parseMoment(text, NOW, 'since')
  return E.isRight(moment) ? moment.right : undefined
}

for (const [text, ns] of [
  ['2026-01-02T03:04:05Z', 1_767_323_045_000_000_000n],
  ['2026-01-02T03:04:05.000000001Z', 1_767_323_045_000_000_001n],
  ['2026-01-02T04:04:05.5+01:00', 1_767_323_045_500_000_000n],
  ['2026-01-02t03:04:05z', 1_767_323_045_000_000_000n],
  ['1136073845', 1_136_073_845_000_000_000n],
  ['1136073845.000000001', 1_136_073_845_000_000_001n],
  ['1136073845.5', 1_136_073_845_500_000_000n],
  ['-1.5', -1_500_000_000n],
  ['10m', NOW - 600_000_000_000n],
  ['1h30m', NOW - 5_400_000_000_000n],
  ['1ms', NOW - 1_000_000n],
  ['2026-01-02T03:04Z', 1_767_323_040_000_000_000n],
] as const)
  Moment(`${text} is a moment`, () => assert.is(parsed(text), ns))

Moment('a time without a zone is ours, whatever of it is left out', () => {
  const local = (text: string): bigint => BigInt(Date.parse(text)) * 1_000_000n
  assert.is(parsed('2026-01-02'), local('2026-01-02T00:00:00'))
  assert.is(parsed('2026-01-02T03'), local('2026-01-02T03:00:00'))
  assert.is(parsed('2026-01-02T03:04:05.25'), local('2026-01-02T03:04:05.250'))
})

Moment('a number is seconds, a bigint nanoseconds', () => {
  assert.is(parsed(1.5), 1_500_000_000n)
  assert.is(parsed(17n), 17n)
})

for (const text of ['', 'yesterday', '10x', '2026-13-01T00:00:00Z', '2026-01-02 03', 'm', '1e9'])
  Moment(`${JSON.stringify(text)} is none, and the option is named`, () => {
    const moment = parseMoment(text, NOW, 'until')
    assert.ok(E.isLeft(moment))
    if (E.isLeft(moment)) assert.equal([moment.left.option, moment.left.value], ['until', text])
  })

Moment('what is printed is read back, to the nanosecond', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: -(10n ** 18n), max: 4n * 10n ** 18n }), (ns) => {
      assert.is(parseRfc3339(formatRfc3339(ns)), ns)
    }),
  )
})

Moment('milliseconds and nanoseconds are the same moments', () => {
  assert.is(nsOfMs(1.5), 1_500_000n)
  assert.is(msOfNs(1_767_323_045_123_456_789n), 1_767_323_045_123)
})

Moment.run()
