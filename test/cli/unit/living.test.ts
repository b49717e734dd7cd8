// The verbs on containers that run: what they ask of the engine, print, and end with.
import * as TE from '#fp/TaskEither'
import type { EngineForCli } from '../../../src/cli/engine.ts'
import type { LogEntry, StatsRound } from '../../../src/fp.ts'
import type { EngineError } from '../../../src/model/errors.ts'
import { assert, suite } from '../../support/suite.ts'
import { type CallOptions, call, fakeContainers, outcomeOf } from '../fake-world.ts'

const test = suite('cli/living')

type Verbs = EngineForCli['containers']
const using = (verbs: Partial<Verbs>, options: CallOptions = {}): CallOptions => ({
  ...options,
  answers: { containers: { containers: { ...fakeContainers, ...verbs } } },
})
const ended = (words: readonly string[], options: CallOptions) => outcomeOf(call(words, options))
const missing = (container: string): EngineError => ({ _tag: 'ContainerNotFound', container })

for (const verb of ['pause', 'unpause', 'kill'] as const)
  test(`${verb} prints each name that is done, and goes on after a failure`, async () => {
    const one = (name: string) => (name === 'b' ? TE.left(missing(name)) : TE.right(`id of ${name}`))
    assert.equal(await ended([verb, 'a', 'b', 'c'], using({ [verb]: one })), {
      code: 1,
      stdout: 'a\nc\n',
      stderr: 'slipway: no such container: b\n',
    })
    assert.is((await ended(['container', verb, 'a'], using({ [verb]: one }))).code, 0)
  })

test('kill hands the signal on as it was written', async () => {
  const asked: unknown[] = []
  const kill: Verbs['kill'] = (name, signal) => {
    asked.push([name, signal])
    return TE.right(name)
  }
  await ended(['kill', 'a'], using({ kill }))
  await ended(['kill', '-s', 'HUP', 'a'], using({ kill }))
  await ended(['kill', '--signal=9', 'a'], using({ kill }))
  assert.equal(asked, [
    ['a', undefined],
    ['a', 'HUP'],
    ['a', '9'],
  ])
})

test('rename prints nothing', async () => {
  const asked: string[] = []
  const rename: Verbs['rename'] = (from, to) => {
    asked.push(from, to)
    return TE.right('id')
  }
  assert.equal(await ended(['rename', 'a', 'b'], using({ rename })), { code: 0, stdout: '', stderr: '' })
  assert.equal(asked, ['a', 'b'])
  const refused = await ended(
    ['rename', 'a', '/b'],
    using({ rename: () => TE.left({ _tag: 'InvalidOption', option: 'newName', value: '/b', why: 'no' }) }),
  )
  assert.equal(refused, { code: 1, stdout: '', stderr: 'slipway: NEW_NAME: "/b": no\n' })
})

test('wait prints the codes in the order of the words, -1 for one nobody knows', async () => {
  const codes: Readonly<Record<string, number>> = { a: 3, b: -1, c: 0 }
  const wait: Verbs['wait'] = (name) => {
    const code = codes[name]
    return code === undefined ? TE.left(missing(name)) : TE.right(code)
  }
  assert.equal(await ended(['wait', 'a', 'x', 'b', 'c'], using({ wait })), {
    code: 1,
    stdout: '3\n-1\n0\n',
    stderr: 'slipway: no such container: x\n',
  })
})

test('an interrupted wait ends with the signal', async () => {
  const wait: Verbs['wait'] = () => () => new Promise(() => {})
  const running = call(['wait', 'a', 'b'], using({ wait }))
  while (!running.signal('SIGINT')) await new Promise((resolve) => setTimeout(resolve, 1))
  assert.equal([await running.code, running.stdout(), running.stderr()], [130, '', ''])
})

test('top has docker’s columns of twenty', async () => {
  const asked: unknown[] = []
  const top: Verbs['top'] = (name, words) => {
    asked.push([name, words])
    return TE.right({ titles: ['PID', 'CMD'], processes: [['12', 'sh -c \u001b[31m']] })
  }
  const shown = await ended(['top', 'web', '-o', 'pid,args'], using({ top }))
  assert.is(shown.stdout, `PID                 CMD\n12                  sh -c \\u001b[31m\n`)
  assert.equal(asked, [['web', ['-o', 'pid,args']]])
})

test('update takes docker’s flags', async () => {
  const asked: unknown[] = []
  const update: Verbs['update'] = (name, options) => {
    asked.push(options)
    return TE.right(name)
  }
  const words = '-m 100m --memory-swap -1 --cpus 1.5 --cpuset-cpus 0 --pids-limit 5 --blkio-weight 300 -c 512'
  assert.is((await ended(['update', ...words.split(' '), 'web'], using({ update }))).stdout, 'web\n')
  await ended(['update', '--cpu-quota', '20000', '--cpu-period', '10000', 'web'], using({ update }))
  await ended(['update', '--restart', 'on-failure:3', 'web'], using({ update }))
  assert.equal(asked, [
    { blkioWeight: 300, cpus: 1.5, cpuShares: 512, cpusetCpus: '0', memory: '100m', memorySwap: -1, pids: 5 },
    { cpus: 2 },
    { restart: 'on-failure:3' },
  ])
  for (const [flags, why] of [
    ['', /at least one limit or a restart policy must be given/],
    ['--cpu-period 5', /--cpu-period needs --cpu-quota/],
    ['--cpus 1 --cpu-quota 5', /cannot be combined/],
    ['--restart=', /must be given/],
    ['--kernel-memory 5m', /not supported: Linux/],
  ] as const) {
    const refused = await ended(['update', ...flags.split(' ').filter(Boolean), 'web'], using({ update }))
    assert.is(refused.code, 1)
    assert.match(refused.stderr, why)
  }
})

const sample = {
  systemCpuNs: 1,
  onlineCpus: 2,
  memoryLimitBytes: 64 * 2 ** 20,
  memoryBytes: 1.5 * 2 ** 20,
  atMs: 1,
}
const round = (cpuPercent?: number): StatsRound => ({
  stats: [
    {
      ...sample,
      id: 'f'.repeat(64),
      name: 'web',
      pids: 3,
      memoryPercent: 2.34375,
      networkRxBytes: 1234,
      blockWriteBytes: 5e6,
      ...(cpuPercent === undefined ? {} : { cpuPercent }),
    },
  ],
  stopped: [
    {
      version: 1,
      id: 'e'.repeat(64),
      name: 'done',
      engine: 'a',
      bootId: 'b',
      image: 'i',
      imageId: 'i',
      command: [],
      labels: {},
      createdMs: 1,
      groups: [],
      keep: true,
      status: 'stopped',
    },
  ],
})
async function* rounds(...given: readonly StatsRound[]) {
  yield* given
}

test('stats are docker’s table', async () => {
  const stats: Verbs['stats'] = () => TE.right(rounds(round(12.345)))
  const shown = await ended(['stats', '--no-stream'], using({ stats }))
  assert.equal(shown.stdout.split('\n'), [
    'CONTAINER ID   NAME      CPU %     MEM USAGE / LIMIT   MEM %     NET I/O       BLOCK I/O   PIDS',
    'ffffffffffff   web       12.35%    1.5MiB / 64MiB      2.34%     1.23kB / 0B   0B / 5MB    3',
    'eeeeeeeeeeee   done      0.00%     0B / 0B             0.00%     0B / 0B       0B / 0B     0',
    '',
  ])
  const named = await ended(
    ['stats', '--no-stream', '--no-trunc', '--format', '{{.ID}} {{.PIDs}}'],
    using({ stats }),
  )
  assert.is(named.stdout, `${'f'.repeat(64)} 3\n${'e'.repeat(64)} 0\n`)
  const wrong = await ended(['stats', '--no-stream', '--format', '{{.Nope}}'], using({ stats }))
  assert.is(wrong.code, 1)
  assert.match(wrong.stderr, /no field .Nope.*\n.*the fields are Container, ID/)
})

test('stats say what they were asked for', async () => {
  const asked: unknown[] = []
  const stats: Verbs['stats'] = (names, { signal: _, ...options } = {}) => {
    asked.push([names, options])
    return TE.right(rounds())
  }
  await ended(['stats'], using({ stats }))
  await ended(['stats', '-a', '--no-stream', 'x', 'y'], using({ stats }))
  assert.equal(asked, [
    [[], { stream: true }],
    [['x', 'y'], { stream: false, all: true }],
  ])
})

test('on a terminal each table is drawn over the one before, no wider or longer than the window', async () => {
  const stats: Verbs['stats'] = () => TE.right(rounds(round(), round(5)))
  const shown = await ended(['stats'], using({ stats }, { tty: { columns: 30, rows: 3 } }))
  const [before = '', first = '', second = ''] = shown.stdout.split('\u001b[H')
  assert.is(before, '\u001b[2J')
  assert.is(first, 'CONTAINER ID   NAME      CPU %\u001b[K\nffffffffffff   web       --   \u001b[K\n\u001b[J')
  assert.match(second, /web {7}5\.00/)
  const piped = await ended(['stats'], using({ stats }))
  assert.not.ok(piped.stdout.includes('\u001b'))
})

async function* batches(...given: readonly (readonly LogEntry[])[]) {
  yield* given
}
const line = (text: string, stream: 'stdout' | 'stderr' = 'stdout'): LogEntry => ({
  _tag: 'Line',
  stream,
  timeNs: 1_767_323_045_123_456_789n,
  bytes: Buffer.from(text),
  partial: false,
  continues: false,
})

test('logs keep the streams apart, and tell what is missing on standard error', async () => {
  const lost: LogEntry = { _tag: 'Dropped', stream: 'stdout', timeNs: 0n, lostBytes: 12n }
  const logs: Verbs['logs'] = () =>
    TE.right(batches([line('a\n'), line('e\n', 'stderr')], [lost, line('b\n')]))
  assert.equal(await ended(['logs', 'web'], using({ logs })), {
    code: 0,
    stdout: 'a\nb\n',
    stderr:
      'e\nslipway: 12 bytes of stdout were lost here, at 1970-01-01T00:00:00.000000000Z: the disk did not keep up\n',
  })
  const timed = await ended(['logs', '-t', 'web'], using({ logs }))
  assert.is(timed.stdout, '2026-01-02T03:04:05.123456789Z a\n2026-01-02T03:04:05.123456789Z b\n')
})

test('logs hand docker’s flags on', async () => {
  const asked: unknown[] = []
  const logs: Verbs['logs'] = (_, { signal: __, ...options } = {}) => {
    asked.push(options)
    return TE.right(batches())
  }
  await ended(['logs', 'web'], using({ logs }))
  await ended(['logs', '-f', '-n', '5', '--since', '10m', '--until=2026-01-02', 'web'], using({ logs }))
  await ended(['logs', '--tail', 'all', 'web'], using({ logs }))
  await ended(['logs', '--tail=-1', 'web'], using({ logs }))
  assert.equal(asked, [
    { follow: false },
    { follow: true, tail: 5, since: '10m', until: '2026-01-02' },
    { follow: false },
    { follow: false },
  ])
  const wrong = await ended(['logs', '--tail', 'some', 'web'], using({ logs }))
  assert.equal(
    [wrong.code, wrong.stderr.split('\n')[0]],
    [1, `slipway: --tail: "some" is neither a number nor 'all'`],
  )
})

test('a paused container is shown as one', async () => {
  const list = [
    {
      id: 'a'.repeat(64),
      name: 'web',
      image: 'i',
      imageId: 'sha256:1',
      command: [],
      status: 'paused',
      createdMs: Date.now(),
      labels: {},
    },
  ] as const
  const format = ['--format', '{{.Names}} {{.State}} {{.Status}}']
  assert.match(
    (await ended(['ps', ...format], { answers: { list } })).stdout,
    /^web paused Up .* \(Paused\)\n$/,
  )
  assert.match((await ended(['ps', '-f', 'status=paused', ...format], { answers: { list } })).stdout, /^web/)
  assert.is((await ended(['ps', '-f', 'status=running', ...format], { answers: { list } })).stdout, '')
})

test.run()
