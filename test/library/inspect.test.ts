// inspect of containers: what a real one's record tells, while it runs and afterwards.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { SlipwayError } from '../../src/index.ts'
import { openTestEngine, type TestEngine } from '../support/engine.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('library/inspect')
test.requires('root', 'program:busybox')

let box: TestEngine
let folder = ''
test.beforeEach(async () => {
  box = openTestEngine()
  folder = mkdtempSync(path.join(tmpdir(), 'slipway-inspect-'))
  const tar = path.join(folder, 'base.tar')
  execFileSync('tar', ['c', '-C', box.rootfs, '-f', tar, '.'])
  await box.engine.import({ path: tar }, { name: 'base:1', changes: ['ENV PATH=/bin'] })
})
test.afterEach(async () => {
  await box.close()
  rmSync(folder, { recursive: true, force: true })
})

test('a container that runs has a process, and one that ended how and when', async () => {
  const image = await box.engine.inspectImage('base:1')
  const container = await box.engine.start('base:1', ['sleep', '1000'], {
    name: 'web',
    labels: { a: 'b' },
    keep: true,
  })
  const running = await box.engine.inspect('web')
  assert.is(running.Id, container.id)
  assert.is(running.Name, '/web')
  assert.equal([running.Path, running.Args], ['sleep', ['1000']])
  assert.equal([running.Image, running.Config], [image.Id, { Image: 'base:1', Labels: { a: 'b' } }])
  assert.equal(
    [running.State.Status, running.State.Running, running.State.Pid, running.State.ExitCode],
    ['running', true, container.pid, 0],
  )
  assert.is(running.State.FinishedAt, '0001-01-01T00:00:00Z')
  assert.ok(existsSync(running.GraphDriver.Data?.UpperDir ?? ''))
  container.kill('SIGKILL')
  await container.removed
  const { State } = await box.engine.inspect(container.id.slice(0, 10))
  assert.equal([State.Status, State.Running, State.Pid, State.ExitCode], ['exited', false, 0, 137])
  assert.ok(Date.parse(State.FinishedAt) >= Date.parse(State.StartedAt))
})

test('sizes are counted when asked for', async () => {
  const script = 'dd if=/dev/zero of=/x bs=1000000 count=1 2>/dev/null; sync'
  const container = await box.engine.start('base:1', ['sh', '-c', script], { name: 'big', keep: true })
  await container.removed
  assert.is((await box.engine.inspect('big')).SizeRw, undefined)
  const { SizeRw = 0, SizeRootFs = 0 } = await box.engine.inspect('big', { size: true })
  assert.ok(SizeRw >= 1_000_000, String(SizeRw))
  assert.is(SizeRootFs - SizeRw, (await box.engine.inspectImage('base:1')).Size)
})

test('a directory as the root has no layer of its own, and host is the image of its name', async () => {
  for (const [image, Image, hasLayer] of [
    [{ rootfs: box.rootfs }, box.rootfs, false],
    ['host', 'host', true],
  ] as const) {
    const container = await box.engine.start(image, ['sh', '-c', 'exit 3'], { name: 'it', keep: true })
    await container.removed
    const found = await box.engine.inspect('it', { size: true })
    assert.equal([found.Image, found.GraphDriver.Data !== null], [Image, hasLayer])
    assert.is(found.State.ExitCode, 3)
    assert.is(found.SizeRootFs, undefined)
    await box.engine.remove('it')
  }
})

test('a container that outlives its command also has what was asked of it', async () => {
  await box.engine.import(
    { path: path.join(folder, 'base.tar') },
    {
      name: 'full:1',
      changes: [
        'ENV PATH=/bin A=image',
        'WORKDIR /bin',
        'ENTRYPOINT ["sleep"]',
        'CMD ["5"]',
        'STOPSIGNAL SIGKILL',
        'VOLUME /data',
        'LABEL of=image x=image',
      ],
    },
  )
  const { id } = await box.engine.containers.create('full:1', ['1000'], {
    name: 'kept',
    labels: { x: 'y' },
    env: { A: 'own', B: 'c' },
    restart: 'on-failure:3',
    memory: '64MiB',
    cpus: 0.5,
    hostname: 'box',
    mounts: [
      { type: 'bind', source: folder, target: '/outside', readonly: true },
      { type: 'volume', source: 'kept-data', target: '/named' },
      { type: 'tmpfs', target: '/scratch', size: '1MiB' },
    ],
    security: { capDrop: ['ALL'], noNewPrivileges: true },
    log: { form: 'none' },
  })
  const created = await box.engine.inspect('kept')
  assert.equal([created.Id, created.State.Status, created.State.Running], [id, 'created', false])
  assert.equal([created.State.StartedAt, created.State.FinishedAt], Array(2).fill('0001-01-01T00:00:00Z'))
  assert.equal([created.Path, created.Args], ['sleep', ['1000']])
  assert.equal(created.Config, {
    Image: 'full:1',
    Labels: { of: 'image', x: 'y' },
    Hostname: 'box',
    Domainname: '',
    User: '',
    Tty: false,
    OpenStdin: false,
    Env: ['PATH=/bin', 'A=own', 'B=c'],
    Cmd: ['1000'],
    ExposedPorts: null,
    Volumes: { '/data': {} },
    Entrypoint: ['sleep'],
    WorkingDir: '/bin',
    StopSignal: 'SIGKILL',
    StopTimeout: 10,
  })
  assert.equal((await box.engine.list()).find((each) => each.id === id)?.labels, { of: 'image', x: 'y' })
  const { HostConfig, Mounts } = created
  assert.equal(HostConfig?.RestartPolicy, { Name: 'on-failure', MaximumRetryCount: 3 })
  assert.equal([HostConfig?.Memory, HostConfig?.NanoCpus, HostConfig?.PidsLimit], [64 * 2 ** 20, 5e8, null])
  assert.equal([HostConfig?.CapAdd, HostConfig?.CapDrop], [null, ['ALL']])
  assert.equal(HostConfig?.SecurityOpt, ['no-new-privileges'])
  assert.equal(
    [HostConfig?.Binds, HostConfig?.Tmpfs],
    [[`${folder}:/outside:ro`, 'kept-data:/named'], { '/scratch': 'size=1048576' }],
  )
  assert.equal(HostConfig?.LogConfig, { Type: 'none', Config: {} })
  assert.equal([created.LogPath, created.State.Error], ['', ''])
  assert.equal(
    Mounts?.map(({ Type, Source, Destination, Driver, RW }) => [Type, Source, Destination, Driver, RW]),
    [
      ['bind', folder, '/outside', '', false],
      ['volume', '', '/named', 'local', true],
      ['tmpfs', '', '/scratch', '', true],
      // The image asks for it.
      ['volume', '', '/data', 'local', true],
    ],
  )
  await box.engine.containers.start('kept')
  const { State } = await box.engine.inspect('kept', { size: true })
  assert.equal([State.Status, State.Running, State.ExitCode, State.Pid > 0], ['running', true, 0, true])
  assert.ok(Date.parse(State.StartedAt) >= Date.parse(created.Created))
  await box.engine.containers.stop('kept')
  const ended = (await box.engine.inspect('kept')).State
  assert.equal([ended.Status, ended.Pid, ended.ExitCode, ended.OOMKilled], ['exited', 0, 137, false])
  assert.ok(Date.parse(ended.FinishedAt) >= Date.parse(ended.StartedAt))
  await box.engine.remove('kept')
})

test('labels of an image are those of an attached container of it, too', async () => {
  await box.engine.import(
    { path: path.join(folder, 'base.tar') },
    { name: 'labelled:1', changes: ['ENV PATH=/bin', 'LABEL of=image x=image'] },
  )
  const own = { name: 'labelled', labels: { x: 'own' } }
  const container = await box.engine.start('labelled:1', ['sleep', '1000'], own)
  const labels = { of: 'image', x: 'own' }
  assert.equal((await box.engine.inspect('labelled')).Config.Labels, labels)
  assert.equal((await box.engine.list()).find(({ name }) => name === 'labelled')?.labels, labels)
  container.kill('SIGKILL')
  await container.removed
  await box.engine.removeImage('labelled:1')
})

test('a health check is told with its state', async () => {
  await box.engine.containers.create('base:1', ['sleep', '1000'], {
    name: 'watched',
    health: { command: 'echo well', interval: '1s', timeout: '2s', retries: 4 },
    mounts: [
      { type: 'volume', source: 'kept', target: '/data' },
      { type: 'tmpfs', target: '/tmp' },
    ],
  })
  const listed = async () => (await box.engine.list()).find(({ name }) => name === 'watched')
  assert.is((await listed())?.health, undefined, 'nobody looks before it runs')
  const created = await box.engine.inspect('watched')
  const nanoseconds = 1e9
  assert.equal(created.Config.Healthcheck, {
    Test: ['CMD', '/bin/sh', '-c', 'echo well'],
    Interval: nanoseconds,
    Timeout: 2 * nanoseconds,
    StartPeriod: 0,
    StartInterval: 5 * nanoseconds,
    Retries: 4,
  })
  assert.equal(created.State.Health, { Status: 'starting', FailingStreak: 0, Log: [] })
  await box.engine.containers.start('watched')
  for (let tries = 0; tries < 600; tries++) {
    if ((await box.engine.inspect('watched')).State.Health?.Status === 'healthy') break
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  const { Log = [], ...health } = (await box.engine.inspect('watched')).State.Health ?? {}
  assert.equal(health, { Status: 'healthy', FailingStreak: 0 })
  assert.ok(Log.length > 0)
  for (const { ExitCode, Output, Start, End } of Log) {
    assert.equal([ExitCode, Output], [0, 'well\n'])
    assert.ok(Date.parse(Start) <= Date.parse(End))
  }
  assert.is((await listed())?.health, 'healthy')
  const places = (await listed())?.mounts?.map((mount) => [
    mount.type,
    'source' in mount && mount.source,
    mount.target,
  ])
  assert.equal(places, [
    ['volume', 'kept', '/data'],
    ['tmpfs', false, '/tmp'],
  ])
  await box.engine.remove('watched', { force: true })
})

test('an entrypoint of its own goes without the command of the image', async () => {
  await box.engine.containers.create('base:1', [], { name: 'own', entrypoint: ['true'] })
  const { Config } = await box.engine.inspect('own')
  assert.equal([Config.Entrypoint, Config.Cmd], [['true'], null])
  await box.engine.remove('own')
})

test('what is no container, and options that are none, are refused by name', async () => {
  const failed = async (name: string, options?: object) => {
    try {
      await box.engine.inspect(name, options)
    } catch (error) {
      return error instanceof SlipwayError ? error.error._tag : String(error)
    }
    return 'nothing'
  }
  assert.is(await failed('nope'), 'ContainerNotFound')
  assert.is(await failed('nope', { sise: true }), 'InvalidOption')
  assert.is(await failed('nope', { size: 'yes' }), 'InvalidOption')
})

test.run()
