// volume create, ls, inspect, rm, prune, export, import, and system prune: what they ask an engine for, and what they print.
import * as TE from '#fp/TaskEither'
import type { VolumeInfo } from '../../../src/fp.ts'
import type { EngineError } from '../../../src/model/errors.ts'
import { assert, suite } from '../../support/suite.ts'
import { type Answers, call, outcomeOf } from '../fake-world.ts'

const test = suite('cli/volumes')

const volume = (name: string, more: Partial<VolumeInfo> = {}): VolumeInfo => ({
  name,
  driver: 'local',
  driverOptions: {},
  labels: {},
  createdMs: 1_700_000_000_000,
  anonymous: false,
  mountpoint: `/var/lib/slipway/volumes/${name}/_data`,
  usedBy: [],
  ...more,
})

const said = async (argv: readonly string[], answers: Answers = {}, keys = '') => {
  const made = call(argv, { answers })
  made.keys.end(keys)
  return outcomeOf(made)
}

test('create passes on what was given, and prints the name', async () => {
  const asked: unknown[] = []
  const answers: Answers = {
    volumes: {
      create: (options) => {
        asked.push(options)
        return TE.right(volume(options?.name ?? 'drawn'))
      },
    },
  }
  assert.equal(await said(['volume', 'create', 'data'], answers), { code: 0, stdout: 'data\n', stderr: '' })
  assert.is((await said(['volume', 'create'], answers)).stdout, 'drawn\n')
  await said(
    ['volume', 'create', '-d', 'local', '--label', 'a=b', '-o', 'type=nfs', '-o', 'device=:/x', '-o', 'o=ro'],
    answers,
  )
  assert.equal(asked, [
    { name: 'data' },
    {},
    { driverOptions: { type: 'nfs', device: ':/x', o: 'ro' }, labels: { a: 'b' } },
  ])
  const other = await said(['volume', 'create', '-d', 'nfs'], answers)
  assert.is(other.code, 1)
  assert.match(other.stderr, /^slipway: --driver nfs: volumes have the driver local alone\n/)
  assert.is((await said(['volume', 'create', 'x'])).code, 1)
})

const three: Answers = {
  volumes: {
    list: () =>
      TE.right([
        volume('cache', { labels: { a: 'b' } }),
        volume('data', { usedBy: ['web'] }),
        volume('f'.repeat(64), { anonymous: true }),
      ]),
  },
}
test('ls has Docker columns, quiet names, templates and filters', async () => {
  assert.is(
    (await said(['volume', 'ls'], three)).stdout,
    `DRIVER    VOLUME NAME\nlocal     cache\nlocal     data\nlocal     ${'f'.repeat(64)}\n`,
  )
  const names = async (...filters: string[]) =>
    (await said(['volume', 'ls', '-q', ...filters.flatMap((filter) => ['-f', filter])], three)).stdout.trim()
  assert.is(await names('dangling=false'), 'data')
  assert.is(await names('dangling=true', 'name=ac'), 'cache')
  assert.is(await names('name=^(cache|dat)$'), 'cache')
  assert.is(await names('name=*'), '')
  assert.is(await names('label=a'), 'cache')
  assert.is(await names('label=a=c'), '')
  assert.is(await names('driver=local', 'name=data'), 'data')
  assert.is(await names('driver=nfs'), '')
  const line = await said(['volume', 'list', '--format', '{{.Name}} {{.Links}} {{.Labels}}'], three)
  assert.is(line.stdout.split('\n')[1], 'data 1 ')
  assert.is(
    (await said(['volume', 'ls', '--format', 'table {{.Name}}\t{{.Label "a"}}', '-f', 'name=c'], three))
      .stdout,
    'VOLUME NAME   a\ncache         b\n',
  )
  for (const filter of ['dangling=maybe', 'colour=red', 'name'])
    assert.is((await said(['volume', 'ls', '-f', filter], three)).code, 1, filter)
  assert.is((await said(['volume', 'ls', '--format', '{{.Nope}}'], three)).code, 1)
})

test('a damaged one is listed with its status, and named by a prune', async () => {
  const damage: EngineError = { _tag: 'StateDamaged', path: '/v/bad/volume.json', why: 'is no JSON' }
  const volumes = { list: () => TE.right([volume('bad', { damage }), volume('good')]) }
  assert.is(
    (await said(['volume', 'ls'], { volumes })).stdout,
    'DRIVER    VOLUME NAME   STATUS\nlocal     bad           damaged\nlocal     good\n',
  )
  const id = 'c'.repeat(64)
  const damaged = {
    id,
    name: 'web',
    image: '',
    imageId: '',
    command: [],
    createdMs: 1,
    status: 'damaged',
    damage,
    labels: {},
  } as const
  const answers: Answers = {
    list: [damaged],
    volumes: { ...volumes, prune: () => TE.right({ removed: [], reclaimedBytes: 0 }) },
  }
  const ofContainer =
    'slipway: container web is damaged, and nobody knows which images and volumes it has: all are kept until slipway rm -f cccccccccccc removes it\n'
  const ofVolume = 'slipway: volume bad is damaged and kept: slipway volume rm -f bad removes it\n'
  assert.is((await said(['volume', 'prune', '-f'], answers)).stderr, ofContainer + ofVolume)
  assert.is((await said(['image', 'prune', '-f'], answers)).stderr, ofContainer)
  assert.is((await said(['system', 'prune', '-f'], answers)).stderr, ofContainer)
  assert.is((await said(['system', 'prune', '-f', '--volumes'], answers)).stderr, ofContainer + ofVolume)
})

test('inspect has Docker fields, shows what it found, and fails for the rest', async () => {
  const answers: Answers = {
    volumes: {
      inspect: (name) =>
        name === 'data'
          ? TE.right(volume('data', { driverOptions: { type: 'tmpfs' }, usedBy: ['web'] }))
          : TE.left({ _tag: 'VolumeNotFound', volume: name }),
    },
  }
  const found = await said(['volume', 'inspect', 'data', 'gone'], answers)
  assert.is(found.code, 1)
  assert.match(found.stderr, /^slipway: no such volume: gone\n/)
  assert.equal(JSON.parse(found.stdout), [
    {
      CreatedAt: '2023-11-14T22:13:20.000Z',
      Driver: 'local',
      Labels: {},
      Mountpoint: '/var/lib/slipway/volumes/data/_data',
      Name: 'data',
      Options: { type: 'tmpfs' },
      Scope: 'local',
      Anonymous: false,
      Containers: ['web'],
    },
  ])
  assert.equal(await said(['volume', 'inspect', '-f', '{{.Mountpoint}}', 'data'], answers), {
    code: 0,
    stdout: '/var/lib/slipway/volumes/data/_data\n',
    stderr: '',
  })
  assert.is((await said(['volume', 'inspect', '-f', '{{', 'data'], answers)).code, 1)
  assert.is((await said(['volume', 'inspect', '-f', '{{.Nope}}', 'data'], answers)).code, 1)
})

test('rm goes on after a failure, and with --force a missing one is none', async () => {
  const asked: unknown[] = []
  const answers: Answers = {
    volumes: {
      remove: (name, options) => {
        asked.push([name, options])
        return name === 'busy'
          ? TE.left({ _tag: 'VolumeInUse', volume: name, by: ['web'] })
          : TE.right(undefined)
      },
    },
  }
  const removed = await said(['volume', 'rm', '-f', 'busy', 'data'], answers)
  assert.equal(removed, {
    code: 1,
    stdout: 'data\n',
    stderr:
      'slipway: volume busy: in use by web\n  hint: remove these containers first; one that was kept still has the volume\n',
  })
  assert.equal(asked, [
    ['busy', { force: true }],
    ['data', { force: true }],
  ])
})

test('prune asks first, and takes conditions', async () => {
  const asked: unknown[] = []
  const answers: Answers = {
    volumes: {
      prune: (options) => {
        asked.push(options)
        return TE.right({ removed: ['a', 'b'], reclaimedBytes: 2000 })
      },
    },
  }
  const no = await said(['volume', 'prune'], answers, 'n\n')
  assert.is(no.code, 1)
  assert.match(
    no.stdout,
    /^WARNING! This will remove anonymous local volumes not used by at least one container\.\n/,
  )
  assert.is(asked.length, 0)
  const yes = await said(['volume', 'prune', '-a'], answers, 'y\n')
  assert.match(yes.stdout, /Deleted Volumes:\na\nb\n\nTotal reclaimed space: 2kB\n$/)
  await said(['volume', 'prune', '-f', '--filter', 'all=1', '--filter', 'label!=x'], answers)
  assert.equal(asked, [
    { all: true, labels: [] },
    { all: true, labels: [{ key: 'x', not: true }] },
  ])
  assert.is((await said(['volume', 'prune', '-f', '--filter', 'colour=red'], answers)).code, 1)
  const failing: EngineError = { _tag: 'SyscallFailed', step: 'rename', errno: 5 }
  assert.is((await said(['volume', 'prune', '-f'], { volumes: { prune: () => TE.left(failing) } })).code, 1)
})

test('export writes to standard output or a file, import reads from standard input or a file', async () => {
  const asked: unknown[] = []
  const answers: Answers = {
    volumes: {
      export: (name, target) => {
        asked.push([name, 'path' in target ? target.path : 'stream'])
        return TE.right(undefined)
      },
      import: (name, source) => {
        asked.push([name, 'path' in source ? source.path : 'stream'])
        return TE.right(volume(name))
      },
    },
  }
  assert.is((await said(['volume', 'export', 'data'], answers)).code, 0)
  assert.is((await said(['volume', 'export', '-o', 'out.tar', 'data'], answers)).code, 0)
  assert.equal(await said(['volume', 'import', 'data'], answers), { code: 0, stdout: 'data\n', stderr: '' })
  assert.is((await said(['volume', 'import', 'data', '/in.tar'], answers)).code, 0)
  assert.equal(asked, [
    ['data', 'stream'],
    ['data', '/work/out.tar'],
    ['data', 'stream'],
    ['data', '/in.tar'],
  ])
  for (const words of [
    ['export', 'data'],
    ['import', 'data'],
  ])
    assert.is(await call(['volume', ...words], { answers, tty: { columns: 80, rows: 24 } }).code, 1)
  assert.is((await said(['volume', 'export', 'gone'])).code, 1)
  assert.is((await said(['volume', 'import', 'gone'])).code, 1)
})

const stopped = (id: string, more: object = {}) => ({
  id,
  name: id,
  image: 'i',
  imageId: 'sha256:1',
  command: ['c'],
  status: 'stopped' as const,
  createdMs: 1000,
  labels: {},
  ...more,
})

test('system prune removes ended containers, then volumes where asked, then images', async () => {
  const asked: string[] = []
  const answers: Answers = {
    list: [
      stopped('a'.repeat(64)),
      stopped('b'.repeat(64), { status: 'running' }),
      stopped('c'.repeat(64), { labels: { x: '1' } }),
    ],
    remove: (name) => {
      asked.push(`container ${name.slice(0, 1)}`)
      return undefined
    },
    containers: {
      usage: TE.right({
        images: { count: 0, active: 0, sizeBytes: 0, reclaimableBytes: 0 },
        containers: { count: 0, active: 0, sizeBytes: 0, reclaimableBytes: 0 },
        volumes: { count: 0, active: 0, sizeBytes: 0, reclaimableBytes: 0 },
        otherBytes: 0,
        perImage: [],
        perContainer: [{ id: 'a'.repeat(64), sizeBytes: 1000 }],
        perVolume: [],
      }),
    },
    volumes: {
      prune: (options) => {
        asked.push(`volumes ${JSON.stringify(options)}`)
        return TE.right({ removed: ['v'], reclaimedBytes: 500 })
      },
    },
    images: {
      prune: (options) => {
        asked.push(`images ${JSON.stringify(options)}`)
        return TE.right({ untagged: ['i:1'], deleted: ['sha256:0'], reclaimedBytes: 500, postponed: false })
      },
    },
  }
  const all = await said(['system', 'prune', '--volumes', '-a', '--filter', 'label!=x'], answers, 'y\n')
  assert.is(all.code, 0)
  assert.match(
    all.stdout,
    /^WARNING! This will remove:\n {2}- all stopped containers\n {2}- all anonymous volumes not used/,
  )
  assert.match(
    all.stdout,
    /Deleted Containers:\na{64}\n\nDeleted Volumes:\nv\n\nDeleted Images:\nuntagged: i:1\n/,
  )
  assert.match(all.stdout, /Total reclaimed space: 2kB\n$/)
  assert.equal(asked, [
    'container a',
    'volumes {"labels":[{"key":"x","not":true}]}',
    'images {"all":true,"labels":[{"key":"x","not":true}]}',
  ])
  asked.length = 0
  assert.is((await said(['system', 'prune', '-f'], answers)).code, 0)
  assert.equal(asked, ['container a', 'container c', 'images {"all":false,"labels":[]}'])
  assert.is((await said(['system', 'prune'], answers, '')).code, 1)
  assert.is((await said(['system', 'prune', '-f', '--filter', 'x'], answers)).code, 1)
})

test('system prune goes on where somebody else was faster, and stops at what it cannot do', async () => {
  const usage = {
    containers: { usage: TE.left<EngineError, never>({ _tag: 'SyscallFailed', step: 'x', errno: 5 }) },
  }
  const one: Answers = { list: [stopped('a'.repeat(64))] }
  assert.is((await said(['system', 'prune', '-f'], { ...one, ...usage })).code, 1)
  assert.is(
    (await said(['system', 'prune', '-f'], { list: { _tag: 'StateDamaged', path: '/x', why: 'y' } })).code,
    1,
  )
})

test.run()
