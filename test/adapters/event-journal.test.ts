// The journal on disk: written by several processes at once, rotated, torn, followed.
import { spawn } from 'node:child_process'
import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { eventJournal } from '../../src/adapters/event-journal.ts'
import { readEvents } from '../../src/engine/events.ts'
import type { JournalPort } from '../../src/engine/ports/journal.ts'
import { SlipwayError } from '../../src/model/errors.ts'
import type { EngineEvent, EventRequest } from '../../src/model/events.ts'
import { segmentName } from '../../src/model/log.ts'
import { loadAddon } from '../../src/native/load.ts'
import { bundleProgram } from '../support/bundle.ts'
import { assert, suite } from '../support/suite.ts'

const Journal = suite('adapters/event-journal')

let parent = ''
let folder = ''
const open: JournalPort[] = []
Journal.beforeEach(() => {
  parent = mkdtempSync(path.join(tmpdir(), 'slipway-events-'))
  folder = path.join(parent, 'events')
})
Journal.afterEach(() => {
  for (const journal of open.splice(0)) journal.close()
  rmSync(parent, { recursive: true, force: true })
})

const journal = (sizes: { segmentBytes?: number; segments?: number } = {}): JournalPort => {
  const made = eventJournal({
    addon: loadAddon(),
    arch: process.arch === 'arm64' ? 'arm64' : 'x64',
    folder,
    ...sizes,
  })
  open.push(made)
  return made
}
const noteAt = (to: JournalPort, name: string): void =>
  to.note({ Type: 'image', Action: 'tag', Actor: { ID: name, Attributes: {} } })

const all: EventRequest = { passes: () => true, follow: false, sinceNs: 0n }
const idsOf = async (from: JournalPort, request: Partial<EventRequest> = {}): Promise<string[]> => {
  const ids: string[] = []
  for await (const { Actor } of readEvents(from, { ...all, ...request }, Date.now)) ids.push(Actor.ID)
  return ids
}

Journal('what is noted is read, by whoever', async () => {
  const one = journal()
  for (const name of ['a', 'b', 'c']) noteAt(one, name)
  assert.equal(await idsOf(one), ['a', 'b', 'c'])
  assert.equal(await idsOf(journal()), ['a', 'b', 'c'])
})

Journal('without events there is nothing to read, and nothing is made for writing', async () => {
  const quiet = journal()
  assert.is(existsSync(folder), false)
  assert.equal(await idsOf(quiet), [])
})

Journal('events of one engine have times of their own, in order', async () => {
  const one = journal()
  for (let index = 0; index < 50; index++) noteAt(one, String(index))
  const times: bigint[] = []
  for await (const { timeNano, time } of readEvents(one, all, Date.now)) {
    times.push(timeNano)
    assert.is(BigInt(time), timeNano / 1_000_000_000n)
  }
  assert.equal(new Set(times).size, 50)
  assert.equal(
    [...times].sort((a, b) => (a < b ? -1 : 1)),
    times,
  )
})

Journal('a full segment is followed by another, and only so many are kept', async () => {
  const small = journal({ segmentBytes: 1000, segments: 3 })
  for (let index = 0; index < 100; index++) noteAt(small, String(index))
  const names = readdirSync(folder).sort()
  assert.is(names.length, 3)
  assert.ok(Number(names[0]) > 1)
  const ids = await idsOf(small)
  assert.equal(
    ids,
    Array.from({ length: ids.length }, (_, index) => String(100 - ids.length + index)),
  )
})

Journal('an engine whose segment was removed writes into the newest', async () => {
  const [slow, busy] = [
    journal({ segmentBytes: 300, segments: 2 }),
    journal({ segmentBytes: 300, segments: 2 }),
  ]
  noteAt(slow, 'first')
  for (let index = 0; index < 20; index++) noteAt(busy, String(index))
  noteAt(slow, 'late')
  assert.ok((await idsOf(busy)).includes('late'))
})

Journal('what comes after an event is in no segment before it', async () => {
  const [slow, busy] = [
    journal({ segmentBytes: 300, segments: 100 }),
    journal({ segmentBytes: 300, segments: 100 }),
  ]
  const wanted: string[] = []
  for (let index = 0; index < 40; index++) {
    wanted.push(String(index))
    noteAt(index % 7 === 0 ? slow : busy, String(index))
  }
  const written = readdirSync(folder)
    .sort()
    .flatMap((name) => readFileSync(path.join(folder, name), 'utf8').split('\n'))
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line).Actor.ID)
  assert.equal(written, wanted)
  assert.equal(await idsOf(slow), wanted)
})

Journal('what has been told of one actor since a time is known', async () => {
  const one = journal({ segmentBytes: 300, segments: 100 })
  for (let index = 0; index < 10; index++) noteAt(one, String(index))
  assert.ok(journal().toldOf('3', 0n).has('tag'))
  assert.not(journal().toldOf('3', 0n).has('untag'))
  assert.not(
    journal()
      .toldOf('3', BigInt(Date.now() + 1000) * 1_000_000n)
      .has('tag'),
  )
  assert.not(journal().toldOf('none', 0n).has('tag'))
})

Journal('a torn line is passed over, and the event after it is not lost', async () => {
  const one = journal()
  noteAt(one, 'before')
  appendFileSync(path.join(folder, segmentName(1)), '\n{"Type":"image","Act')
  noteAt(one, 'after')
  appendFileSync(path.join(folder, segmentName(1)), Buffer.from([0xff, 0xfe, 10, 0, 10]))
  noteAt(one, 'last')
  assert.equal(await idsOf(one), ['before', 'after', 'last'])
})

Journal('since and until choose, and until ends it', async () => {
  const one = journal()
  for (const name of ['a', 'b', 'c']) noteAt(one, name)
  const times: EngineEvent[] = []
  for await (const event of readEvents(one, all, Date.now)) times.push(event)
  const [, second] = times
  assert.equal(await idsOf(one, { sinceNs: second?.timeNano ?? 0n }), ['b', 'c'])
  assert.equal(await idsOf(one, { untilNs: second?.timeNano ?? 0n, follow: true }), ['a', 'b'])
  const soonNs = BigInt(Date.now() + 50) * 1_000_000n
  assert.equal(await idsOf(one, { untilNs: soonNs, follow: true }), ['a', 'b', 'c'])
})

/** Takes the steps one by one while it follows, until this event. */
const followed = async (
  from: JournalPort,
  steps: readonly (() => void)[],
  last: string,
): Promise<string[]> => {
  const stop = new AbortController()
  const ids: string[] = []
  const taking = (async () => {
    for (const step of steps) {
      await new Promise((resolve) => setTimeout(resolve, 5))
      step()
    }
  })()
  for await (const { Actor } of readEvents(from, { ...all, follow: true, signal: stop.signal }, Date.now)) {
    ids.push(Actor.ID)
    if (Actor.ID === last) stop.abort()
  }
  await taking
  return ids
}

Journal('what happens later is followed, over segments and from other engines', async () => {
  const [one, two] = [
    journal({ segmentBytes: 150, segments: 3 }),
    journal({ segmentBytes: 150, segments: 3 }),
  ]
  noteAt(one, 'old')
  const steps = ['a', 'b', 'c', 'd', 'e'].map(
    (name, index) => () => noteAt(index % 2 === 0 ? one : two, name),
  )
  steps.unshift(() => noteAt(two, 'first'))
  assert.equal(await followed(one, steps, 'e'), ['old', 'first', 'a', 'b', 'c', 'd', 'e'])
})

Journal('without a beginning only what happens from now on is told', async () => {
  const one = journal()
  noteAt(one, 'old')
  const { sinceNs: _, ...fromNow } = all
  const stop = new AbortController()
  const ids: string[] = []
  setTimeout(() => noteAt(one, 'new'), 10)
  for await (const { Actor } of readEvents(
    one,
    { ...fromNow, follow: true, signal: stop.signal },
    Date.now,
  )) {
    ids.push(Actor.ID)
    stop.abort()
  }
  assert.equal(ids, ['new'])
})

Journal('processes that write and rotate at once lose nothing that is kept', async () => {
  const WRITERS = 4
  const EACH = 300
  const program = await bundleProgram('test/adapters/event-writer.ts')
  const env = { ...process.env, SLIPWAY_ADDON: path.resolve('build/Release/slipway.node') }
  const ends = Array.from({ length: WRITERS }, (_, writer) => {
    const child = spawn(process.execPath, [program, folder, String(writer), String(EACH)], {
      env,
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    return new Promise((resolve) => child.on('close', resolve))
  })
  assert.equal(await Promise.all(ends), new Array(WRITERS).fill(0))
  const ids = await idsOf(journal())
  assert.is(ids.length, WRITERS * EACH)
  for (let writer = 0; writer < WRITERS; writer++)
    assert.equal(
      ids
        .filter((id) => id.startsWith(`${writer}.`))
        .sort((a, b) => Number(a.split('.')[1]) - Number(b.split('.')[1])),
      Array.from({ length: EACH }, (_, index) => `${writer}.${index}`),
    )
  assert.ok(readdirSync(folder).length > 3, 'nothing was rotated')
})

Journal('a journal that cannot be written to stops nothing', () => {
  writeFileSync(folder, 'a file')
  noteAt(journal(), 'lost')
  assert.is(readFileSync(folder, 'utf8'), 'a file')
})

Journal('one that cannot be read is an error that names it', async () => {
  const one = journal()
  noteAt(one, 'a')
  const reader = one.read(false)
  rmSync(folder, { recursive: true })
  writeFileSync(folder, '')
  try {
    for await (const _ of reader.next()) assert.unreachable()
    assert.unreachable()
  } catch (error) {
    assert.instance(error, SlipwayError)
    assert.is((error as Error).message, `read events: ${folder}: ENOTDIR (not a directory)`)
  } finally {
    reader.close()
  }
})

Journal.run()
