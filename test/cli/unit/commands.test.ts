// The smaller verbs against a fake engine: ps, rm, info, version, doctor, explain.
import * as TE from '#fp/TaskEither'
import type { ContainerSummary } from '../../../src/cli/engine.ts'
import type { Digest } from '../../../src/model/digest.ts'
import type { EngineError } from '../../../src/model/errors.ts'
import { assert, suite } from '../../support/suite.ts'
import { call, ended, fakeContainer, fakeContainers, outcomeOf, plainFacts } from '../fake-world.ts'

const test = suite('cli/commands')

const HOUR = 3_600_000
const container = (over: Partial<ContainerSummary>): ContainerSummary => ({
  id: '0123456789abcdef'.repeat(4),
  name: 'web',
  image: 'debian:bookworm',
  imageId: 'sha256:abcd',
  command: ['sleep', 'infinity'],
  status: 'running',
  createdMs: Date.now() - 3 * HOUR,
  startedMs: Date.now() - 2 * HOUR,
  pid: 7,
  labels: { a: 'b', c: '' },
  network: 'none',
  ...over,
})
const running = container({})
const stopped = container({
  id: 'f'.repeat(64),
  name: 'old',
  command: ['sh', '-c', 'echo a very long command line that goes on'],
  status: 'stopped',
  createdMs: Date.now() - 50 * HOUR,
  finishedMs: Date.now() - 49 * HOUR,
  exitCode: 3,
})
const fresh = container({ id: 'e'.repeat(64), name: 'new', status: 'created', createdMs: Date.now() - 200 })
const unknown = container({
  id: 'd'.repeat(64),
  name: 'lost',
  status: 'stopped',
  createdMs: 0,
  finishedMs: Date.now(),
})
const all = [stopped, running, fresh]

const ps = (words: readonly string[], list: readonly ContainerSummary[] | EngineError = all) =>
  outcomeOf(call(['ps', ...words], { answers: { list } }))

test('ps shows what runs, in the columns of Docker', async () => {
  assert.is(
    (await ps([])).stdout,
    'CONTAINER ID   IMAGE             COMMAND            CREATED       STATUS       PORTS     NAMES\n' +
      '0123456789ab   debian:bookworm   "sleep infinity"   3 hours ago   Up 2 hours             web\n',
  )
})

test('ps -a shows all, newest first, and what became of them', async () => {
  const lines = (await ps(['-a'])).stdout.split('\n')
  assert.match(lines[1] ?? '', /^e{12} .*Less than a second ago {3}Created .*new$/)
  assert.match(lines[2] ?? '', /^0123456789ab .*web$/)
  assert.match(lines[3] ?? '', /"sh -c 'echo a very …" {3}2 days ago .*Exited \(3\) 2 days ago .*old$/)
})

test('ps says unknown where no exit code was recorded', async () => {
  assert.ok((await ps(['-a'], [unknown])).stdout.includes('Exited (unknown) Less than a second ago'))
})

test('ps -q prints short ids, and --no-trunc full ones', async () => {
  assert.is((await ps(['-q'])).stdout, '0123456789ab\n')
  assert.is((await ps(['-q', '--no-trunc'])).stdout, `${running.id}\n`)
  assert.ok(
    (await ps(['-a', '--no-trunc'])).stdout.includes(
      '"sh -c \'echo a very long command line that goes on\'"',
    ),
  )
})

test('ps -n and -l count the newest, ended or not', async () => {
  assert.is((await ps(['-n', '2', '-q'])).stdout, `${'e'.repeat(12)}\n0123456789ab\n`)
  assert.is((await ps(['-l', '-q'])).stdout, `${'e'.repeat(12)}\n`)
  for (const none of ['-1', '0']) assert.is((await ps(['-n', none, '-q'])).stdout, '0123456789ab\n')
})

test('ps --format json gives one object per line', async () => {
  const lines = (await ps(['-a', '--format', 'json'])).stdout.trim().split('\n')
  const record = JSON.parse(lines[1] ?? '')
  assert.is(lines.length, 3)
  assert.equal(
    [record.ID, record.Names, record.State, record.Labels, record.Pid],
    ['0123456789ab', 'web', 'running', 'a=b,c=', 7],
  )
})

test('ps --format tells a label by its key', async () => {
  assert.is(
    (await ps(['--format', 'table {{.Names}}\\t{{.Label "a"}}\\t{{.Label "com.x.my-key"}}|'])).stdout,
    'NAMES     a         my key|\nweb       b         |\n',
  )
})

test('ps --format takes templates and tables', async () => {
  assert.is((await ps(['--format', '{{.Names}}:{{.State}}'])).stdout, 'web:running\n')
  assert.is(
    (await ps(['--format', 'table {{.Names}}\\t{{.Image}}'])).stdout,
    'NAMES     IMAGE\nweb       debian:bookworm\n',
  )
  for (const usual of ['table', '']) assert.is((await ps(['--format', usual])).stdout, (await ps([])).stdout)
  const made = [container({ createdMs: Date.UTC(2024, 0, 2, 3, 4, 5, 678), network: 'host' })]
  assert.is(
    (await ps(['--format', '{{.CreatedAt}} {{.Networks}}'], made)).stdout,
    '2024-01-02 03:04:05 +0000 UTC host\n',
  )
})

test('ps tells how well a container is', async () => {
  const status = async (health: ContainerSummary['health']) =>
    (await ps(['--format', '{{.Status}}'], [container(health === undefined ? {} : { health })])).stdout
  assert.is(await status(undefined), 'Up 2 hours\n')
  assert.is(await status('starting'), 'Up 2 hours (health: starting)\n')
  assert.is(await status('healthy'), 'Up 2 hours (healthy)\n')
  assert.is(await status('unhealthy'), 'Up 2 hours (unhealthy)\n')
  const list = [container({ health: 'healthy' }), container({ id: 'e'.repeat(64) })]
  assert.is((await ps(['-q', '-f', 'health=healthy'], list)).stdout, '0123456789ab\n')
  assert.is((await ps(['-q', '-f', 'health=none'], list)).stdout, `${'e'.repeat(12)}\n`)
  assert.match(
    (await ps(['-f', 'health=well'], list)).stderr,
    /health are starting, healthy, unhealthy, none/,
  )
})

test('ps tells mounts by volume or source, and finds containers by them', async () => {
  const mounts = [
    { type: 'volume', source: 'a-volume-with-a-long-name', target: '/data' },
    { type: 'bind', source: '/srv', target: '/srv' },
    { type: 'tmpfs', target: '/tmp' },
  ]
  const list = [container({ mounts }), container({ id: 'e'.repeat(64), name: 'none' })]
  const format = ['--format', '{{.Names}} {{.Mounts}} {{.LocalVolumes}}']
  assert.is((await ps(format, list)).stdout, 'web a-volume-with-…,/srv 1\nnone  0\n')
  assert.is(
    (await ps([...format, '--no-trunc'], list)).stdout,
    'web a-volume-with-a-long-name,/srv 1\nnone  0\n',
  )
  for (const wanted of ['a-volume-with-a-long-name', '/data', '/srv', '/tmp'])
    assert.is((await ps(['-q', '-f', `volume=${wanted}`], list)).stdout, '0123456789ab\n')
  for (const other of ['a-volume', '/dat'])
    assert.is((await ps(['-q', '-f', `volume=${other}`], list)).stdout, '')
})

const ID = 'sha256:abcd' as Digest
const NO_TOTAL = { count: 0, active: 0, sizeBytes: 0, reclaimableBytes: 0 }
test('ps --size counts, and so does a template with that field', async () => {
  const usage = TE.right({
    ...{ images: NO_TOTAL, containers: NO_TOTAL, volumes: NO_TOTAL, otherBytes: 0, perVolume: [] },
    perContainer: [{ id: running.id, sizeBytes: 1500 }],
    perImage: [{ id: ID, sizeBytes: 7_000_000, sharedBytes: 0, uniqueBytes: 0, containers: 1 }],
  })
  const sized = (words: readonly string[], list: readonly ContainerSummary[]) =>
    outcomeOf(call(['ps', ...words], { answers: { list, containers: { usage } } }))
  assert.match((await sized(['-s'], [running])).stdout, / NAMES {5}SIZE\n.* web {7}1.5kB \(virtual 7MB\)\n$/)
  const format = ['--format', '{{.Size}}']
  assert.is((await sized(format, [running])).stdout, '1.5kB (virtual 7MB)\n')
  assert.is((await sized(format, [container({ id: 'e'.repeat(64), imageId: 'host' })])).stdout, '0B\n')
  assert.match((await ps(['-s'])).stderr, /usage/, 'what cannot be counted is told')
  assert.is((await ps(['-s', '-q'])).stdout, '0123456789ab\n', 'and nothing is counted in vain')
})

test('ps refuses a field that does not exist and lists those that do', async () => {
  const { code, stdout, stderr } = await ps(['--format', '{{.Name}}'])
  assert.equal([code, stdout], [1, ''])
  assert.ok(
    stderr.startsWith('slipway: --format: there is no field .Name\n  hint: the fields are ID, Image,'),
  )
})

const FILTERS: readonly (readonly [string, string])[] = [
  ['name=e', 'new web'],
  ['name=/web', 'web'],
  ['id=fff', 'old'],
  ['id=ff', 'old'],
  ['label=a', 'new web old'],
  ['label=a=b', 'new web old'],
  ['label=a=x', ''],
  ['label=constructor', ''],
  ['name=^/web$', 'web'],
  ['name=^w', 'web'],
  ['name=^eb', ''],
  ['name=[wo][el]', 'web old'],
  ['name=[', ''],
  ['network=host', ''],
  ['network=none', 'new web old'],
  ['ancestor=debian', ''],
  ['ancestor=docker.io/library/debian:bookworm', 'new web old'],
  ['ancestor=abc', 'new web old'],
  ['ancestor=sha256:abc', 'new web old'],
  ['ancestor=debian:bookworm', 'new web old'],
  ['ancestor=deb', ''],
  ['before=web', 'old'],
  ['since=0123', 'new'],
  ['status=running', 'web'],
  ['status=paused', ''],
  ['name=new name=old', 'new old'],
  ['name=new status=exited', ''],
  ['label=a label=nope', ''],
]
for (const [filters, names] of FILTERS)
  test(`ps -a with ${filters} shows: ${names || 'nothing'}`, async () => {
    const words = filters.split(' ').flatMap((filter) => ['-f', filter])
    const { stdout } = await ps(['-a', '--format', '{{.Names}}', ...words])
    assert.is(stdout.trim().replaceAll('\n', ' '), names)
  })

test('ps that asks for a state needs no -a', async () => {
  assert.is((await ps(['-f', 'status=exited', '--format', '{{.Names}}'])).stdout, 'old\n')
  assert.is((await ps(['-f', 'exited=3', '--format', '{{.Names}}'])).stdout, 'old\n')
})

for (const [filter, why] of [
  [
    'colour=red',
    'the keys are id, name, ancestor, label, status, health, network, volume, exited, before, since',
  ],
  ['name', 'the form is KEY=VALUE'],
  ['status=gone', 'the states are created, running, exited, restarting, removing, paused, dead, damaged'],
  ['exited=x', 'an exit code is a number'],
  ['since=nobody', 'there is no such container'],
] as const)
  test(`ps refuses the filter ${filter}: ${why}`, async () => {
    const { code, stderr } = await ps(['-f', filter])
    assert.is(code, 1)
    assert.ok(stderr.startsWith(`slipway: --filter "${filter}": ${why}\n`), stderr)
  })

test('ps of an unreadable store is one line and exit code 1', async () => {
  const { code, stderr } = await ps([], { _tag: 'StateDamaged', path: '/x', why: 'not JSON' })
  assert.equal([code, stderr], [1, 'slipway: /x: damaged: not JSON\n'])
})

test('rm removes each and prints it as it was written', async () => {
  const made = call(['rm', 'a', 'b'])
  assert.is(await made.code, 0)
  assert.equal(made.fake.removed, ['a', 'b'])
  assert.is(made.stdout(), 'a\nb\n')
})

const failing = (error: EngineError) => ({
  remove: (name: string) => (name === 'bad' ? error : undefined),
})
const missing = { _tag: 'ContainerNotFound', container: 'bad' } as const
const busy = { _tag: 'WrongStatus', container: 'bad', status: 'running', wanted: 'stopped' } as const

test('rm goes on after a failure and ends with 1', async () => {
  const made = call(['rm', 'bad', 'good'], { answers: failing(busy) })
  assert.is(await made.code, 1)
  assert.equal(made.fake.removed, ['good'])
  assert.is(made.stderr(), 'slipway: container bad is running, not stopped\n')
})

test('rm of a missing container fails, rm -f does not', async () => {
  const plain = call(['rm', 'bad'], { answers: failing(missing) })
  assert.is(await plain.code, 1)
  assert.is(plain.stderr(), 'slipway: no such container: bad\n')
  const forced = call(['rm', '-f', 'bad', 'good'], { answers: failing(missing) })
  assert.is(await forced.code, 0)
  assert.equal([forced.stdout(), forced.stderr()], ['good\n', ''])
})

test('rm -f still fails for other reasons', async () => {
  const made = call(['rm', '-f', 'bad'], { answers: failing({ _tag: 'StateDamaged', path: '/x', why: 'y' }) })
  assert.is(await made.code, 1)
})

test('rm without a name is refused', async () => {
  const made = call(['rm'])
  assert.is(await made.code, 1)
  assert.ok(made.stderr().startsWith('slipway: name a container, or use --all\n'))
})

const each = [running, container({ id: '1'.repeat(64), name: 'held', status: 'paused' }), stopped, fresh]
for (const [words, names] of [
  ['rm -a', 'web held old new'],
  ['stop -a', 'web held'],
  ['restart --all', 'web held'],
  ['kill -a', 'web held'],
  ['pause -a', 'web'],
  ['unpause -a', 'held'],
  ['start --all', 'old new'],
] as const)
  test(`${words} is for: ${names}`, async () => {
    const verb = (name: string) => TE.right({ id: name, name })
    const verbs = { stop: verb, restart: verb, kill: verb, pause: verb, unpause: verb, start: verb }
    const answers = { list: each, containers: { containers: { ...fakeContainers, ...verbs } as never } }
    const { code, stdout } = await outcomeOf(call(words.split(' '), { answers }))
    assert.equal([code, stdout.trim().split('\n').join(' ')], [0, names])
    const both = await outcomeOf(call([...words.split(' '), 'web'], { answers }))
    assert.equal([both.code, both.stdout], [1, ''])
    assert.match(both.stderr, /^slipway: --all and names exclude each other\n/)
    const none = await outcomeOf(call(words.split(' ').slice(0, 1), { answers }))
    assert.match(none.stderr, /^slipway: name a container, or use --all\n/)
    const broken = await outcomeOf(
      call(words.split(' '), {
        answers: { ...answers, list: { _tag: 'StateDamaged', path: '/x', why: 'y' } },
      }),
    )
    assert.equal([broken.code, broken.stderr], [1, 'slipway: /x: damaged: y\n'])
  })

test('start --all attaches to nobody', async () => {
  for (const words of [
    ['start', '-a'],
    ['start', '--all', '-i'],
  ])
    assert.match(
      (await outcomeOf(call(words, { answers: { list: each } }))).stderr,
      /name the container to attach to/,
    )
})

test('version answers the questions scripts ask', async () => {
  const ask = async (words: readonly string[]) => {
    const made = call(['version', ...words])
    await made.code
    return made.stdout()
  }
  assert.match(await ask([]), /^slipway test\n {2}node {6}v20\.0\.0\n/)
  assert.is(await ask(['-f', '{{.Server.Version}} {{.Client.Arch}}']), 'test amd64\n')
  assert.is(JSON.parse(await ask(['-f', 'json'])).Client.NodeVersion, 'v20.0.0')
})

for (const verb of ['version', 'info'])
  test(`${verb} refuses a template it cannot follow`, async () => {
    const made = call([verb, '--format', '{{.Nope}}'])
    assert.is(await made.code, 1)
    assert.is(made.stdout(), '')
    assert.ok(made.stderr().startsWith('slipway: --format: there is no field .Nope'))
  })

test('info shows host and store', async () => {
  const made = call(['info'])
  assert.is(await made.code, 0)
  assert.match(made.stdout(), /^slipway {13}test\nroot {16}\/var\/lib\/slipway\n/)
  assert.ok(made.stdout().includes('containers          3 (1 running)\n'))
  assert.ok(made.stdout().includes('memory              8GiB\n'))
})

test('info answers templates under the names of Docker', async () => {
  const made = call(['info', '-f', '{{.NCPU}} {{.CgroupVersion}} {{.OSType}} {{join .Controllers ","}}'])
  await made.code
  assert.is(made.stdout(), '4 2 linux cpuset,cpu,memory,pids\n')
})

test('info tells every trouble it has', async () => {
  const damaged = { _tag: 'StateDamaged', path: '/s', why: 'y' } as const
  const made = call(['info'], { answers: { facts: { ...damaged, path: '/f' }, store: damaged } })
  assert.is(await made.code, 1)
  assert.is(made.stderr(), 'slipway: /f: damaged: y\nslipway: /s: damaged: y\n')
})

test('doctor on a good host promises everything', async () => {
  const made = call(['doctor'])
  assert.is(await made.code, 0)
  assert.ok(made.stdout().endsWith('\nContainers run here with every guarantee.\n'))
  assert.not(made.stdout().includes('!!'))
})

test('doctor tells what is limited and how to change it, and still succeeds', async () => {
  const facts = { ...plainFacts, canRaiseLimits: false, nofileHard: 4096 }
  const made = call(['doctor'], { answers: { facts }, env: { LANG: 'C.UTF-8' } })
  assert.is(await made.code, 0)
  assert.match(made.stdout(), /\n {2}! Open files {10}our limit is 4096, and CAP_SYS_RESOURCE is not held\n/)
  assert.match(made.stdout(), /to change that, raise it where slipway is started:\n {26}ulimit -Hn 1048576\n/)
  assert.ok(made.stdout().endsWith('\nContainers run here; one guarantee is limited.\n'))
})

test('doctor on a host without rights fails', async () => {
  const made = call(['doctor'], { answers: { facts: { ...plainFacts, euid: 1000, effectiveCaps: 0n } } })
  assert.is(await made.code, 1)
  assert.ok(made.stdout().includes('NO Rights'))
  assert.ok(made.stdout().endsWith('\nContainers cannot run here: a necessary thing is missing.\n'))
})

test('doctor --json gives the findings', async () => {
  const made = call(['doctor', '--json'])
  await made.code
  const diagnosis = JSON.parse(made.stdout())
  assert.is(diagnosis.canRun, true)
  assert.is(diagnosis.findings[0].id, 'rights')
})

test('doctor without facts says why', async () => {
  const made = call(['doctor'], { answers: { facts: { _tag: 'StateDamaged', path: '/f', why: 'y' } } })
  assert.is(await made.code, 1)
  assert.is(made.stderr(), 'slipway: /f: damaged: y\n')
})

test('explain runs the program once, unseen, and shows the steps in order', async () => {
  const made = call(['explain', '-m', '64m', 'host', 'true'])
  assert.is(await made.code, 0)
  const [started] = made.fake.started
  assert.equal([started?.image, started?.argv, started?.options.memory], ['host', ['true'], '64m'])
  assert.equal(
    [started?.options.stdin, started?.options.stdout, started?.options.stderr, started?.options.keep],
    ['ignore', 'ignore', 'ignore', undefined],
  )
  const lines = made.stdout().split('\n')
  assert.match(lines[0] ?? '', /^# {3}side {5}step/)
  assert.match(lines[2] ?? '', /^2 {3}engine {3}clone .* 400\.0 µs {2}#{24}$/)
  assert.equal(lines.slice(-3), [
    'start 1.50 ms, program 1.75 ms, cpu 4.00 ms, peak memory 3MiB',
    'engine 500 µs, child 50 µs, between the steps 950 µs',
    '',
  ])
})

test('explain --json gives the same figures to programs', async () => {
  const made = call(['explain', '--json', 'host', 'true'])
  assert.is(await made.code, 0)
  assert.equal(JSON.parse(made.stdout()).steps, ended().timings.steps)
})

test('explain --runs shows medians, after a start that is not counted', async () => {
  const made = call(['explain', '--runs', '3', 'host', 'true'])
  assert.is(await made.code, 0)
  assert.is(made.fake.started.length, 4)
  assert.ok(made.stdout().endsWith('medians of 3 starts\n'), made.stdout())
  const wrong = call(['explain', '--runs', '0', 'host', 'true'])
  assert.is(await wrong.code, 125)
  assert.match(wrong.stderr(), /^slipway: --runs: 0 is not between 1 and 10000\n/)
})

test('explain --diff runs two lines in turn: the second one has the given flags, too', async () => {
  const made = call([
    'explain',
    '--runs',
    '2',
    '-e',
    'A=1',
    '--diff',
    '--network host -e B=2',
    'host',
    'true',
  ])
  assert.is(await made.code, 0)
  const seen = made.fake.started.map(({ options }) => [options.network, JSON.stringify(options.env)])
  const [without, withFlags] = [
    [undefined, '{"A":"1"}'],
    ['host', '{"A":"1","B":"2"}'],
  ]
  assert.equal(seen, [without, withFlags, without, withFlags, without, withFlags])
  assert.match(made.stdout(), /^ {3}\+\/- µs {5}without {8}with {3}times {3}side {3}step\n/)
  assert.match(
    made.stdout(),
    /\nstart 1\.50 → 1\.50 ms, .* with --network host -e B=2; medians of 2 starts each\n$/,
  )
  const json = call(['explain', '--json', '--diff', '--init', 'host', 'true'])
  assert.is(await json.code, 0)
  const { one, other, steps } = JSON.parse(json.stdout())
  assert.equal([one.runs, other.runs, steps], [20, 20, []])
})

test('explain --diff may take a flag back', async () => {
  const line = [
    'explain',
    '--runs',
    '1',
    '--read-only',
    '-e',
    'A=1',
    '--diff',
    '--read-only=false',
    'host',
    'true',
  ]
  const made = call(line)
  assert.is(await made.code, 0)
  assert.equal(
    made.fake.started.map(({ options }) => [options.readonly === true, JSON.stringify(options.env)]),
    [
      [true, '{"A":"1"}'],
      [false, '{"A":"1"}'],
    ],
  )
})

test('explain --diff says which of its flags is wrong', async () => {
  const made = call(['explain', '--diff', '--nonsense', 'host', 'true'])
  assert.is(await made.code, 125)
  assert.match(made.stderr(), /^slipway: --diff: unknown flag --nonsense/)
  const help = call(['explain', '--diff', '--help', 'host', 'true'])
  assert.is(await help.code, 125)
  assert.match(help.stderr(), /^slipway: --diff: takes no --help/)
})

test('explain tells when the program failed, and still explains', async () => {
  const failed = fakeContainer()
  failed.end({ exitCode: 9 })
  const made = call(['explain', 'host', 'false'], { answers: { start: failed } })
  assert.is(await made.code, 0)
  assert.is(made.stderr(), 'slipway: the program ended with exit code 9\n')
})

test('explain fails as run does', async () => {
  const absent = call(['explain', 'x'], { answers: { start: { _tag: 'ImageNotFound', reference: 'x' } } })
  assert.equal([await absent.code, absent.stderr()], [125, 'slipway: no such image: x\n'])
  const empty = call(['explain'])
  assert.is(await empty.code, 125)
  assert.ok(empty.stderr().startsWith('slipway: IMAGE: '))
})

test('explain takes a line meant for run, except for its streams', async () => {
  assert.is(await call(['explain', '--rm', 'host', 'true']).code, 0)
  const made = call(['explain', '-it', 'host', 'true'])
  assert.is(await made.code, 125)
  assert.ok(
    made
      .stderr()
      .startsWith(
        'slipway: -i (--interactive) is not supported: explain runs the program with its streams closed',
      ),
  )
})

test.run()
