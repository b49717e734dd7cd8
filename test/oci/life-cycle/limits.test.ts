// The cgroups of a container: where they are, their limits, pause, update, ps, list, events and signals to all.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { cgroupDirectories } from '../../support/census.ts'
import { assert, suite } from '../../support/suite.ts'
import { type Box, NEEDS, openBox, PEERS, until } from './support.ts'

const test = suite('oci/life-cycle/limits')
test.requires(...NEEDS)

let box: Box
test.before(() => {
  box = openBox()
})
test.after(() => box.close())

/** A controller's directory of a container, on either version. */
const directoryOf = async (id: string, controller: string): Promise<string> => {
  const { cgroup } = JSON.parse(readFileSync(path.join(box.root, id, 'state.json'), 'utf8'))
  return cgroup.paths[controller] ?? cgroup.paths['']
}
const isV1 = existsSync('/sys/fs/cgroup/memory')
const fileOf = async (id: string, controller: string, v1: string, v2: string): Promise<string> =>
  readFileSync(path.join(await directoryOf(id, controller), isV1 ? v1 : v2), 'utf8').trim()

const MB = 2 ** 20
const memoryOf = (id: string) => fileOf(id, 'memory', 'memory.limit_in_bytes', 'memory.max')

test('limits of the document are in the files', async () => {
  const id = await box.created({
    linux: {
      resources: {
        memory: { limit: 64 * MB, swap: 128 * MB },
        pids: { limit: 20 },
        cpu: { shares: 512, quota: 50_000, period: 100_000 },
      },
    },
  })
  assert.is(await memoryOf(id), String(64 * MB))
  assert.is(await fileOf(id, 'pids', 'pids.max', 'pids.max'), '20')
  assert.is(await fileOf(id, 'cpu', 'cpu.cfs_quota_us', 'cpu.max'), isV1 ? '50000' : '50000 100000')
  await box.gone(id)
})

const onV1 = (name: string, body: () => Promise<void>): void =>
  isV1 ? test(name, body) : test.skip(name, 'needs the controllers of cgroup v1')

onV1('device rules hold whatever flags the group inherits', async () => {
  const parent = '/sys/fs/cgroup/devices/slipway-flagged'
  mkdirSync(parent, { recursive: true })
  try {
    writeFileSync(path.join(parent, 'notify_on_release'), '1')
    const resources = { devices: [{ allow: false, access: 'rwm' }] }
    const id = await box.created({ linux: { cgroupsPath: '/slipway-flagged/web', resources } })
    const rules = readFileSync(path.join(parent, 'web', 'devices.list'), 'utf8')
      .trim()
      .split('\n')
    assert.ok(rules.includes('c 1:3 rwm'))
    assert.not.ok(rules.some((rule) => rule.startsWith('a ') || rule.startsWith('c *:* r')))
    await box.gone(id)
  } finally {
    for (const group of cgroupDirectories('slipway-flagged').slice().reverse()) rmdirSync(group)
  }
})

test('update raises and lowers memory together with swap, pids and the processor', async () => {
  const id = await box.started({
    linux: { resources: { memory: { limit: 64 * MB, swap: 64 * MB }, pids: { limit: 20 } } },
  })
  for (const [memory, swap] of [
    [256, 512],
    [32, 32],
    [128, 128],
    [100, 300],
  ] as const) {
    await box.ok('update', '--memory', `${memory}m`, '--memory-swap', `${swap}m`, id)
    assert.is(await memoryOf(id), String(memory * MB))
    const total = await fileOf(id, 'memory', 'memory.memsw.limit_in_bytes', 'memory.swap.max')
    assert.is(total, String((isV1 ? swap : swap - memory) * MB))
  }
  await box.ok('update', '--pids-limit', '33', '--cpu-quota', '20000', '--cpu-period', '50000', id)
  assert.is(await fileOf(id, 'pids', 'pids.max', 'pids.max'), '33')
  assert.is(await fileOf(id, 'cpu', 'cpu.cfs_quota_us', 'cpu.max'), isV1 ? '20000' : '20000 50000')
  const { code } = await box.call(['update', '--resources', '-', id], {
    input: JSON.stringify({ pids: { limit: 44 } }),
  })
  assert.is(code, 0)
  assert.is(await fileOf(id, 'pids', 'pids.max', 'pids.max'), '44')
  await box.gone(id)
})

test('a paused container stands still, and goes on', async () => {
  const id = await box.started({ args: ['sh', '-c', 'while :; do echo x >> /work/ticks; sleep 0.01; done'] })
  const ticks = path.join(box.rootfs, 'work/ticks')
  const size = () => readFileSync(ticks, 'utf8').length
  await until('it ticks', () => (existsSync(ticks) ? true : undefined))
  await box.ok('pause', id)
  assert.is((await box.state(id)).status, 'paused')
  const then = size()
  assert.match((await box.call(['pause', id])).err, /is paused/)
  assert.is(size(), then)
  assert.is((await box.call(['kill', id, '0'])).code, 0)
  await box.ok('resume', id)
  await until('it ticks again', () => (size() > then ? true : undefined))
  assert.match((await box.call(['resume', id])).err, /is running/)
  await box.gone(id)
})

test('exec waits in a paused container until it is resumed, when it is told to', async () => {
  const id = await box.started()
  await box.ok('pause', id)
  const call = box.begin(['exec', '--ignore-paused', id, 'echo', 'late'])
  await box.state(id)
  assert.is(call.said(), '')
  await box.ok('resume', id)
  assert.is((await call.end).out, 'late\n')
  await box.gone(id)
})

test('ps and list tell what is there', async () => {
  const id = await box.started({ args: ['sh', '-c', 'sleep 1000 & sleep 1000'] })
  const { pid } = await box.state(id)
  const pids = async (): Promise<number[]> => JSON.parse(await box.ok('ps', '--format', 'json', id))
  for (let tries = 0; (await pids()).length < 2; tries++) assert.ok(tries < 50)
  assert.ok((await pids()).includes(pid))
  const lines = (await box.ok('ps', id)).trim().split('\n')
  assert.is(lines.length, 3)
  assert.match(lines[0] ?? '', /\bPID\b/)
  const listed = JSON.parse(await box.ok('list', '--format', 'json')) as { id: string; status: string }[]
  assert.is(listed.find((each) => each.id === id)?.status, 'running')
  assert.match(await box.ok('list'), new RegExp(`^${id} +${pid} +running`, 'm'))
  await box.gone(id)
})

test('kill takes names, numbers and 0, and --all reaches everybody', async () => {
  const script =
    'trap "echo got >> /work/got" USR1; (trap "echo got >> /work/got" USR1; while :; do sleep 0.01; done) & while :; do sleep 0.01; done'
  const id = await box.started({ args: ['sh', '-c', script] })
  const got = path.join(box.rootfs, 'work/got')
  const count = () => (existsSync(got) ? readFileSync(got, 'utf8').length / 4 : 0)
  await new Promise((resolve) => setTimeout(resolve, 200))
  for (const [words, total] of [
    [[id, 'USR1'], 1],
    [[id, 'SIGUSR1'], 2],
    [[id, '10'], 3],
  ] as const) {
    await box.ok('kill', ...words)
    await until(`it got ${total}`, () => (count() === total ? true : undefined))
  }
  await box.ok('kill', id, '0')
  assert.match((await box.call(['kill', id, 'NOPE'])).err, /NOPE/)
  await box.ok('kill', '--all', id, 'KILL')
  await box.untilStatus(id, 'stopped')
  await box.ok('kill', '--all', id, 'KILL')
  assert.match((await box.call(['kill', id, '0'])).err, /container not running/)
  await box.gone(id)
})

test('events tell what is used, once or again', async () => {
  const id = await box.started({ linux: { resources: { memory: { limit: 64 * MB }, pids: { limit: 20 } } } })
  const { type, id: named, data } = JSON.parse(await box.ok('events', '--stats', id))
  assert.equal([type, named], ['stats', id])
  assert.equal(data.pids, { current: 1, limit: 20 })
  assert.is(data.memory.usage.limit, 64 * MB)
  assert.ok(data.memory.usage.usage > 0)
  assert.ok(data.cpu.usage.total > 0)
  const call = box.begin(['events', '--interval', '100ms', id])
  await until('it tells three times', () => (call.said().split('\n').length > 3 ? true : undefined))
  await box.ok('kill', id, 'KILL')
  assert.is((await call.end).code, 0)
  await box.gone(id)
})

test('events tell that memory has run out', async () => {
  const limit = 16 * MB
  const id = await box.started({ linux: { resources: { memory: { limit, swap: limit } } } })
  const call = box.begin(['events', '--interval', '1h', id])
  await until('it listens', () => call.said() || undefined)
  await box.call(['exec', id, 'sh', '-c', 'x=xxxxxxxxxxxxxxxx; while :; do x=$x$x; done'])
  await until('it is told', () => (/"type":"oom"/.test(call.said()) ? true : undefined))
  await box.ok('kill', id, 'KILL')
  assert.is((await call.end).code, 0)
  await box.gone(id)
})

for (const peer of PEERS) {
  test(`the groups are those of ${peer}`, async () => {
    const seen = async (runtime: 'slipway' | typeof peer) => {
      const id = await box.created({}, { runtime })
      const { pid } = await box.state(id, runtime)
      const text = readFileSync(`/proc/${pid}/cgroup`, 'utf8').replaceAll(id, 'ID')
      await box.call(['delete', '--force', id], { runtime })
      // The tree of v2 beside v1 is hidden from it.
      return text.replace(/^0::.*\n/m, '')
    }
    assert.is(await seen('slipway'), await seen(peer))
  })
}

test('without a path the group is named after the id, below our own', async () => {
  const id = await box.created({ linux: { cgroupsPath: undefined } })
  const directory = await directoryOf(id, 'pids')
  assert.is(path.basename(directory), id)
  assert.ok(existsSync(directory))
  await box.gone(id)
  assert.not(existsSync(directory))
})

test('a relative path is below our own group', async () => {
  const name = `slipway-relative-${process.pid}`
  const id = await box.created({ linux: { cgroupsPath: `${name}/one` } })
  const directory = await directoryOf(id, 'pids')
  assert.match(directory, new RegExp(`/${name}/one$`))
  await box.gone(id)
  assert.not(existsSync(directory))
  for (const group of cgroupDirectories(name)) rmdirSync(group)
})

test('exec into a sub-cgroup', async () => {
  const id = await box.started()
  const group = readFileSync(`/proc/${(await box.state(id)).pid}/cgroup`, 'utf8')
  const [, own = ''] = /:pids:(.*)/.exec(group) ?? /^0::(.*)/m.exec(group) ?? []
  const below = /:pids:/.test(group) ? 'pids:below' : 'below'
  const seen = await box.ok('exec', '--cgroup', below, id, 'cat', '/proc/self/cgroup')
  assert.match(seen, new RegExp(`:${own}/below$`, 'm'))
  const { code, err } = await box.call(['exec', '--cgroup', 'nope:below', id, 'true'])
  assert.is(code, 255)
  assert.match(err, /--cgroup.*nope:below.*no group of nope/)
  await box.gone(id)
})

test('a device outside of the rules stays closed, for a program that can make it', async () => {
  const capabilities = ['CAP_MKNOD']
  const id = await box.started({
    process: { capabilities: { bounding: capabilities, effective: capabilities, permitted: capabilities } },
    linux: { resources: { devices: [{ allow: false, access: 'rwm' }] } },
  })
  const { code, err } = await box.call(['exec', id, 'sh', '-c', 'mknod /work/k c 1 11 && head -c 1 /work/k'])
  assert.is(code, 1)
  assert.match(err, /not permitted/)
  assert.is((await box.call(['exec', id, 'head', '-c', '1', '/dev/zero'])).code, 0)
  await box.gone(id)
})

test('groups of the program below are removed with it', async () => {
  const id = await box.started()
  const directory = await directoryOf(id, 'pids')
  mkdirSync(path.join(directory, 'a/b'), { recursive: true })
  await box.gone(id)
})

test('a group that is there already is joined', async () => {
  const id = box.newId()
  const bundle = box.bundle(id)
  const first = await box.created()
  const directory = path.join(path.dirname(await directoryOf(first, 'pids')), id)
  await box.gone(first)
  mkdirSync(directory)
  await box.ok('create', '--bundle', bundle, id)
  assert.is(readdirSync(directory).includes('cgroup.procs'), true)
  await box.gone(id)
})

test('without cgroups there are none, and a limit is refused', async () => {
  const id = box.newId()
  await box.ok('--cgroup-manager', 'disabled', 'create', '--bundle', box.bundle(id), id)
  const { pid } = await box.state(id)
  assert.is(readFileSync(`/proc/${pid}/cgroup`, 'utf8'), readFileSync('/proc/self/cgroup', 'utf8'))
  assert.match((await box.call(['pause', id])).err, /freezer/)
  await box.gone(id)
  const limited = box.bundle(id, { linux: { resources: { pids: { limit: 5 } } } })
  const { code, err } = await box.call(['--cgroup-manager', 'disabled', 'create', '--bundle', limited, id])
  assert.is(code, 1)
  assert.match(err, /a limit of pids: .*cgroups are disabled/)
  assert.equal(box.left(id), [])
})

test('a limit that the kernel refuses is told, and nothing is left', async () => {
  const id = box.newId()
  // No group has time for that unless it was given some: sched-rt-group.rst. v2 has files by their names.
  const resources = isV1
    ? { cpu: { realtimeRuntime: 900_000, realtimePeriod: 1_000_000 } }
    : { unified: { 'memory.max': 'nonsense' } }
  const { code, err } = await box.call(['create', '--bundle', box.bundle(id, { linux: { resources } }), id])
  assert.is(code, 1)
  assert.match(err, /set cgroup limit: .*(EINVAL|ENOENT)/)
  assert.equal(box.left(id), [])
})

test('a limit few ask for is in its file, or refused where there is none', async () => {
  const id = box.newId()
  const resources = { hugepageLimits: [{ pageSize: '2MB', limit: 4 * MB }] }
  const { code, err } = await box.call(['create', '--bundle', box.bundle(id, { linux: { resources } }), id])
  if (isV1 && !existsSync('/sys/fs/cgroup/hugetlb')) {
    assert.is(code, 1)
    assert.match(err, /a limit of hugetlb: not available on this host/)
    assert.equal(box.left(id), [])
    return
  }
  assert.is(code, 0, err)
  const limit = await fileOf(id, 'hugetlb', 'hugetlb.2MB.limit_in_bytes', 'hugetlb.2MB.max')
  assert.is(limit, String(4 * MB))
  await box.gone(id)
})

test('systemd is refused by name where it does not run', async () => {
  const id = box.newId()
  const { code, err } = await box.call(['--systemd-cgroup', 'create', '--bundle', box.bundle(id), id])
  assert.is(code, 1)
  assert.match(err, /the systemd cgroup manager: not available on this host: .*no \/run\/systemd\/system/)
  assert.equal(box.left(id), [])
})

test('a limit that the kernel refuses is named, with its value', async () => {
  const id = await box.created()
  const [file, flag, value] = isV1
    ? ['cpu.rt_runtime_us', '--cpu-rt-runtime', '2000000']
    : ['cpu.max', '--cpu-quota', '1']
  const { code, err } = await box.call(['update', flag, value, id])
  assert.is(code, 1)
  const place = `${await directoryOf(id, 'cpu')}/${file} = ${value}`
  assert.ok(err.includes(`set cgroup limit: ${place}`), err)
  assert.match(err, /EINVAL/)
  assert.match((await box.call(['update', flag, 'abc', id])).err, /\\"abc\\": expected a whole number/)
  await box.gone(id)
})

test.run()
