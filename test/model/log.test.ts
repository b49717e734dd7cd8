// Log segments of both forms, lines out of records, and where the last lines begin.
import fc from 'fast-check'
import type { LogEntry, LogLine, LogRecord, LogStreamName } from '../../src/model/log.ts'
import { COMPACT_MAGIC, decodeCompact } from '../../src/model/log-compact.ts'
import { decodeJson, MAX_JSON_LINE_BYTES } from '../../src/model/log-json.ts'
import { LineAssembler } from '../../src/model/log-lines.ts'
import { bytesOfLog } from '../../src/model/log-view.ts'
import { encodeRecord } from '../support/log-encoder.ts'
import { assert, suite } from '../support/suite.ts'

const Log = suite('model/log')

const record = (text: string, stream: LogStreamName = 'stdout', timeNs = 5n): LogRecord => ({
  stream,
  timeNs,
  bytes: Buffer.from(text),
})
const textOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString()
const linesOf = (lines: readonly LogEntry[]): readonly string[] =>
  lines.map((line) => (line._tag === 'Line' ? textOf(line.bytes) : line._tag))

const anyRecord = fc.record(
  {
    stream: fc.constantFrom<LogStreamName>('stdout', 'stderr'),
    timeNs: fc.bigInt({ min: 0n, max: 2n ** 62n }),
    bytes: fc.uint8Array({ minLength: 1, maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
  },
  { noNullPrototype: true },
)

Log('a compact record is read as it was written, and one that is not whole is left', () => {
  fc.assert(
    fc.property(fc.array(anyRecord, { maxLength: 8 }), fc.nat(), (records, cut) => {
      const whole = Buffer.concat(records.map((each) => encodeRecord('compact', each)))
      const bytes = whole.subarray(0, whole.length - (cut % 20))
      const { found, used, stopped } = decodeCompact(bytes)
      const read = found.map(({ record }) => record)
      assert.equal(stopped, false)
      assert.equal(read, records.slice(0, read.length))
      const rest = decodeCompact(whole.subarray(used)).found.map(({ record }) => record)
      assert.equal([...read, ...rest], records)
    }),
  )
})

Log('a count of lost bytes is no text', () => {
  const lost = { ...record(''), lostBytes: 70_000n }
  const [{ record: read } = {}] = decodeCompact(encodeRecord('compact', lost)).found
  assert.is(read?.lostBytes, 70_000n)
  assert.is(read?.bytes.length, 0)
})

const headWith = (change: (head: Buffer) => void): Buffer => {
  const bytes = Buffer.from(encodeRecord('compact', record('hello\n')))
  change(bytes)
  return bytes
}
for (const [what, change, why] of [
  ['a stream that does not exist', (head: Buffer) => head.fill(3, 4, 5), 'a record of stream 3'],
  ['an unknown flag', (head: Buffer) => head.fill(2, 5, 6), 'a record with unknown flags'],
  ['bits that are reserved', (head: Buffer) => head.fill(1, 6, 7), 'a record with unknown flags'],
  ['a size beyond 256 KiB', (head: Buffer) => head.writeUInt32LE(262_145), 'a record of 262145 bytes'],
  ['a count of another size', (head: Buffer) => head.fill(1, 5, 6), 'a count of lost bytes in 6 bytes'],
] as const)
  Log(`${what} ends a compact segment, and its place is told`, () => {
    const good = encodeRecord('compact', record('first\n'))
    const { found, stopped } = decodeCompact(Buffer.concat([good, headWith(change), good]))
    assert.is(stopped, true)
    assert.equal(found.at(-1), { at: good.length, why })
    assert.is(found.length, 2)
  })

Log('a json-file line is read as docker writes it', () => {
  const line =
    '{"log":"a \\u003cb\\u003e\\n","stream":"stderr","attrs":{"tag":"x"},"time":"2026-01-02T03:04:05.123456789Z"}\n'
  const { found, used } = decodeJson(Buffer.from(line))
  assert.is(used, line.length)
  assert.is(textOf(found[0]?.record?.bytes ?? new Uint8Array()), 'a <b>\n')
  assert.is(found[0]?.record?.stream, 'stderr')
  assert.is(found[0]?.record?.timeNs, 1_767_323_045_123_456_789n)
})

Log('lines of a json-file that are none are told once and passed over', () => {
  const good = encodeRecord('json', record('kept\n')).toString()
  const bad = ['{"log":1}', 'not json', '{"log":"x","stream":"stdlog","time":"2026-01-02T03:04:05Z"}', 'null']
  const { found, stopped } = decodeJson(Buffer.from(`${good}${bad.join('\n')}\n${good}{"log":`))
  assert.is(stopped, false)
  assert.equal(
    found.map(({ at, record, why }) => (record === undefined ? [at, why] : textOf(record.bytes))),
    ['kept\n', [good.length, 'a line that is not of the json-file form'], 'kept\n'],
  )
})

Log('a json-file without newlines is not held in memory', () => {
  const { found, stopped } = decodeJson(Buffer.alloc(MAX_JSON_LINE_BYTES + 1, 'x'))
  assert.is(stopped, true)
  assert.match(found[0]?.why ?? '', /more than 1048576 bytes/)
})

Log('whatever bytes come in, a decoder answers', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 2000 }), (bytes) => {
      for (const decode of [decodeCompact, decodeJson]) {
        const { used, found } = decode(Buffer.from(bytes))
        assert.ok(used <= bytes.length && found.every(({ at }) => at <= bytes.length))
      }
    }),
  )
})

Log('the bytes of a stream are those that were written, however they were cut into records', () => {
  fc.assert(
    fc.property(fc.array(anyRecord, { maxLength: 30 }), fc.integer({ min: 1, max: 40 }), (records, most) => {
      const lines = new LineAssembler(most)
      const all = [...records.flatMap((each) => lines.take(each)), ...lines.end()] as LogLine[]
      for (const stream of ['stdout', 'stderr'] as const) {
        const written = Buffer.concat(
          records.filter((each) => each.stream === stream).map(({ bytes }) => bytes),
        )
        const own = all.filter((line) => line.stream === stream)
        assert.equal(Buffer.concat(own.map(({ bytes }) => bytes)), written)
        for (const { bytes, partial, continues } of own) {
          assert.ok(bytes.length <= most && bytes.indexOf(10) === (partial ? -1 : bytes.length - 1))
          assert.ok(partial || !continues)
        }
      }
    }),
  )
})

Log('lines do not depend on where records were cut', () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[ab\n]{0,60}$/), fc.array(fc.nat(60)), (text, cuts) => {
      const places = [0, ...cuts.filter((cut) => cut <= text.length), text.length].sort((a, b) => a - b)
      const pieces = places.slice(1).map((to, index) => record(text.slice(places[index], to)))
      const read = (records: readonly LogRecord[]) => {
        const lines = new LineAssembler(7)
        return linesOf([...records.flatMap((each) => lines.take(each)), ...lines.end()])
      }
      assert.equal(read(pieces), read([record(text)]))
    }),
  )
})

Log('a line has the time of its first bytes, and streams do not mix', () => {
  const lines = new LineAssembler()
  assert.equal(lines.take(record('be', 'stdout', 1n)), [])
  assert.equal(linesOf(lines.take(record('other\n', 'stderr', 2n))), ['other\n'])
  const [line] = lines.take(record('gun\nnext', 'stdout', 3n)) as LogLine[]
  assert.is(textOf(line?.bytes ?? new Uint8Array()), 'begun\n')
  assert.is(line?.timeNs, 1n)
  const [rest] = lines.end()
  assert.is(rest?.timeNs, 3n)
  assert.equal([rest?.partial, rest?.continues], [true, false])
})

Log('what is lost in the middle of a line ends it', () => {
  const lines = new LineAssembler()
  lines.take(record('half'))
  const found = lines.take({ ...record(''), lostBytes: 9n })
  assert.equal(linesOf(found), ['half', 'Dropped'])
  assert.equal(linesOf(lines.take(record(' other\n'))), [' other\n'])
})

Log('the view has each stream by itself, times before lines alone, and notes apart', () => {
  const lines = new LineAssembler(4)
  const entries = [
    ...lines.take(record('abcdef\n')),
    ...lines.take(record('x\n')),
    ...lines.take({ ...record('', 'stderr'), lostBytes: 3n }),
    ...lines.take(record('e\n', 'stderr')),
  ]
  const shown = (timestamps: boolean) =>
    bytesOfLog(entries, timestamps, new Set()).map(({ to, bytes }) => [to, textOf(bytes)])
  const note =
    '3 bytes of stderr were lost here, at 1970-01-01T00:00:00.000000005Z: the disk did not keep up\n'
  assert.equal(shown(false), [
    ['stdout', 'abcdef\nx\n'],
    ['note', note],
    ['stderr', 'e\n'],
  ])
  const time = '1970-01-01T00:00:00.000000005Z '
  assert.equal(shown(true)[0], ['stdout', `${time}abcdef\n${time}x\n`])
})

Log('the compact form begins with eight bytes', () => {
  assert.is(COMPACT_MAGIC.length, 8)
  assert.is(COMPACT_MAGIC.toString('latin1'), 'SLLOG1\n\0')
})

Log.run()
