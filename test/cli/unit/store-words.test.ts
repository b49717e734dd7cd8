// commit, diff, export, import, prune, df and check: what is asked of the engine, and what is printed.
import * as TE from '#fp/TaskEither'
import type { ContainerSummary } from '../../../src/cli/engine.ts'
import { digestOf } from '../../../src/model/digest.ts'
import type { EngineError } from '../../../src/model/errors.ts'
import type { DiskUsage, PruneOptions, StoreReport } from '../../../src/model/image-verbs.ts'
import { assert, suite } from '../../support/suite.ts'
import { type Answers, call, outcomeOf, settle } from '../fake-world.ts'

const test = suite('cli/store-words')
const id = digestOf('config')
const said = (words: readonly string[], answers: Answers = {}, env: Record<string, string> = {}) =>
  outcomeOf(call(words, { answers, env }))
const withoutSignal = ({ signal: _, ...options }: { readonly signal?: AbortSignal }) => options

const committing = (asked: unknown[]): Answers => ({
  containers: {
    commit: (container, options = {}) => {
      asked.push([container, withoutSignal(options)])
      return TE.right({ id, digest: id })
    },
  },
})
test('commit prints the id, and hands its flags on', async () => {
  const asked: unknown[] = []
  assert.equal(await said(['commit', 'web'], committing(asked)), { code: 0, stdout: `${id}\n`, stderr: '' })
  const words = ['-a', 'Ada', '-m', 'why', '-c', 'CMD a', '--change=USER b', '-p=false', 'web', 'me/web:1']
  await said(['container', 'commit', ...words], committing(asked), { SOURCE_DATE_EPOCH: '1700000000' })
  await said(['commit', '--no-pause', 'web'], committing(asked))
  assert.equal(asked, [
    ['web', { changes: [], pause: true }],
    [
      'web',
      {
        name: 'me/web:1',
        message: 'why',
        createdMs: 1.7e12,
        changes: ['CMD a', 'USER b'],
        author: 'Ada',
        pause: false,
      },
    ],
    ['web', { changes: [], pause: false }],
  ])
})
test('commit refuses a time that is none, and tells what failed', async () => {
  const { code, stderr } = await said(['commit', 'web'], committing([]), { SOURCE_DATE_EPOCH: 'today' })
  assert.equal(
    [code, stderr.split('\n')[0]],
    [1, 'slipway: SOURCE_DATE_EPOCH: "today": is not a number of seconds'],
  )
  assert.match((await said(['commit', 'nope'])).stderr, /no such container: nope/)
  assert.is((await said(['commit'])).code, 1)
})

test('diff prints a letter and a path, and makes control characters visible', async () => {
  const changes = [
    { kind: 'changed', path: '/etc' },
    { kind: 'added', path: '/etc/a\u001b[2J' },
    { kind: 'deleted', path: '/etc/b' },
  ] as const
  const { stdout } = await said(['diff', 'web'], { containers: { diff: () => TE.right(changes) } })
  assert.is(stdout, 'C /etc\nA /etc/a\\u001b[2J\nD /etc/b\n')
  const images = await said(['image', 'diff', 'a', 'b'], { images: { diff: () => TE.right(changes) } })
  assert.is(images.stdout, stdout)
  assert.is((await said(['diff', 'nope'])).code, 1)
  assert.is((await said(['image', 'diff', 'a'])).code, 1)
})

test('export writes to standard output or a file, and to no terminal', async () => {
  const targets: unknown[] = []
  const answers: Answers = {
    containers: {
      export: (_container, target) => {
        targets.push(target)
        if ('stream' in target) target.stream.write('tar')
        return TE.right(undefined)
      },
    },
  }
  assert.equal(await said(['export', 'web'], answers), { code: 0, stdout: 'tar', stderr: '' })
  await said(['export', '-o', 'web.tar', 'web'], answers)
  assert.equal(targets[1], { path: '/work/web.tar' })
  const made = call(['export', 'web'], { answers, tty: { columns: 80, rows: 24 } })
  assert.is(await made.code, 1)
  assert.match(made.stderr(), /standard output is a terminal/)
})

test('import takes a file, standard input or nothing that is a terminal', async () => {
  const asked: unknown[] = []
  const answers: Answers = {
    images: {
      import: (source, options = {}) => {
        asked.push(['path' in source ? source.path : 'stream', withoutSignal(options)])
        return TE.right({ id, digest: id })
      },
    },
  }
  assert.is((await said(['import', 'x.tar'], answers)).stdout, `${id}\n`)
  await said(
    ['image', 'import', '-c', 'CMD a', '-m', 'why', '--platform', 'linux/arm64', '-', 'a:1'],
    answers,
  )
  await said(['import', 'https://example.org/x.tar'], answers)
  assert.equal(asked, [
    ['/work/x.tar', { changes: [], message: 'Imported from x.tar' }],
    [
      'stream',
      {
        name: 'a:1',
        changes: ['CMD a'],
        message: 'why',
        platform: { os: 'linux', architecture: 'arm64' },
      },
    ],
    ['https://example.org/x.tar', { changes: [], message: 'Imported from https://example.org/x.tar' }],
  ])
  const made = call(['import', '-'], { answers, tty: { columns: 80, rows: 24 } })
  assert.is(await made.code, 1)
  assert.is((await said(['import', '--platform', 'a/b/c/d', '-'], answers)).code, 1)
})

const pruning = (asked: PruneOptions[], deleted: readonly string[] = [id]): Answers => ({
  images: {
    prune: (options = {}) => {
      asked.push(options)
      return TE.right({
        untagged: ['app:1'],
        deleted,
        reclaimedBytes: 1_234_567,
        postponed: deleted.length === 0,
      })
    },
  },
})
test('image prune asks, and only y is a yes', async () => {
  for (const [answer, code] of [
    ['y\n', 0],
    ['Yes\n', 0],
    ['n\n', 1],
    ['\n', 1],
    [undefined, 1],
  ] as const) {
    const asked: PruneOptions[] = []
    const made = call(['image', 'prune'], { answers: pruning(asked) })
    await settle()
    if (answer === undefined) made.keys.end()
    else made.keys.write(answer)
    assert.is(await made.code, code, String(answer))
    assert.is(asked.length, code === 0 ? 1 : 0)
    assert.match(made.stdout(), /^WARNING! This will remove all dangling images\.\nAre you sure/)
  }
})
test('image prune tells what went, and what goes later', async () => {
  const { stdout } = await said(['image', 'prune', '-af'], pruning([]))
  assert.is(stdout, `Deleted Images:\nuntagged: app:1\ndeleted: ${id}\n\nTotal reclaimed space: 1.23MB\n`)
  assert.match((await said(['image', 'prune', '-f'], pruning([], []))).stderr, /go with a later command/)
})
test('image prune reads its conditions', async () => {
  const asked: PruneOptions[] = []
  const filters = ['until=2024-01-02T03:04:05Z', 'label=a=b', 'label!=c', 'until=1700000000'].flatMap(
    (each) => ['--filter', each],
  )
  await said(['image', 'prune', '-f', ...filters], pruning(asked))
  const before = Date.now()
  await said(['image', 'prune', '-f', '--filter', 'until=2160h'], pruning(asked))
  const labels = [
    { key: 'a', value: 'b', not: false },
    { key: 'c', not: true },
  ]
  assert.equal(asked[0], { all: false, untilMs: 1.7e12, labels })
  const ageMs = before - (asked[1]?.untilMs ?? 0)
  assert.ok(Math.abs(ageMs - 2160 * 3_600_000) < 60_000, String(ageMs))
  for (const filter of ['until=soon', 'dangling=true', 'until', 'until!=1h', 'label='])
    assert.is((await said(['image', 'prune', '-f', '--filter', filter], pruning([]))).code, 1, filter)
})

const usage: DiskUsage = {
  images: { count: 2, active: 1, sizeBytes: 4_000_000, reclaimableBytes: 1_000_000 },
  containers: { count: 1, active: 1, sizeBytes: 0, reclaimableBytes: 0 },
  volumes: { count: 2, active: 1, sizeBytes: 5000, reclaimableBytes: 4000 },
  otherBytes: 4096,
  perImage: [
    {
      id,
      reference: 'app:1',
      sizeBytes: 3_000_000,
      sharedBytes: 2_000_000,
      uniqueBytes: 1_000_000,
      containers: 1,
    },
    { sizeBytes: 1, sharedBytes: 0, uniqueBytes: 1, containers: 0 },
  ],
  perContainer: [{ id: 'f'.repeat(64), sizeBytes: 10 }],
  perVolume: [{ name: 'data', sizeBytes: 4000, containers: 0 }],
}
const ended = (name: string, more: Partial<ContainerSummary> = {}): ContainerSummary => ({
  id: name.repeat(64).slice(0, 64),
  name,
  image: 'app:1',
  imageId: 'sha256:1',
  command: ['true'],
  status: 'stopped',
  createdMs: 1e12,
  labels: {},
  ...more,
})
const listed = [
  ended('a'),
  ended('b', { labels: { keep: 'yes' } }),
  ended('c', { createdMs: Date.now() }),
  ended('d', { status: 'running' }),
  ended('e', { status: 'paused' }),
]
const pruningAll = (asked: PruneOptions[] = []): Answers => ({
  ...pruning(asked),
  list: listed,
  containers: {
    usage: TE.right({ ...usage, perContainer: listed.map(({ id }) => ({ id, sizeBytes: 1000 })) }),
  },
})
/** Letters of those that were removed. */
const idsIn = (stdout: string): readonly string[] =>
  [...stdout.matchAll(/^([a-e])\1{63}$/gm)].map(([, letter = '']) => letter)

test('container prune removes what has ended and meets all conditions', async () => {
  const all = await said(['container', 'prune', '-f'], pruningAll())
  assert.match(all.stdout, /^Deleted Containers:\na{64}\nb{64}\nc{64}\n\nTotal reclaimed space: 3kB\n$/)
  for (const [filters, left] of [
    [['label!=keep'], ['a', 'c']],
    [['label=keep=yes'], ['b']],
    [['until=24h'], ['a', 'b']],
    [['until=24h', 'label!=keep'], ['a']],
    [['label=keep=no'], []],
  ] as const) {
    const words = filters.flatMap((filter) => ['--filter', filter])
    const { code, stdout } = await said(['container', 'prune', '-f', ...words], pruningAll())
    assert.equal([code, idsIn(stdout)], [0, left], filters.join(' '))
  }
  assert.is((await said(['container', 'prune', '-f', '--filter', 'name=a'], pruningAll())).code, 1)
})
test('container prune also removes what was made and never ran', async () => {
  const { stdout } = await said(['container', 'prune', '-f'], {
    ...pruningAll(),
    list: [ended('a', { status: 'created' }), ended('b', { status: 'restarting' })],
  })
  assert.equal(idsIn(stdout), ['a'])
})
test('prune passes over a container that another command removes, and tells of any other failure', async () => {
  const removing = (error: EngineError): Answers => ({
    ...pruningAll(),
    remove: (name) => (name.startsWith('a') ? error : undefined),
  })
  const gone = await said(
    ['container', 'prune', '-f'],
    removing({ _tag: 'ContainerNotFound', container: 'a' }),
  )
  assert.equal([gone.code, idsIn(gone.stdout)], [0, ['b', 'c']])
  const failed = await said(
    ['system', 'prune', '-f'],
    removing({ _tag: 'StateDamaged', path: '/x', why: 'y' }),
  )
  assert.equal([failed.code, failed.stderr], [1, 'slipway: /x: damaged: y\n'])
})
test('system prune removes containers first, then images, by the same conditions', async () => {
  const asked: PruneOptions[] = []
  const { stdout } = await said(
    ['system', 'prune', '-af', '--volumes', '--filter', 'label=keep'],
    pruningAll(asked),
  )
  assert.is(
    stdout,
    `Deleted Containers:\n${'b'.repeat(64)}\n\nDeleted Images:\nuntagged: app:1\ndeleted: ${id}\n\nTotal reclaimed space: 1.24MB\n`,
  )
  assert.equal(asked, [{ all: true, labels: [{ key: 'keep', not: false }] }])
})
test('system prune and container prune ask before', async () => {
  for (const [words, warning] of [
    [['system', 'prune'], /stopped containers\n {2}- all dangling images\n\nAre you sure/],
    [['system', 'prune', '-a'], /- all images without at least one container/],
    [['container', 'prune'], /^WARNING! This will remove all stopped containers\.\nAre you sure/],
  ] as const) {
    const made = call(words, { answers: pruningAll() })
    await settle()
    made.keys.write('n\n')
    assert.equal([await made.code, made.fake.removed], [1, []])
    assert.match(made.stdout(), warning)
  }
})

const measured: Answers = { containers: { usage: TE.right(usage) } }
test('system df has Docker columns, a template, and a page with everything', async () => {
  assert.equal((await said(['system', 'df'], measured)).stdout.split('\n'), [
    'TYPE            TOTAL     ACTIVE    SIZE      RECLAIMABLE',
    'Images          2         1         4MB       1MB (25%)',
    'Containers      1         1         0B        0B',
    'Local Volumes   2         1         5kB       4kB (80%)',
    'Other           0         0         4.1kB     0B (0%)',
    '',
  ])
  assert.is(
    (await said(['system', 'df', '--format', '{{.Type}}={{.Size}}'], measured)).stdout,
    'Images=4MB\nContainers=0B\nLocal Volumes=5kB\nOther=4.1kB\n',
  )
  const page = (await said(['system', 'df', '-v'], measured)).stdout
  assert.match(
    page,
    /\napp +1 +[0-9a-f]{12} +N\/A +3MB +2MB +1MB +1\n<none> +<none> +<none> +N\/A +1B +0B +1B +0\n/,
  )
  assert.match(page, /ffffffffffff +<none> +gone +10B/)
  assert.match(page, /\ndata +0 +4kB\n/)
  for (const words of [
    ['-v', '--format', 'json'],
    ['--format', '{{.Nope}}'],
  ])
    assert.is((await said(['system', 'df', ...words], measured)).code, 1)
  assert.is((await said(['system', 'df'])).code, 1)
})

const checking = (problems: StoreReport['problems'], asked: unknown[] = []): Answers => ({
  images: {
    check: (options = {}) => {
      asked.push(withoutSignal(options))
      return TE.right({ checked: { blobs: 3, records: 1, layers: 1, stacks: 1 }, problems })
    },
  },
})
test('system check ends with 0 when all is well or healed, and else with 1', async () => {
  const asked: unknown[] = []
  const healed = { what: 'layer x', why: 'C/etc', healed: true, remedy: 'made again' }
  const broken = { what: 'blob y', why: 'gone', healed: false, remedy: 'pull it' }
  const sound = await said(['system', 'check'], checking([], asked))
  assert.equal(sound, { code: 0, stdout: '3 blobs, 1 records, 1 layers, 1 trees: all sound\n', stderr: '' })
  assert.is((await said(['system', 'check', '--quick'], checking([healed], asked))).code, 0)
  const bad = await said(['system', 'check', '--dry-run'], checking([healed, broken], asked))
  assert.is(bad.code, 1)
  assert.is(
    bad.stdout,
    'healed: layer x: C/etc\n  made again\nBROKEN: blob y: gone\n  pull it\n3 blobs, 1 records, 1 layers, 1 trees: 1 healed, 1 broken\n',
  )
  assert.equal(asked, [
    { heal: true, trees: true },
    { heal: true, trees: false },
    { heal: false, trees: true },
  ])
  const failed: Answers = {
    images: { check: () => TE.left<EngineError>({ _tag: 'StateDamaged', path: '/x', why: 'y' }) },
  }
  assert.is((await said(['system', 'check'], failed)).code, 1)
})
test.run()
