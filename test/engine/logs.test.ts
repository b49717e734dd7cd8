// Reading a log over its segments: everything, the last lines, what is written meanwhile, what is removed, what is damaged.
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, unlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import fc from 'fast-check'
import { logSegments } from '../../src/adapters/log-segments.ts'
import { readLog } from '../../src/engine/logs.ts'
import type { LogPort, OpenSegment } from '../../src/engine/ports/logs.ts'
import { SlipwayError } from '../../src/model/errors.ts'
import type { LogEntry, LogRecord, LogRequest, LogStreamName } from '../../src/model/log.ts'
import { segmentName } from '../../src/model/log.ts'
import {
  asDockerRecords,
  encodeRecord,
  encodeSegments,
  headOf,
  type LogForm,
} from '../support/log-encoder.ts'
import { assert, suite } from '../support/suite.ts'

const Logs = suite('engine/logs')

const all: LogRequest = { streams: ['stdout', 'stderr'], follow: false }
const record = (text: string, stream: LogStreamName = 'stdout', timeNs = 1n): LogRecord => ({
  stream,
  timeNs,
  bytes: Buffer.from(text),
})

const textsOf = (entries: readonly LogEntry[]): readonly string[] =>
  entries.map((entry) =>
    entry._tag === 'Line' ? `${entry.stream === 'stderr' ? '!' : ''}${Buffer.from(entry.bytes)}` : entry._tag,
  )

const entriesOf = async (port: LogPort, request: LogRequest, ended?: AbortSignal): Promise<LogEntry[]> => {
  const entries: LogEntry[] = []
  for await (const batch of readLog(port, request, ended)) entries.push(...batch)
  return entries
}

/** Segments in memory, numbered from `first` on. `waits`: what happens each time the reader waits. */
const memoryLog = (
  segments: readonly Buffer[],
  { first = 1, waits = [] as (() => void)[] } = {},
): LogPort & { readonly files: Map<number, Buffer>; readonly opened: () => number } => {
  const files = new Map(segments.map((bytes, index) => [first + index, bytes]))
  let opened = 0
  const open = (number: number): OpenSegment | undefined => {
    const known = files.get(number)
    if (known === undefined) return undefined
    opened++
    let last = known
    // One that was unlinked stays what it was.
    const now = (): Buffer => (last = files.get(number) ?? last)
    return {
      path: segmentName(number),
      read: async (into, at) => now().copy(into, 0, at, at + into.length),
      size: async () => now().length,
      close: async () => {
        opened--
      },
    }
  }
  return {
    files,
    opened: () => opened,
    segments: async () => [...files.keys()].sort((a, b) => a - b),
    open: async (number) => open(number),
    watch: () => ({ next: async () => waits.shift()?.(), close: () => {} }),
  }
}

const words = fc.stringMatching(/^[a-z\n]{0,12}$/)
const someRecords = fc.array(
  fc.record({ text: words, stream: fc.constantFrom<LogStreamName>('stdout', 'stderr') }),
  { maxLength: 60 },
)
const asRecords = (found: readonly { text: string; stream: LogStreamName }[]): readonly LogRecord[] =>
  found
    .filter(({ text }) => text !== '')
    .map(({ text, stream }, index) => record(text, stream, BigInt(index)))

for (const form of ['compact', 'json'] as const satisfies readonly LogForm[]) {
  Logs(`${form}: what was written is read, whatever the size of a segment`, async () => {
    await fc.assert(
      fc.asyncProperty(someRecords, fc.integer({ min: 1, max: 2000 }), async (found, most) => {
        const records = asRecords(found)
        const log = memoryLog(
          encodeSegments(form, form === 'json' ? asDockerRecords(records) : records, most),
        )
        const entries = await entriesOf(log, all)
        for (const stream of ['stdout', 'stderr'] as const) {
          const written = records
            .filter((each) => each.stream === stream)
            .map(({ bytes }) => Buffer.from(bytes))
          const read = entries.filter((entry) => entry._tag === 'Line' && entry.stream === stream)
          assert.is(
            read.map((entry) => ('bytes' in entry ? Buffer.from(entry.bytes).toString() : '')).join(''),
            written.join(''),
          )
        }
        assert.is(log.opened(), 0)
      }),
    )
  })

  Logs(`${form}: the last lines are those of the whole`, async () => {
    await fc.assert(
      fc.asyncProperty(
        someRecords,
        fc.integer({ min: 30, max: 1500 }),
        fc.nat(30),
        fc.constantFrom<readonly LogStreamName[]>(['stdout', 'stderr'], ['stdout'], ['stderr']),
        async (found, most, tail, streams) => {
          // Every line is finished: one that is not is the next test's.
          const records = [...asRecords(found), record('\n', 'stdout'), record('\n', 'stderr')]
          const log = memoryLog(
            encodeSegments(form, form === 'json' ? asDockerRecords(records) : records, most),
          )
          const whole = textsOf(await entriesOf(log, { ...all, streams }))
          const last = textsOf(await entriesOf(log, { ...all, streams, tail }))
          assert.equal(last, tail === 0 ? [] : whole.slice(-tail))
        },
      ),
      { numRuns: 300 },
    )
  })
}

Logs('of a long log only its end is read for the last lines', async () => {
  const lines = Array.from({ length: 20_000 }, (_, index) => record(`line ${index}\n`))
  const segments = encodeSegments('compact', lines, 100_000)
  const read: number[] = []
  const log = memoryLog(segments)
  const counting: LogPort = {
    ...log,
    open: async (number) => {
      read.push(number)
      return log.open(number)
    },
  }
  assert.equal(textsOf(await entriesOf(counting, { ...all, streams: ['stdout'], tail: 2 })), [
    'line 19998\n',
    'line 19999\n',
  ])
  assert.ok(segments.length > 5 && read.every((number) => number >= segments.length - 1), String(read))
})

Logs('a line that was never finished is one of the last', async () => {
  const log = memoryLog(
    encodeSegments(
      'compact',
      ['a\n', 'b\n', 'pro', 'mpt'].map((text) => record(text)),
    ),
  )
  assert.equal(textsOf(await entriesOf(log, { ...all, tail: 2 })), ['b\n', 'prompt'])
})

Logs('a line over three segments is whole among the last', async () => {
  const records = ['first\nbe', 'gu', 'n\n', 'end\n'].map((text) => record(text))
  const log = memoryLog(encodeSegments('compact', records, 1))
  assert.is(log.files.size, 4)
  assert.equal(textsOf(await entriesOf(log, { ...all, tail: 2 })), ['begun\n', 'end\n'])
})

Logs('since and until choose by the time of a line', async () => {
  const records = [10n, 20n, 30n, 40n].map((timeNs) => record(`at ${timeNs}\n`, 'stdout', timeNs))
  const log = memoryLog(encodeSegments('compact', records, 60))
  assert.equal(textsOf(await entriesOf(log, { ...all, sinceNs: 20n })), ['at 20\n', 'at 30\n', 'at 40\n'])
  assert.equal(textsOf(await entriesOf(log, { ...all, untilNs: 30n })), ['at 10\n', 'at 20\n', 'at 30\n'])
  assert.equal(textsOf(await entriesOf(log, { ...all, sinceNs: 15n, untilNs: 30n })), ['at 20\n', 'at 30\n'])
  assert.equal(textsOf(await entriesOf(log, { ...all, untilNs: 30n, tail: 2 })), ['at 20\n', 'at 30\n'])
  assert.equal(textsOf(await entriesOf(log, { ...all, untilNs: 5n, tail: 2 })), [])
})

Logs(
  'following goes over rotations, and ends when the container is over and everything is read',
  async () => {
    const ended = new AbortController()
    const segment = (...texts: readonly string[]): Buffer =>
      encodeSegments(
        'compact',
        texts.map((text) => record(text)),
      )[0] ?? Buffer.alloc(0)
    const add = (number: number, ...texts: readonly string[]): void => {
      const more = texts.map((text) => encodeRecord('compact', record(text)))
      log.files.set(number, Buffer.concat([log.files.get(number) ?? headOf('compact'), ...more]))
    }
    const log = memoryLog([segment('one\n')], {
      waits: [
        () => add(1, 'two\n'),
        () => {
          // The last record of a segment and the next segment come between two looks.
          add(1, 'three\n')
          add(2, 'four\n')
        },
        () => add(2, 'fi'),
        () => {
          add(2, 've\n', 'last')
          ended.abort()
        },
      ],
    })
    const entries = await entriesOf(log, { ...all, follow: true }, ended.signal)
    assert.equal(textsOf(entries), ['one\n', 'two\n', 'three\n', 'four\n', 'five\n', 'last'])
    assert.is(log.opened(), 0)
  },
)

Logs('following begins before there is a log', async () => {
  const ended = new AbortController()
  const log = memoryLog([], {
    waits: [
      () => log.files.set(1, headOf('compact').subarray(0, 3)),
      () => log.files.set(1, Buffer.concat([headOf('compact'), encodeRecord('compact', record('hello\n'))])),
      () => ended.abort(),
    ],
  })
  assert.equal(textsOf(await entriesOf(log, { ...all, follow: true }, ended.signal)), ['hello\n'])
})

Logs('the last lines and what follows them are one reading', async () => {
  const ended = new AbortController()
  const log = memoryLog(
    encodeSegments(
      'compact',
      ['1\n', '2\n', '3\n'].map((text) => record(text)),
    ),
    {
      waits: [
        () => log.files.set(2, encodeSegments('compact', [record('4\n')])[0] ?? Buffer.alloc(0)),
        () => ended.abort(),
      ],
    },
  )
  const entries = await entriesOf(log, { ...all, follow: true, tail: 1 }, ended.signal)
  assert.equal(textsOf(entries), ['3\n', '4\n'])
})

Logs('a half-written record is waited for while the writer lives', async () => {
  const ended = new AbortController()
  const whole = encodeSegments('compact', [record('a\n'), record('torn\n')])[0] ?? Buffer.alloc(0)
  const log = memoryLog([whole.subarray(0, -3)], {
    waits: [() => log.files.set(1, whole), () => ended.abort()],
  })
  assert.equal(textsOf(await entriesOf(log, { ...all, follow: true }, ended.signal)), ['a\n', 'torn\n'])
})

Logs('a record whose size is to come is read when it has come, or is cut off for another one', async () => {
  const [whole = Buffer.alloc(0)] = encodeSegments('compact', [record('a\n'), record('spliced\n')])
  const at = headOf('compact').length + encodeRecord('compact', record('a\n')).length
  const unsized = Buffer.from(whole)
  unsized.writeUInt32LE(0, at)
  const ended = new AbortController()
  const log = memoryLog([unsized.subarray(0, at + 16)], {
    waits: [
      () => log.files.set(1, unsized),
      () => log.files.set(1, whole),
      () => log.files.set(1, Buffer.concat([whole, unsized.subarray(at)])),
      () => log.files.set(1, Buffer.concat([whole, encodeRecord('compact', record('other\n', 'stderr'))])),
      () => ended.abort(),
    ],
  })
  const texts = textsOf(await entriesOf(log, { ...all, follow: true }, ended.signal))
  assert.equal(texts, ['a\n', 'spliced\n', '!other\n'])
  assert.equal(textsOf(await entriesOf(memoryLog([unsized]), { ...all, tail: 5 })), ['a\n'])
})

Logs(
  'a half-written record is ignored when the writer is dead, or has gone on to another segment',
  async () => {
    const [whole = Buffer.alloc(0)] = encodeSegments('compact', [record('a\n'), record('torn\n')])
    for (const cut of [3, 10, 20]) {
      const ended = AbortSignal.abort()
      const torn = whole.subarray(0, -cut)
      assert.equal(textsOf(await entriesOf(memoryLog([torn]), { ...all, follow: true }, ended)), ['a\n'])
      const later = memoryLog([torn, ...encodeSegments('compact', [record('b\n')])])
      assert.equal(textsOf(await entriesOf(later, all)), ['a\n', 'b\n'])
    }
  },
)

Logs('segments that were removed before they were read are told', async () => {
  const ended = new AbortController()
  const segments = ['1\n', '2\n', '3\n', '4\n', '5\n'].map(
    (text) => encodeSegments('compact', [record(text)])[0],
  )
  const log = memoryLog([segments[0] ?? Buffer.alloc(0)], {
    waits: [
      () => {
        log.files.delete(1)
        for (const number of [4, 5]) log.files.set(number, segments[number - 1] ?? Buffer.alloc(0))
      },
      () => ended.abort(),
    ],
  })
  const entries = await entriesOf(log, { ...all, follow: true }, ended.signal)
  assert.equal(textsOf(entries), ['1\n', 'Removed', '4\n', '5\n'])
  assert.equal(entries[1], { _tag: 'Removed', first: 2, last: 3 })
})

Logs('a log whose first segments have gone is no loss', async () => {
  const log = memoryLog(encodeSegments('compact', [record('7\n')]), { first: 7 })
  assert.equal(textsOf(await entriesOf(log, all)), ['7\n'])
  assert.equal(textsOf(await entriesOf(log, { ...all, tail: 5 })), ['7\n'])
})

Logs('who does not follow stops where the log ended when the reading began', async () => {
  const log = memoryLog(encodeSegments('compact', [record('1\n')]))
  const busy: LogPort = {
    ...log,
    open: async (number) => {
      const file = await log.open(number)
      log.files.set(
        number,
        Buffer.concat([
          log.files.get(number) ?? headOf('compact'),
          encodeRecord('compact', record('more\n')),
        ]),
      )
      log.files.set(number + 1, encodeSegments('compact', [record('much more\n')])[0] ?? Buffer.alloc(0))
      return file
    },
  }
  const texts = textsOf(await entriesOf(busy, all))
  assert.ok(texts[0] === '1\n' && !texts.includes('much more\n'), texts.join())
})

Logs('garbage is named by file and offset, and reading goes on with the next segment', async () => {
  const [good = Buffer.alloc(0)] = encodeSegments('compact', [record('good\n')])
  const log = memoryLog([
    Buffer.concat([good, Buffer.alloc(20, 0xff), good]),
    Buffer.from('#!/bin/sh\n'),
    good,
  ])
  const entries = await entriesOf(log, all)
  assert.equal(textsOf(entries), ['good\n', 'Damaged', 'Damaged', 'good\n'])
  const errors = entries.flatMap((entry) => (entry._tag === 'Damaged' ? [entry.error] : []))
  assert.equal(errors, [
    { _tag: 'StateDamaged', path: '00000001', why: `at byte ${good.length}: a record of 4294967295 bytes` },
    {
      _tag: 'StateDamaged',
      path: '00000002',
      why: 'at byte 0: neither a compact log segment nor one of the json-file form',
    },
  ])
})

Logs('an aborted signal ends the reading', async () => {
  const stop = new AbortController()
  const log = memoryLog(encodeSegments('compact', [record('1\n')]), { waits: [() => stop.abort()] })
  assert.equal(textsOf(await entriesOf(log, { ...all, follow: true, signal: stop.signal })), ['1\n'])
  assert.is(log.opened(), 0)
})

Logs('leaving the loop closes what is open', async () => {
  const log = memoryLog(encodeSegments('compact', [record('1\n')]))
  for await (const _ of readLog(log, { ...all, follow: true }, undefined)) break
  assert.is(log.opened(), 0)
})

const inFolder = async (body: (folder: string) => Promise<void>): Promise<void> => {
  const folder = mkdtempSync(path.join(tmpdir(), 'slipway-log-'))
  try {
    await body(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

for (const isThereBefore of [true, false])
  Logs(`files are followed${isThereBefore ? '' : ', also in a directory that comes later'}`, () =>
    inFolder(async (parent) => {
      const folder = path.join(parent, 'log')
      const file = (number: number): string => path.join(folder, segmentName(number))
      if (isThereBefore) mkdirSync(folder)
      const ended = new AbortController()
      const texts: string[] = []
      const steps = [
        () =>
          writeFileSync(file(1), Buffer.concat([headOf('compact'), encodeRecord('compact', record('1\n'))])),
        () => appendFileSync(file(1), encodeRecord('compact', record('2\n', 'stderr'))),
        () => {
          writeFileSync(file(2), Buffer.concat([headOf('compact'), encodeRecord('compact', record('3\n'))]))
          unlinkSync(file(1))
        },
        () => ended.abort(),
      ]
      const next = (): unknown => setTimeout(() => steps.shift()?.(), 5)
      if (!isThereBefore) setTimeout(() => mkdirSync(folder), 5)
      setTimeout(next, 10)
      for await (const batch of readLog(logSegments(folder), { ...all, follow: true }, ended.signal)) {
        texts.push(...textsOf(batch))
        next()
      }
      assert.equal(texts, ['1\n', '!2\n', '3\n'])
    }),
  )

Logs('a directory that cannot be read is an error that names it', () =>
  inFolder(async (folder) => {
    const file = path.join(folder, 'log')
    writeFileSync(file, '')
    try {
      await entriesOf(logSegments(file), all)
      assert.unreachable()
    } catch (error) {
      assert.instance(error, SlipwayError)
      assert.is((error as Error).message, `read log: ${file}: ENOTDIR (not a directory)`)
    }
  }),
)

Logs('a log that is not there is empty', () =>
  inFolder(async (folder) => {
    assert.equal(await entriesOf(logSegments(path.join(folder, 'none')), { ...all, tail: 3 }), [])
  }),
)

Logs.run()
