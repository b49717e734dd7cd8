// The status of a container from what the kernel says, and what each status allows.
import { parseOciId } from '../../src/model/oci-container-id.ts'
import { decodeOciRecord, encodeOciRecord, type OciRecord, rfc3339Nano } from '../../src/model/oci-state.ts'
import {
  allow,
  isFrozenText,
  type OciOperation,
  type OciStatus,
  parseProcessStat,
  type StatusFacts,
  statusOf,
} from '../../src/model/oci-status.ts'
import { expectLeft, expectRight } from '../support/either.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('model/oci-status')

const init = { pid: 700, startTime: 123456 }
const creator = { pid: 600, startTime: 1000 }
const alive = { state: 'S', startTime: 123456 }
const facts = (over: Partial<StatusFacts>): StatusFacts => ({
  processes: new Map(),
  hasStartSocket: false,
  isFrozen: false,
  ...over,
})

const CASES: readonly (readonly [what: string, facts: StatusFacts, status: OciStatus])[] = [
  [
    'no process yet, its creator lives',
    facts({ creator, processes: new Map([[600, { state: 'R', startTime: 1000 }]]) }),
    'creating',
  ],
  ['no process yet, its creator is gone', facts({ creator }), 'stopped'],
  [
    'no process yet, and the number of its creator has gone to another',
    facts({ creator, processes: new Map([[600, { state: 'R', startTime: 2000 }]]) }),
    'stopped',
  ],
  ['no process and no creator', facts({}), 'stopped'],
  [
    'it waits at its socket',
    facts({ init, processes: new Map([[700, alive]]), hasStartSocket: true }),
    'created',
  ],
  ['it runs', facts({ init, processes: new Map([[700, alive]]) }), 'running'],
  ['it is frozen', facts({ init, processes: new Map([[700, alive]]), isFrozen: true }), 'paused'],
  [
    'it is frozen before its start',
    facts({ init, processes: new Map([[700, alive]]), isFrozen: true, hasStartSocket: true }),
    'paused',
  ],
  ['its process is gone', facts({ init }), 'stopped'],
  ['its process is gone, and the socket left', facts({ init, hasStartSocket: true }), 'stopped'],
  ['its process is gone, and the cgroup frozen', facts({ init, isFrozen: true }), 'stopped'],
  [
    'another process has its number',
    facts({ init, processes: new Map([[700, { state: 'S', startTime: 999 }]]) }),
    'stopped',
  ],
  ['a zombie', facts({ init, processes: new Map([[700, { ...alive, state: 'Z' }]]) }), 'stopped'],
  ['a dead process', facts({ init, processes: new Map([[700, { ...alive, state: 'X' }]]) }), 'stopped'],
  ['a stopped process', facts({ init, processes: new Map([[700, { ...alive, state: 'T' }]]) }), 'running'],
]
for (const [what, given, status] of CASES) {
  test(`${what}: ${status}`, () => assert.is(statusOf(given), status))
}

test('the start time is read behind a name with brackets and blanks', () => {
  const fields = Array.from({ length: 40 }, (_, at) => at + 4)
  const text = `700 (a) b) (c) S ${fields.join(' ')}\n`
  assert.equal(parseProcessStat(text), { state: 'S', startTime: 22 })
  const leaving = text.replace(' 9 ', ` ${0x400000 + 4} `)
  assert.equal(parseProcessStat(leaving), { state: 'X', startTime: 22 })
  assert.is(parseProcessStat(''), undefined)
  assert.is(parseProcessStat('700 (sh) S 1 2'), undefined)
})

test('v1 and v2 say differently that a cgroup is frozen', () => {
  assert.equal(['FROZEN\n', '1\n', 'FREEZING\n', 'THAWED\n', '0\n', ''].map(isFrozenText), [
    true,
    true,
    false,
    false,
    false,
    false,
  ])
})

const record: OciRecord = {
  version: 1,
  ociVersion: '1.2.0',
  id: expectRight(parseOciId('web')),
  init,
  bundle: '/b',
  rootfs: '/b/rootfs',
  created: '2026-01-02T03:04:05.000000678Z',
  annotations: { 'a.b': 'c' },
  ownerUid: 0,
  cgroup: { manager: 'cgroupfs', paths: { '': '/sys/fs/cgroup/web' }, freezerFile: '/f' },
  namespaces: { pid: '/proc/700/ns/pid' },
}

const ALLOWED: Readonly<Record<OciOperation, readonly OciStatus[]>> = {
  start: ['created'],
  kill: ['created', 'running', 'paused'],
  delete: ['created', 'stopped'],
  exec: ['created', 'running'],
  'exec ignoring pause': ['created', 'running', 'paused'],
  pause: ['created', 'running'],
  resume: ['paused'],
  update: ['created', 'running', 'paused'],
  events: ['created', 'running', 'paused'],
}
for (const [operation, statuses] of Object.entries(ALLOWED)) {
  test(`${operation} works in ${statuses.join(', ')} alone`, () => {
    for (const status of ['creating', 'created', 'running', 'paused', 'stopped'] as const) {
      const answer = allow(operation as OciOperation, { record, status, directory: '/r/web' })
      assert.is(answer._tag, statuses.includes(status) ? 'Right' : 'Left', status)
    }
  })
}

test('a state is read as it was written', () => {
  assert.equal(expectRight(decodeOciRecord(encodeOciRecord(record), '/r/web/state.json')), record)
})

const DAMAGED: readonly (readonly [what: string, text: string, why: RegExp])[] = [
  ['half a file', encodeOciRecord(record).slice(0, 40), /not JSON/],
  [
    'another version',
    encodeOciRecord(record).replace('"version":1', '"version":2'),
    /\$\.version: is of another/,
  ],
  ['an id that leads out', encodeOciRecord(record).replace('"web"', '"../web"'), /\$\.id/],
  ['a negative pid', encodeOciRecord(record).replace('"pid":700', '"pid":-1'), /\$\.init\.pid/],
  ['an empty object', '{}', /\$\.version: is required/],
]
for (const [what, text, why] of DAMAGED) {
  test(`a state that is ${what} is told by its path`, () => {
    const error = expectLeft(decodeOciRecord(text, '/r/web/state.json'))
    assert.is(error._tag, 'StateDamaged')
    if (error._tag !== 'StateDamaged') return
    assert.is(error.path, '/r/web/state.json')
    assert.match(error.why, why)
  })
}

test('an id is a file name of few characters', () => {
  for (const id of ['a', 'web-1', 'A_b+c.d', '...', '.a', 'a'.repeat(255)])
    assert.is(expectRight(parseOciId(id)), id)
  for (const id of ['', '.', '..', 'a/b', '../a', 'a b', 'ä', 'a\n', 'a\0', 'a'.repeat(256), '@a'])
    assert.is(expectLeft(parseOciId(id))._tag, 'InvalidOption', JSON.stringify(id))
})

test('a time has nanoseconds, and no zeros at its end', () => {
  assert.is(rfc3339Nano(1_767_323_045_000_000_678n), '2026-01-02T03:04:05.000000678Z')
  assert.is(rfc3339Nano(1_767_323_045_120_000_000n), '2026-01-02T03:04:05.12Z')
  assert.is(rfc3339Nano(1_767_323_045_000_000_000n), '2026-01-02T03:04:05Z')
})

test.run()
