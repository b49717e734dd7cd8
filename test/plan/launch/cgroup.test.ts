// Which file each limit is written to, in which words: docs/cgroups.md as a table.
import type { LinuxResources } from '../../../src/model/oci-spec.ts'
import {
  type CgroupWrite,
  killFile,
  limitedControllers,
  limitWrites,
  neededControllers,
  v1Writes,
  v2Writes,
  weightOfShares,
} from '../../../src/plan/launch/cgroup.ts'
import { assert, suite } from '../../support/suite.ts'

const Cgroup = suite('plan/launch cgroup')

const CONTROLLERS = [
  'memory',
  'cpu',
  'cpuset',
  'pids',
  'blkio',
  'io',
  'hugetlb',
  'rdma',
  'net_cls',
  'net_prio',
]
const line = ({ file, value, otherwise }: CgroupWrite): string =>
  `${file}=${value}${otherwise === undefined ? '' : ` or ${line(otherwise)}`}`
const lines = (write: typeof v1Writes, resources: LinuxResources): readonly string[] =>
  CONTROLLERS.flatMap((name) => write(name, resources)).map(line)

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
    {
      memory: { swappiness: 60, disableOOMKiller: true, useHierarchy: true, kernel: 70, kernelTCP: 80 },
      cpu: { realtimePeriod: 1000, realtimeRuntime: 500 },
      network: { classID: 7, priorities: [{ name: 'eth0', priority: 3 }] },
    },
    [
      'memory.use_hierarchy=1',
      'memory.kmem.limit_in_bytes=70',
      'memory.kmem.tcp.limit_in_bytes=80',
      'memory.swappiness=60',
      'memory.oom_control=1',
      'cpu.rt_period_us=1000',
      'cpu.rt_runtime_us=500',
      'net_cls.classid=7',
      'net_prio.ifpriomap=eth0 3',
    ],
    [],
  ],
  [
    'zeros, which are numbers that are not given',
    {
      memory: { limit: 0, swap: 0, reservation: 0, kernel: -1 },
      cpu: { shares: 0, quota: 0, period: 0, cpus: '' },
    },
    [],
    [],
  ],
  [
    'swap beside memory without end',
    { memory: { limit: -1, swap: 70 } },
    ['memory.limit_in_bytes=-1', 'memory.memsw.limit_in_bytes=70'],
    ['memory.max=max', 'memory.swap.max=70'],
  ],
  ['no processes at all', { pids: { limit: 0 } }, ['pids.max=0'], ['pids.max=0']],
  [
    'block devices',
    {
      blockIO: {
        weight: 500,
        leafWeight: 20,
        weightDevice: [{ major: 8, minor: 0, weight: 10, leafWeight: 30 }],
        throttleReadBpsDevice: [{ major: 8, minor: 0, rate: 1 }],
        throttleWriteBpsDevice: [{ major: 8, minor: 1, rate: 2n ** 64n - 1n }],
        throttleReadIOPSDevice: [{ major: 8, minor: 2, rate: 3 }],
        throttleWriteIOPSDevice: [{ major: 8, minor: 3, rate: 4 }],
      },
    },
    [
      'blkio.bfq.weight=500 or blkio.weight=500',
      'blkio.leaf_weight=20',
      'blkio.bfq.weight_device=8:0 10 or blkio.weight_device=8:0 10',
      'blkio.leaf_weight_device=8:0 30',
      'blkio.throttle.read_bps_device=8:0 1',
      'blkio.throttle.write_bps_device=8:1 18446744073709551615',
      'blkio.throttle.read_iops_device=8:2 3',
      'blkio.throttle.write_iops_device=8:3 4',
    ],
    [
      'io.bfq.weight=500 or io.weight=4950',
      'io.bfq.weight=8:0 10 or io.weight=8:0 1',
      'io.max=8:0 rbps=1',
      'io.max=8:1 wbps=18446744073709551615',
      'io.max=8:2 riops=3',
      'io.max=8:3 wiops=4',
    ],
  ],
  [
    'huge pages and RDMA',
    {
      hugepageLimits: [{ pageSize: '2MB', limit: 9 }],
      rdma: { mlx5_1: { hcaHandles: 3, hcaObjects: 10 }, rxe3: { hcaObjects: 1 } },
    },
    [
      'hugetlb.2MB.limit_in_bytes=9',
      'hugetlb.2MB.rsvd.limit_in_bytes=9',
      'rdma.max=mlx5_1 hca_handle=3 hca_object=10',
      'rdma.max=rxe3 hca_object=1',
    ],
    [
      'hugetlb.2MB.max=9',
      'hugetlb.2MB.rsvd.max=9',
      'rdma.max=mlx5_1 hca_handle=3 hca_object=10',
      'rdma.max=rxe3 hca_object=1',
    ],
  ],
  [
    'a share of the time',
    { cpu: { period: 100_000, quota: 50_000, shares: 1024, burst: 10_000 } },
    ['cpu.shares=1024', 'cpu.cfs_period_us=100000', 'cpu.cfs_quota_us=50000', 'cpu.cfs_burst_us=10000'],
    ['cpu.weight=100', 'cpu.max=50000 100000', 'cpu.max.burst=10000'],
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

Cgroup('files of v2 are written by their own name, last, and line by line', () => {
  const parent = { version: 2, controllers: ['memory'] } as const
  const resources: LinuxResources = {
    memory: { limit: 7 },
    unified: { 'memory.high': '5', 'io.max': '8:0 rbps=1\n8:1 wbps=2\n' },
  }
  assert.equal(limitWrites(parent, resources).map(line), [
    'memory.max=7',
    'memory.high=5',
    'io.max=8:0 rbps=1',
    'io.max=8:1 wbps=2',
  ])
  assert.equal(limitedControllers(resources), ['memory', 'io'])
})

Cgroup('a container is limited by whatever else it asks for', () => {
  assert.equal(
    limitedControllers({
      blockIO: { weight: 10 },
      hugepageLimits: [{ pageSize: '2MB', limit: 1 }],
      network: { classID: 1, priorities: [{ name: 'a', priority: 1 }] },
      rdma: { a: { hcaHandles: 1 } },
    }),
    ['blkio', 'hugetlb', 'net_cls', 'net_prio', 'rdma'],
  )
})

Cgroup('shares become weights on a curve through the ends and the defaults of both', () => {
  assert.equal([0, 2, 1024, 262_144, 10 ** 9].map(weightOfShares), [1, 1, 100, 10_000, 10_000])
})

Cgroup('a whole group is killed at one stroke where the kernel can', () => {
  assert.is(killFile(2, [5, 14]), 'cgroup.kill')
  assert.is(killFile(2, [6, 1]), 'cgroup.kill')
  assert.is(killFile(2, [5, 13]), 'cgroup.procs')
  assert.is(killFile(1, [6, 18]), 'cgroup.procs')
})

Cgroup.run()
