// The compact log, read in whatever pieces it comes.
import fc from 'fast-check'
import { decodeCompact, LOG_MAGIC, type LogRecord, segmentName } from '../../src/model/monitor-log.ts'
import { assert, suite } from '../support/suite.ts'

const Log = suite('model/monitor-log')

const encode = ({ stream, timeNs, bytes, lostBytes }: LogRecord): Buffer => {
  const body = Buffer.alloc(lostBytes === undefined ? bytes.length : 8)
  if (lostBytes === undefined) body.set(bytes)
  else body.writeBigUInt64LE(BigInt(lostBytes))
  const head = Buffer.alloc(16)
  head.writeUInt32LE(body.length, 0)
  head.writeUInt8(stream === 'stdout' ? 1 : 2, 4)
  head.writeUInt8(lostBytes === undefined ? 0 : 1, 5)
  head.writeBigInt64LE(timeNs, 8)
  return Buffer.concat([head, body])
}

const record: fc.Arbitrary<LogRecord> = fc
  .record({
    stream: fc.constantFrom('stdout' as const, 'stderr' as const),
    timeNs: fc.bigInt({ min: 0n, max: 2n ** 62n }),
    bytes: fc.uint8Array({ minLength: 1, maxLength: 50 }),
    lostBytes: fc.option(fc.maxSafeNat(), { nil: undefined }),
  })
  .map(({ lostBytes, bytes, ...rest }) =>
    lostBytes === undefined ? { ...rest, bytes } : { ...rest, bytes: new Uint8Array(0), lostBytes },
  )

const plain = (value: LogRecord): unknown => ({ ...value, bytes: [...value.bytes] })

Log('whatever is there of a segment gives its whole records', () => {
  fc.assert(
    fc.property(fc.array(record), fc.nat(), (records, cut) => {
      const encoded = records.map(encode)
      const whole = Buffer.concat([Buffer.from(LOG_MAGIC, 'latin1'), ...encoded])
      const there = whole.subarray(0, cut % (whole.length + 1))
      const first = decodeCompact(there, true)
      assert.is(first.malformed, undefined)
      const rest = decodeCompact(whole.subarray(first.done), first.done === 0)
      assert.equal([...first.records, ...rest.records].map(plain), records.map(plain))
      assert.is(first.done + rest.done, whole.length)
    }),
  )
})

Log('a record that is being written is the end so far', () => {
  const one = encode({ stream: 'stdout', timeNs: 1n, bytes: Buffer.from('one') })
  const begun = Buffer.concat([Buffer.alloc(16), Buffer.from('bytes that have come')])
  const { records, done, malformed } = decodeCompact(Buffer.concat([one, begun]), false)
  assert.is(records.length, 1)
  assert.is(done, one.length)
  assert.is(malformed, undefined)
})

Log('what is no log is refused', () => {
  assert.is(decodeCompact(Buffer.from('{"log":"x"}'), true).malformed, 'no segment of a compact log')
  const wild = Buffer.alloc(16, 0xff)
  assert.match(decodeCompact(wild, false).malformed ?? '', /^a record of 4294967295 bytes$/)
})

Log('segments have names of eight digits', () => {
  assert.is(segmentName(1), '00000001')
})

Log.run()
