import * as E from '#fp/Either'
import {
  type ContainerDocument,
  decodeContainerDocument,
  encodeContainerDocument,
} from '../../src/model/container-document.ts'
import {
  allowed,
  type ContainerFacts,
  isOrphan,
  isSettled,
  statusOf,
  worksIn,
} from '../../src/model/container-status.ts'
import type { MonitorState } from '../../src/model/monitor-state.ts'
import { expectLeft, expectRight } from '../support/either.ts'
import { assert, suite } from '../support/suite.ts'

const document: ContainerDocument = {
  version: 1,
  id: 'ab'.repeat(32),
  name: 'web',
  createdMs: 1_700_000_000_000,
  image: { reference: 'app:1', id: `sha256:${'0'.repeat(64)}` },
  argv: [],
  command: ['node', 'srv.js'],
  options: { memory: 1 << 26, labels: { a: 'b' } },
  policies: {
    restart: { name: 'on-failure', most: 3 },
    log: { form: 'compact', maxBytes: 1e7, maxFiles: 3, blocking: false },
    stdin: true,
    stopMs: -1,
    autoRemove: false,
  },
  stopSignal: 'SIGTERM',
}

const Document = suite('model/container-document')
Document('what is written is read', () => {
  assert.equal(expectRight(decodeContainerDocument(encodeContainerDocument(document), 'f')), document)
})
for (const [what, change, why] of [
  ['another version', { version: 2 }, '$.version: is not between 1 and 1: 2'],
  ['no id', { id: 'abc' }, '$.id: is not 64 hex digits: "abc"'],
  [
    'a policy nobody knows',
    { policies: { ...document.policies, restart: { name: 'x', most: 0 } } },
    '$.policies.restart.name: expected one of',
  ],
  ['a missing image', { image: undefined }, '$.image: is required'],
] as const)
  Document(`${what} is told with its place`, () => {
    const error = expectLeft(
      decodeContainerDocument(JSON.stringify({ ...document, ...change }), '/c/container.json'),
    )
    assert.is(error._tag, 'StateDamaged')
    assert.is(error._tag === 'StateDamaged' && error.path, '/c/container.json')
    assert.match(error._tag === 'StateDamaged' ? error.why : '', why)
  })
Document('half a document is damaged', () => {
  const whole = encodeContainerDocument(document)
  const error = expectLeft(decodeContainerDocument(whole.slice(0, whole.length / 2), 'f'))
  assert.match(error._tag === 'StateDamaged' ? error.why : '', 'is no JSON')
})
Document.run()

const state: MonitorState = {
  id: document.id,
  bootId: 'b',
  status: 'running',
  monitorPid: 10,
  pid: 11,
  startTime: 5,
  begunMs: 1,
  restarts: 0,
}
const exit = {
  id: document.id,
  exitCode: 3,
  oomKilled: false,
  begunMs: 1,
  endedMs: 2,
  restarts: 0,
  stopped: false,
}
const none: ContainerFacts = { hasMonitor: false, isAlive: false, isFrozen: false }

const Status = suite('model/container-status')
for (const [what, facts, status] of [
  ['nothing but a document', none, 'created'],
  ['a monitor that has not begun', { ...none, hasMonitor: true }, 'created'],
  [
    'a first start',
    { ...none, state: { ...state, status: 'starting', pid: 0 }, hasMonitor: true },
    'running',
  ],
  [
    'a later one',
    { ...none, exit, state: { ...state, status: 'starting', pid: 0, restarts: 1 }, hasMonitor: true },
    'restarting',
  ],
  [
    'a program that is on its way',
    { ...none, state: { ...state, status: 'starting' }, hasMonitor: true, isAlive: true },
    'running',
  ],
  ['a start nobody carries on', { ...none, state: { ...state, status: 'starting' } }, 'created'],
  [
    'one whose monitor could not say so any more',
    { ...none, state: { ...state, status: 'starting' }, isAlive: true },
    'running',
  ],
  ['a first process', { ...none, state, hasMonitor: true, isAlive: true }, 'running'],
  ['a frozen one', { ...none, state, hasMonitor: true, isAlive: true, isFrozen: true }, 'paused'],
  [
    'a monitor that waits',
    { ...none, exit, state: { ...state, status: 'restarting' }, hasMonitor: true },
    'restarting',
  ],
  ['a wait nobody keeps any more', { ...none, exit, state: { ...state, status: 'restarting' } }, 'exited'],
  ['an end', { ...none, exit }, 'exited'],
  ['one that runs again', { ...none, exit, state, hasMonitor: true, isAlive: true }, 'running'],
  ['one that has lost its monitor', { ...none, state, isAlive: true }, 'running'],
] as const)
  Status(`${what} is ${status}`, () => {
    assert.is(statusOf(facts as ContainerFacts), status)
  })
Status('who runs without a monitor is an orphan', () => {
  assert.ok(isOrphan({ ...none, state, isAlive: true }))
  assert.not.ok(isOrphan({ ...none, state, isAlive: true, hasMonitor: true }))
  assert.not.ok(isOrphan(none))
})
Status('what is on its way is waited for', () => {
  const settled = (facts: Partial<ContainerFacts>): boolean => isSettled({ ...none, ...facts })
  assert.ok(settled({}))
  assert.ok(settled({ state, isAlive: true, hasMonitor: true }))
  assert.ok(settled({ state, isAlive: true }))
  assert.ok(settled({ state }))
  assert.ok(settled({ state: { ...state, status: 'restarting' }, hasMonitor: true }))
  assert.ok(settled({ state: { ...state, status: 'stopped' }, hasMonitor: true }))
  assert.not.ok(settled({ hasMonitor: true }))
  assert.not.ok(settled({ state, hasMonitor: true }))
  assert.not.ok(settled({ state: { ...state, status: 'starting' }, hasMonitor: true }))
})
Status('an operation says what it wants', () => {
  const running = { ...none, state, hasMonitor: true, isAlive: true, document }
  assert.equal(expectLeft(allowed('remove', running)), {
    _tag: 'WrongStatus',
    container: 'web',
    status: 'running',
    wanted: 'stopped',
  })
  assert.ok(E.isRight(allowed('stop', running)))
  assert.not.ok(worksIn('exec', 'paused'))
  assert.not.ok(worksIn('start', 'running'))
  assert.ok(worksIn('start', 'created'))
})
Status.run()
