import * as E from '#fp/Either'
import {
  type ContainerDocument,
  decodeContainerDocument,
  encodeContainerDocument,
} from '../../src/model/container-document.ts'
import type { ContainerFacts } from '../../src/model/container-status.ts'
import type { ExitRecord, MonitorState } from '../../src/model/monitor-state.ts'
import {
  changedRequest,
  type DecodedChanges,
  decodeReplaceChanges,
  decodeReplacement,
  decodeReplaceOptions,
  verdictOf,
} from '../../src/model/replacement.ts'
import { expectLeft, expectRight } from '../support/either.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('model/replacement')

const health = {
  argv: ['true'],
  intervalMs: 1000,
  timeoutMs: 1000,
  startPeriodMs: 0,
  startIntervalMs: 1000,
  retries: 3,
  onUnhealthy: 'none',
} as const
const document: ContainerDocument = {
  version: 1,
  id: 'ab'.repeat(32),
  name: 'web',
  createdMs: 1_700_000_000_000,
  image: { reference: 'app:1', id: `sha256:${'0'.repeat(64)}` },
  argv: ['serve'],
  command: ['node', 'serve'],
  options: {
    name: 'web',
    env: { A: '1', B: '1' },
    labels: { one: '1' },
    security: { noNewPrivileges: true },
    memory: 1 << 26,
    mounts: [
      { type: 'tmpfs', target: '/a' },
      { type: 'volume', target: '/b', source: 'kept' },
    ],
  },
  policies: {
    restart: { name: 'always', most: 0 },
    log: { form: 'compact', maxBytes: 1e7, maxFiles: 3, blocking: false },
    stdin: true,
    stopMs: 1000,
    autoRemove: false,
  },
  stopSignal: 'SIGTERM',
}
const LIMITS = { lastCap: 40 } as unknown as Parameters<typeof decodeReplaceChanges>[1]
const changes = (given: object): DecodedChanges => expectRight(decodeReplaceChanges(given, LIMITS))

test('without changes all stays but the name it has meanwhile', () => {
  const request = changedRequest(document, changes({}), 'web.new')
  assert.equal(request.options, { ...document.options, name: 'web.new' })
  assert.equal(request.policies, document.policies)
  assert.equal(request.argv, ['serve'])
})
test('tables are added up, mounts by their target, and everything else is replaced', () => {
  const { options, policies, argv } = changedRequest(
    document,
    changes({
      argv: ['other'],
      env: { B: '2' },
      labels: { two: '2' },
      memory: '32MiB',
      mounts: [{ type: 'tmpfs', target: '/b' }],
      restart: 'on-failure:2',
    }),
    'web.new',
  )
  assert.equal(options.env, { A: '1', B: '2' })
  assert.equal(options.labels, { one: '1', two: '2' })
  assert.equal(options.security, { noNewPrivileges: true })
  assert.is(options.memory, 1 << 25)
  assert.equal(
    options.mounts?.map(({ type, target }) => [type, target]),
    [
      ['tmpfs', '/a'],
      ['tmpfs', '/b'],
    ],
  )
  assert.equal(policies, { ...document.policies, restart: { name: 'on-failure', most: 2 } })
  assert.equal(argv, ['other'])
})
test('what was asked of a health check stays, another one takes its place, and none is none', () => {
  const asked = {
    ...document,
    askedHealth: { command: ['CMD-SHELL', 'true'] },
  } as unknown as ContainerDocument
  assert.equal(changedRequest(asked, changes({}), 'n').health, asked.askedHealth)
  assert.is(changedRequest(asked, changes({ health: false }), 'n').health, false)
  assert.is(changedRequest(document, changes({}), 'n').health, undefined)
})
for (const [given, option] of [
  [{ name: 'other' }, 'name'],
  [{ memory: 'much' }, 'memory'],
  [{ argv: 'serve' }, 'argv'],
  [{ unheardOf: 1 }, 'unheardOf'],
] as const)
  test(`${JSON.stringify(given)} is refused by its name`, () => {
    const error = expectLeft(decodeReplaceChanges(given, LIMITS))
    assert.is(error._tag, 'InvalidOption')
    if (error._tag === 'InvalidOption') assert.is(error.option, option)
  })
test('times have defaults, and take units', () => {
  assert.equal(expectRight(decodeReplaceOptions({})), { timeoutMs: 60_000, graceMs: 5000 })
  assert.equal(expectRight(decodeReplaceOptions({ timeout: '2m', grace: 10 })), {
    timeoutMs: 120_000,
    graceMs: 10,
  })
  assert.is(expectLeft(decodeReplaceOptions({ grace: 'soon' }))._tag, 'InvalidOption')
})
test('a document that supersedes another one is read as it was written', () => {
  const written = { ...document, supersedes: 'cd'.repeat(32), askedHealth: false as const }
  assert.equal(expectRight(decodeContainerDocument(encodeContainerDocument(written), 'f')), written)
  const damaged = encodeContainerDocument({ ...document, supersedes: 'web' })
  assert.is(expectLeft(decodeContainerDocument(damaged, 'f'))._tag, 'StateDamaged')
})
test('a text that is cut short is no replacement', () => {
  const text = JSON.stringify({
    version: 1,
    old: 'ab'.repeat(32),
    temporary: 'web.1',
    ran: true,
    holder: { pid: 1, startTime: '2' },
  })
  assert.ok(E.isRight(decodeReplacement(text, 'f')))
  for (let length = 0; length < text.length; length++)
    assert.ok(E.isLeft(decodeReplacement(text.slice(0, length), 'f')), text.slice(0, length))
})

const running = (more: Partial<MonitorState> = {}): ContainerFacts => ({
  state: {
    version: 1,
    id: document.id,
    bootId: 'b',
    status: 'running',
    monitorPid: 1,
    pid: 2,
    startTime: 3,
    begunMs: 1000,
    restarts: 0,
    ...more,
  } as MonitorState,
  hasMonitor: true,
  isAlive: true,
  isFrozen: false,
})
const exited: ContainerFacts = {
  exit: { exitCode: 3, begunMs: 1, endedMs: 2 } as ExitRecord,
  hasMonitor: false,
  isAlive: false,
  isFrozen: false,
}
for (const [what, facts, checked, nowMs, verdict] of [
  ['runs for less than the grace', running(), false, 1400, undefined],
  ['runs for the grace', running(), false, 1500, true],
  ['is checked and starting', running({ health: { status: 'starting', failing: 0 } }), true, 9000, undefined],
  ['is checked, and nothing is known', running(), true, 9000, undefined],
  ['is healthy', running({ health: { status: 'healthy', failing: 0 } }), true, 1001, true],
  ['is unhealthy', running({ health: { status: 'unhealthy', failing: 3 } }), true, 1001, 'became unhealthy'],
  ['has ended', exited, false, 9000, 'ended with exit code 3'],
  ['was started again', running({ restarts: 1 }), false, 9000, 'ended'],
] as const)
  test(`one that ${what}`, () => {
    const found = verdictOf({ ...facts, document: checked ? { ...document, health } : document }, 500, nowMs)
    assert.is(found?.good === false ? found.why : found?.good, verdict)
  })
test.run()
