// Which file each limit is written to, in which words: docs/cgroups.md as a table.
import type { LinuxResources } from '../../../src/model/oci-spec.ts'
import {
  killFile,
  limitedControllers,
  neededControllers,
  v1Writes,
  v2Writes,
  weightOfShares,
} from '../../../src/plan/launch/cgroup.ts'
import { assert, suite } from '../../support/suite.ts'

const Cgroup = suite('plan/launch cgroup')

const CONTROLLERS = ['memory', 'cpu', 'cpuset', 'pids']
const lines = (write: typeof v1Writes, resources: LinuxResources): readonly string[] =>
  CONTROLLERS.flatMap((name) => write(name, resources)).map(({ file, value }) => `${file}=${value}`)

const CASES: readonly (readonly [string, LinuxResources, readonly string[], readonly string[]])[] = [
  ['nothing', {}, [], []],
  [
    'memory and swap',
    { memory: { limit: 100, swap: 150, reservation: 50 } },
    ['memory.limit_in_bytes=100', 'memory.memsw.limit_in_bytes=150', 'memory.soft_limit_in_bytes=50'],
    ['memory.max=100', 'memory.swap.max=50', 'memory.low=50'],
  ],
  [
    'memory without end, and swap too',
    { memory: { limit: -1, swap: -1 } },
    ['memory.limit_in_bytes=-1', 'memory.memsw.limit_in_bytes=-1'],
    ['memory.max=max', 'memory.swap.max=max'],
  ],
  [
    'what v2 has no file for',
    { memory: { swappiness: 60, disableOOMKiller: true } },
    ['memory.swappiness=60', 'memory.oom_control=1'],
    [],
  ],
  [
    'a share of the time',
    { cpu: { period: 100_000, quota: 50_000, shares: 1024, burst: 10_000 } },
    ['cpu.shares=1024', 'cpu.cfs_period_us=100000', 'cpu.cfs_quota_us=50000', 'cpu.cfs_burst_us=10000'],
    ['cpu.weight=39', 'cpu.max=50000 100000', 'cpu.max.burst=10000'],
  ],
  [
    'a period without a quota',
    { cpu: { period: 50_000 } },
    ['cpu.cfs_period_us=50000'],
    ['cpu.max=max 50000'],
  ],
  ['a quota of -1', { cpu: { quota: -1 } }, ['cpu.cfs_quota_us=-1'], ['cpu.max=max 100000']],
  ['what runs only when nothing else does', { cpu: { idle: 1 } }, ['cpu.idle=1'], ['cpu.idle=1']],
  [
    'chosen processors',
    { cpu: { cpus: '0-1', mems: '0' } },
    ['cpuset.cpus=0-1', 'cpuset.mems=0'],
    ['cpuset.cpus=0-1', 'cpuset.mems=0'],
  ],
  ['processes', { pids: { limit: 20 } }, ['pids.max=20'], ['pids.max=20']],
  ['processes without end', { pids: { limit: -1 } }, ['pids.max=max'], ['pids.max=max']],
]
for (const [name, resources, onV1, onV2] of CASES)
  Cgroup(`${name}: the files of v1 and of v2`, () => {
    assert.equal(lines(v1Writes, resources), onV1)
    assert.equal(lines(v2Writes, resources), onV2)
  })

Cgroup('a hierarchy gets its own limits only', () => {
  const all: LinuxResources = { memory: { limit: 1 }, cpu: { quota: 1, cpus: '0' }, pids: { limit: 1 } }
  for (const [index, name] of CONTROLLERS.entries())
    for (const write of [v1Writes, v2Writes])
      for (const { file } of write(CONTROLLERS[index] ?? '', all)) assert.is(file.split('.')[0], name)
})

Cgroup('a container is limited by what it asks for, and joins memory and devices besides', () => {
  assert.equal(limitedControllers({}), [])
  assert.equal(neededControllers({}), ['memory', 'devices'])
  assert.equal(limitedControllers({ memory: {}, cpu: {}, devices: [{ allow: false }] }), [])
  assert.equal(limitedControllers({ memory: { reservation: 1 } }), ['memory'])
  assert.equal(limitedControllers({ cpu: { cpus: '0' } }), ['cpuset'])
  assert.equal(limitedControllers({ cpu: { mems: '0', shares: 2 }, pids: { limit: 3 } }), [
    'cpu',
    'cpuset',
    'pids',
  ])
  assert.equal(neededControllers({ memory: { limit: 1 }, pids: { limit: 3 } }), ['memory', 'devices', 'pids'])
})

Cgroup('shares become weights on a straight line between the ends of both', () => {
  assert.equal([0, 2, 1024, 262_144, 10 ** 9].map(weightOfShares), [1, 1, 39, 10_000, 10_000])
})

Cgroup('a whole group is killed at one stroke where the kernel can', () => {
  assert.is(killFile(2, [5, 14]), 'cgroup.kill')
  assert.is(killFile(2, [6, 1]), 'cgroup.kill')
  assert.is(killFile(2, [5, 13]), 'cgroup.procs')
  assert.is(killFile(1, [6, 18]), 'cgroup.procs')
})

Cgroup.run()
