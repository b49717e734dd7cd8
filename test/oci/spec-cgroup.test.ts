// Limits of a hand-written document, as the files of the container's own groups have them.
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { lacking } from '../support/needs.ts'
import { documentOf, openSpecLauncher, type SpecLauncher } from '../support/spec-launcher.ts'
import { assert, suite } from '../support/suite.ts'

const SpecCgroup = suite('oci/spec-cgroup')
SpecCgroup.requires('root', 'program:busybox')
const able = lacking('root', 'program:busybox') === undefined
const isV2 = existsSync('/sys/fs/cgroup/cgroup.controllers')
let launcher: SpecLauncher
SpecCgroup.before(() => {
  if (able) launcher = openSpecLauncher()
})
SpecCgroup.after(() => (able ? launcher.close() : undefined))

/** Directory of a process's group: of a v1 hierarchy, or the one of v2. cgroups(7), /proc/[pid]/cgroup. */
const groupOf = (pid: number, controller: string): string => {
  for (const line of readFileSync(`/proc/${pid}/cgroup`, 'utf8').trim().split('\n')) {
    const [, names = '', place = ''] = /^\d+:([^:]*):(.*)$/.exec(line) ?? []
    if (isV2 && names === '') return path.join('/sys/fs/cgroup', place)
    if (names.split(',').includes(controller)) return path.join('/sys/fs/cgroup', names, place)
  }
  throw new Error(`no group of ${controller}`)
}

/** What the files say while a container with these limits runs. */
const readBack = async (
  resources: object,
  controller: string,
  files: readonly string[],
): Promise<readonly string[]> => {
  const found: string[] = []
  const { failed } = await launcher.run(
    documentOf(launcher.rootfs, 'sleep 1000', { linux: { namespaces: NAMESPACES, resources } }),
    (pid) => {
      try {
        const group = groupOf(pid, controller)
        for (const file of files) found.push(readFileSync(path.join(group, file), 'utf8').trim())
      } finally {
        process.kill(pid, 'SIGKILL')
      }
    },
  )
  assert.is(failed, undefined)
  return found
}
const NAMESPACES = ['pid', 'mount', 'ipc', 'uts', 'network'].map((type) => ({ type }))

type Case = readonly [resources: object, controller: string, files: Readonly<Record<string, string>>]
const MIB = 1 << 20

const V1: readonly Case[] = [
  [
    {
      memory: {
        limit: 64 * MIB,
        swap: 96 * MIB,
        reservation: 32 * MIB,
        kernelTCP: 8 * MIB,
        swappiness: 33,
        useHierarchy: true,
        checkBeforeUpdate: true,
      },
    },
    'memory',
    {
      'memory.limit_in_bytes': String(64 * MIB),
      'memory.memsw.limit_in_bytes': String(96 * MIB),
      'memory.soft_limit_in_bytes': String(32 * MIB),
      'memory.kmem.tcp.limit_in_bytes': String(8 * MIB),
      'memory.swappiness': '33',
      'memory.use_hierarchy': '1',
    },
  ],
  [
    { memory: { disableOOMKiller: true, limit: 64 * MIB } },
    'memory',
    { 'memory.oom_control': 'oom_kill_disable 1\nunder_oom 0\noom_kill 0' },
  ],
  [
    { cpu: { shares: 300, quota: 20_000, period: 50_000, burst: 10_000 } },
    'cpu',
    {
      'cpu.shares': '300',
      'cpu.cfs_quota_us': '20000',
      'cpu.cfs_period_us': '50000',
      'cpu.cfs_burst_us': '10000',
    },
  ],
  [{ cpu: { idle: 1 } }, 'cpu', { 'cpu.idle': '1' }],
  [{ cpu: { cpus: '0', mems: '0' } }, 'cpuset', { 'cpuset.cpus': '0', 'cpuset.mems': '0' }],
  [{ cpu: { cpus: '0' } }, 'cpuset', { 'cpuset.cpus': '0', 'cpuset.mems': '0' }],
  [{ pids: { limit: 0 } }, 'pids', { 'pids.max': '0' }],
  [{ pids: { limit: 7 } }, 'pids', { 'pids.max': '7' }],
]
const V2: readonly Case[] = [
  [
    { memory: { limit: 64 * MIB, swap: 96 * MIB, reservation: 32 * MIB } },
    'memory',
    { 'memory.max': String(64 * MIB), 'memory.low': String(32 * MIB) },
  ],
  [
    { cpu: { shares: 1024, quota: 20_000, period: 50_000 } },
    'cpu',
    { 'cpu.weight': '100', 'cpu.max': '20000 50000' },
  ],
  [{ cpu: { cpus: '0', mems: '0' } }, 'cpuset', { 'cpuset.cpus': '0', 'cpuset.mems': '0' }],
  [{ pids: { limit: 7 } }, 'pids', { 'pids.max': '7' }],
  [
    { unified: { 'memory.high': String(32 * MIB), 'pids.max': '9', 'cgroup.max.depth': '3' } },
    'memory',
    { 'memory.high': String(32 * MIB), 'pids.max': '9', 'cgroup.max.depth': '3' },
  ],
]

for (const [resources, controller, files] of isV2 ? V2 : V1)
  SpecCgroup(`${JSON.stringify(resources)} is what the kernel has`, async () => {
    assert.equal(await readBack(resources, controller, Object.keys(files)), Object.values(files))
  })

/** A whole disk of this machine: throttling is refused for a partition. */
const disk = ['vda', 'sda', 'nvme0n1', 'xvda', 'loop0'].find((name) => existsSync(`/sys/block/${name}/dev`))
const noDisk = disk === undefined ? 'needs a disk' : undefined
const onDisk = (name: string, test: (major: number, minor: number) => Promise<void>): void => {
  if (noDisk !== undefined) SpecCgroup.skip(name, noDisk)
  else
    SpecCgroup(name, () => {
      const numbers = readFileSync(`/sys/block/${disk}/dev`, 'utf8').trim().split(':').map(Number)
      return test(numbers[0] ?? 0, numbers[1] ?? 0)
    })
}

onDisk('rates of block devices are what the kernel has', async (major, minor) => {
  const rate = (bytes: number) => [{ major, minor, rate: bytes }]
  const blockIO = {
    throttleReadBpsDevice: rate(1_000_000),
    throttleWriteBpsDevice: rate(2_000_000),
    throttleReadIOPSDevice: rate(100),
    throttleWriteIOPSDevice: rate(200),
  }
  const files = ['read_bps', 'write_bps', 'read_iops', 'write_iops'].map(
    (name) => `blkio.throttle.${name}_device`,
  )
  const found = await readBack({ blockIO }, isV2 ? 'io' : 'blkio', isV2 ? ['io.max'] : files)
  const device = `${major}:${minor}`
  const expected = isV2
    ? [`${device} rbps=1000000 wbps=2000000 riops=100 wiops=200`]
    : [`${device} 1000000`, `${device} 2000000`, `${device} 100`, `${device} 200`]
  assert.equal(found, expected)
})

const REFUSED: readonly (readonly [resources: object, what: RegExp])[] = [
  [{ memory: { limit: 100 * MIB, swap: 50 * MIB } }, /resources\.memory\.swap/],
  [{ cpu: { quota: 10_000, burst: 20_000 } }, /resources\.cpu\.burst/],
  [{ network: { classID: 1 } }, /HostUnfit: a limit of net_cls/],
  [{ unified: { 'cgroup.procs': '1' } }, /resources\.unified/],
  [{ unified: { '../x.y': '1' } }, /is not a file of a cgroup/],
  ...(isV2
    ? ([
        [{ memory: { swappiness: 10 } }, /resources\.memory\.swappiness/],
        [{ cpu: { realtimeRuntime: 10 } }, /resources\.cpu\.realtimeRuntime/],
        [{ unified: { 'nothing.max': '1' } }, /HostUnfit: a limit of nothing/],
      ] as const)
    : ([
        [{ unified: { 'memory.high': '1000' } }, /HostUnfit: linux\.resources\.unified/],
        [{ cpu: { shares: 1 } }, /resources\.cpu\.shares/],
        [{ memory: { limit: 64 * MIB, kernel: 16 * MIB } }, /HostUnfit: linux\.resources\.memory\.kernel/],
        [{ blockIO: { leafWeight: 10 } }, /open cgroup limit: blkio\.leaf_weight/],
      ] as const)),
]
for (const [resources, what] of REFUSED)
  SpecCgroup(`${JSON.stringify(resources)} is refused by name`, async () => {
    const document = documentOf(launcher.rootfs, 'true', { linux: { namespaces: NAMESPACES, resources } })
    assert.match((await launcher.run(document)).failed ?? '', what)
  })

/** Its file stays as it was made: kernel memory counts into the other one. */
SpecCgroup(
  'a limit of kernel memory that is not below the limit of all memory is kept by that one',
  async () => {
    const limit = 64 * MIB
    const resources = { memory: { limit, kernel: limit } }
    const file = isV2 ? 'memory.max' : 'memory.limit_in_bytes'
    assert.equal(await readBack(resources, 'memory', [file]), [String(limit)])
  },
)

SpecCgroup.run()
