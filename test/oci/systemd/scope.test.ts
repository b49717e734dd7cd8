// Containers as scopes of systemd, which is the first process of the machine this runs on.
import { readFileSync } from 'node:fs'
import { assert, suite } from '../../support/suite.ts'
import {
  fileOf,
  groupOf,
  MB,
  openScopes,
  SCOPE_NEEDS,
  type Scopes,
  show,
  systemctl,
  unitOf,
} from './support.ts'

const test = suite('oci/systemd/scope')
test.requires(...SCOPE_NEEDS)

let box: Scopes
test.before(() => {
  box = openScopes()
})
test.after(() => box.close())

const LIMITS = {
  resources: {
    memory: { limit: 64 * MB, swap: 96 * MB, reservation: 32 * MB },
    pids: { limit: 20 },
    cpu: { shares: 512, quota: 30_001, period: 90_000, cpus: '0-1' },
  },
}
const WORDS = [
  'MemoryMax',
  'MemorySwapMax',
  'MemoryLow',
  'TasksMax',
  'CPUWeight',
  'CPUQuotaPerSecUSec',
] as const

test('a container is a scope, with its limits in the unit and in the files', async () => {
  const id = await box.scope({ linux: LIMITS })
  const unit = show(
    unitOf(id),
    ...WORDS,
    'CPUQuotaPeriodUSec',
    'AllowedCPUs',
    'Slice',
    'Delegate',
    'ControlGroup',
  )
  assert.equal(unit, {
    MemoryMax: String(64 * MB),
    MemorySwapMax: String(32 * MB),
    MemoryLow: String(32 * MB),
    TasksMax: '20',
    CPUWeight: fileOf(id, 'cpu.weight'),
    CPUQuotaPerSecUSec: '340ms',
    CPUQuotaPeriodUSec: '90ms',
    AllowedCPUs: '0-1',
    Slice: 'slipway-test.slice',
    Delegate: 'yes',
    ControlGroup: groupOf(id),
  })
  // Not what systemd made of it by rounding.
  assert.is(fileOf(id, 'cpu.max'), '30001 90000')
  assert.is(fileOf(id, 'memory.max'), String(64 * MB))
  const { pid } = await box.state(id)
  assert.is(readFileSync(`/proc/${pid}/cgroup`, 'utf8'), `0::${groupOf(id)}\n`)
  // Nobody but the container is in it.
  assert.is(fileOf(id, 'cgroup.procs'), String(pid))
  await box.ok('start', id)
  assert.is((await box.state(id)).status, 'running')
  assert.match(await box.ok('exec', id, 'cat', '/proc/self/cgroup'), new RegExp(`^0::${groupOf(id)}$`, 'm'))
  await box.removed(id)
})

test('update changes the unit and the files, and systemd writes nothing else when it reads its units again', async () => {
  const id = await box.scope({ linux: LIMITS })
  await box.ok('update', '--memory', '128m', '--memory-swap', '128m', '--pids-limit', '33', id)
  await box.ok('update', '--cpu-quota', '20001', '--cpu-period', '50000', '--cpu-share', '1024', id)
  const files = () =>
    ['memory.max', 'memory.swap.max', 'memory.low', 'pids.max', 'cpu.max', 'cpu.weight', 'cpuset.cpus'].map(
      (file) => fileOf(id, file),
    )
  const wanted = [String(128 * MB), '0', String(32 * MB), '33', '20001 50000', '100', '0-1']
  assert.equal(files(), wanted)
  assert.equal(show(unitOf(id), ...WORDS), {
    MemoryMax: String(128 * MB),
    MemorySwapMax: '0',
    MemoryLow: String(32 * MB),
    TasksMax: '33',
    CPUWeight: '100',
    CPUQuotaPerSecUSec: '410ms',
  })
  systemctl('daemon-reload')
  assert.equal(
    files().filter((_, index) => index !== 4),
    wanted.filter((_, index) => index !== 4),
  )
  await box.ok('update', '--pids-limit', '-1', '--memory', '-1', '--memory-swap', '-1', id)
  assert.equal(show(unitOf(id), 'TasksMax', 'MemoryMax'), { TasksMax: 'infinity', MemoryMax: 'infinity' })
  assert.is(fileOf(id, 'memory.max'), 'max')
  await box.removed(id)
})

test('the bus does as well as the socket of the manager', async () => {
  const env = { DBUS_SYSTEM_BUS_ADDRESS: 'unix:path=/run/dbus/system_bus_socket' }
  const id = await box.scope({ linux: LIMITS }, env)
  assert.is(show(unitOf(id), 'TasksMax').TasksMax, '20')
  const { code, err } = await box.call(['delete', '--force', id], { env })
  assert.is(code, 0, err)
  box.nothingLeft(id)
})

test('annotations are properties of the unit', async () => {
  const annotations = {
    'org.systemd.property.TimeoutStopSec': '7',
    'org.systemd.property.MemoryHigh': `uint64 ${48 * MB}`,
    'org.systemd.property.Documentation': "['man:sh(1)']",
  }
  const id = await box.scope({ more: { annotations } })
  assert.equal(show(unitOf(id), 'TimeoutStopUSec', 'MemoryHigh', 'Documentation'), {
    TimeoutStopUSec: '7s',
    MemoryHigh: String(48 * MB),
    Documentation: '"man:sh(1)"',
  })
  await box.removed(id)
  const wrong = box.newId()
  const { code, err } = await box.create(wrong, {
    more: { annotations: { 'org.systemd.property.NoSuchThing': 'true' } },
  })
  assert.is(code, 1)
  assert.match(
    err,
    /systemd: StartTransientUnit: life-.*\.scope: org\.freedesktop\.DBus\.Error\.\w+: .*NoSuchThing/,
  )
  box.nothingLeft(wrong)
})

test('rules for devices hold, before and after systemd has read its units again', async () => {
  const id = await box.scope({
    args: ['sleep', '1000'],
    process: {
      capabilities: { bounding: ['CAP_MKNOD'], effective: ['CAP_MKNOD'], permitted: ['CAP_MKNOD'] },
    },
    linux: { resources: { devices: [{ allow: false, access: 'rwm' }] } },
  })
  await box.ok('start', id)
  const script = 'rm -f /work/k; mknod /work/k c 1 11 && head -c 1 /work/k'
  for (const moment of ['before', 'after']) {
    const { code, err } = await box.call(['exec', id, 'sh', '-c', script])
    assert.is(code, 1, moment)
    assert.match(err, /not permitted/, moment)
    assert.is((await box.call(['exec', id, 'head', '-c', '1', '/dev/zero'])).code, 0, moment)
    systemctl('daemon-reload')
  }
  await box.removed(id)
})

test.run()
