// Sizes and durations: what is understood, what is refused, and that formatted values read back.

import fc from 'fast-check'
import * as E from '#fp/Either'
import {
  formatDuration,
  formatSize,
  MAX_DURATION_MS,
  parseDuration,
  parseSize,
} from '../../src/model/units.ts'
import { expectMessage, expectRight } from '../support/either.ts'
import { assert, suite } from '../support/suite.ts'

const Units = suite('model/units')

const sizes: readonly (readonly [written: string | number, bytes: number])[] = [
  [0, 0],
  [12345, 12345],
  ['0', 0],
  ['512', 512],
  ['1b', 1],
  ['1B', 1],
  ['64k', 65_536],
  ['64K', 65_536],
  ['64kb', 65_536],
  ['64KiB', 65_536],
  ['64m', 67_108_864],
  ['64MiB', 67_108_864],
  ['64 MB', 67_108_864],
  ['1.5g', 1_610_612_736],
  ['.5k', 512],
  ['1.0001k', 1024],
  ['2t', 2 ** 41],
  ['1p', 2 ** 50],
  [' 7k ', 7168],
]
for (const [written, bytes] of sizes) {
  Units(`the size ${JSON.stringify(written)} is ${bytes} bytes`, () => {
    assert.is(expectRight(parseSize(written, 'memory')), bytes)
  })
}

for (const written of [
  '',
  'm',
  '64x',
  '64mm',
  '-1',
  '-1m',
  '1e3',
  '1,5g',
  '0x10',
  '1 k b',
  '1..5g',
  'NaN',
  '64bb',
]) {
  Units(`the size ${JSON.stringify(written)} is refused by the name of its option`, () => {
    assert.is(
      expectMessage(parseSize(written, 'memory')),
      `memory: ${JSON.stringify(written)}: expected a size such as 64MiB, 1.5g or a number of bytes`,
    )
  })
}
for (const number of [-1, 1.5, Number.NaN, Number.NEGATIVE_INFINITY]) {
  Units(`the number ${number} is no size`, () => {
    assert.match(expectMessage(parseSize(number, 'memory')), 'expected a whole number of bytes, zero or more')
  })
}
for (const large of ['8192p', 2 ** 53, Number.POSITIVE_INFINITY]) {
  Units(`the size ${large} is too large`, () => {
    assert.match(expectMessage(parseSize(large, 'memory')), 'too large')
  })
}

const durations: readonly (readonly [written: string | number, ms: number])[] = [
  [0, 0],
  [2500, 2500],
  [0.5, 0.5],
  ['0', 0],
  ['150ms', 150],
  ['2s', 2000],
  ['1m30s', 90_000],
  ['1h', 3_600_000],
  ['1d', 86_400_000],
  ['1.5s', 1500],
  ['.5s', 500],
  ['250us', 0.25],
  ['250µs', 0.25],
  ['1h2m3s4ms', 3_723_004],
  [' 2s ', 2000],
]
for (const [written, ms] of durations) {
  Units(`the duration ${JSON.stringify(written)} is ${ms} ms`, () => {
    assert.is(expectRight(parseDuration(written, 'timeout')), ms)
  })
}

const refused: readonly (readonly [written: string | number, why: string])[] = [
  ['5', 'needs a unit: ms, s, m, h or d'],
  ['1.5', 'needs a unit: ms, s, m, h or d'],
  ['', 'expected a duration such as 150ms, 2s or 1m30s'],
  ['s', 'expected a duration such as 150ms, 2s or 1m30s'],
  ['-2s', 'expected a duration such as 150ms, 2s or 1m30s'],
  ['2 s', 'expected a duration such as 150ms, 2s or 1m30s'],
  ['2sec', 'expected a duration such as 150ms, 2s or 1m30s'],
  ['2s5', 'expected a duration such as 150ms, 2s or 1m30s'],
  [-1, 'expected milliseconds, zero or more'],
  [Number.NaN, 'expected milliseconds, zero or more'],
  [MAX_DURATION_MS + 1, 'longer than 24 days'],
  ['25d', 'longer than 24 days'],
]
for (const [written, why] of refused) {
  Units(`the duration ${JSON.stringify(written)} is refused: ${why}`, () => {
    assert.is(
      expectMessage(parseDuration(written, 'timeout')),
      `timeout: ${JSON.stringify(String(written))}: ${why}`,
    )
  })
}

const formatted: readonly (readonly [bytes: number, text: string])[] = [
  [0, '0B'],
  [1023, '1023B'],
  [1024, '1KiB'],
  [1536, '1.5KiB'],
  [6 * 1024 * 1024, '6MiB'],
  [2 ** 53, '8PiB'],
]
for (const [bytes, text] of formatted) {
  Units(`${bytes} bytes are written ${text}`, () => assert.is(formatSize(bytes), text))
}

Units('durations are written in the largest units that fit', () => {
  const texts = [0, 0.25, 150, 2000, 90_061, 3_600_000, 3_723_004].map(formatDuration)
  assert.equal(texts, ['0s', '250us', '150ms', '2s', '1m30.061s', '1h', '1h2m3.004s'])
})

Units('a formatted size reads back within four digits', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 ** 52 }), (bytes) => {
      const back = expectRight(parseSize(formatSize(bytes), 'x'))
      assert.ok(
        Math.abs(back - bytes) <= Math.max(1, bytes / 1000),
        `${bytes} → ${formatSize(bytes)} → ${back}`,
      )
    }),
  )
})

Units('a formatted duration of whole milliseconds reads back exactly', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: MAX_DURATION_MS }), (ms) => {
      assert.is(expectRight(parseDuration(formatDuration(ms), 'x')), ms)
    }),
  )
})

Units('no text makes the parsers throw', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      assert.type(E.isRight(parseSize(text, 'x')), 'boolean')
      assert.type(E.isRight(parseDuration(text, 'x')), 'boolean')
    }),
  )
})

Units.run()
