// Host facts out of fake trees of /proc and /sys, and two experiments that hold them against the kernel at hand.
import { spawnSync } from 'node:child_process'
import { readlinkSync } from 'node:fs'
import { countCpuList, kernelVersion, probeHostFacts } from '../../src/adapters/host-facts.ts'
import type { HostFacts } from '../../src/model/host-facts.ts'
import { assert, suite } from '../support/suite.ts'
import { fakeHost } from './host-facts-tree.ts'

const test = suite('adapters/host-facts')

/** Facts of a fake host; `folders` are hierarchies that can be written to. */
const factsOf = (
  files: Readonly<Record<string, string | undefined>>,
  folders: readonly string[] = [],
  arch = 'x64',
): HostFacts => {
  const host = fakeHost(files, arch)
  try {
    for (const folder of folders) host.set(`${folder}/cgroup.procs`, '')
    return probeHostFacts(host.source)
  } finally {
    host.remove()
  }
}

const mount = (point: string, type: string, superOptions: string, options = 'rw,nosuid') =>
  `31 23 0:28 / ${point} ${options} shared:9 - ${type} ${type} ${superOptions}\n`
const V2 = mount('/sys/fs/cgroup', 'cgroup2', 'rw,nsdelegate')
const V1_MEMORY = mount('/sys/fs/cgroup/memory', 'cgroup', 'rw,memory')
const V1_CPU = mount('/sys/fs/cgroup/cpu,cpuacct', 'cgroup', 'rw,xattr,clone_children,cpu,cpuacct')
const V1_NAMED = mount('/sys/fs/cgroup/systemd', 'cgroup', 'rw,xattr,release_agent=/lib/x,name=systemd')

test('a plain machine is read field by field', () => {
  const facts = factsOf({})
  assert.is(facts.bootId, '11111111-2222-3333-4444-555555555555')
  assert.equal([facts.euid, facts.egid], [1000, 1001])
  assert.is(facts.effectiveCaps, 0x1ffffffffffn)
  assert.is(facts.nofileHard, 524288)
  assert.is(facts.lastCap, 40)
  assert.is(facts.cpus, 5)
  assert.is(facts.memoryBytes, 2 ** 30)
  assert.equal(facts.seccompActions, ['kill_process', 'errno', 'allow'])
  assert.equal(facts.namespaces, ['cgroup', 'mnt', 'net', 'pid', 'time', 'user'])
  assert.is(facts.ipv6, true)
  assert.is(facts.canRaiseLimits, true)
})

test('an empty host gives facts that promise nothing', () => {
  const host = fakeHost()
  host.remove()
  const facts = probeHostFacts(host.source)
  assert.equal(facts.kernel, [0, 0])
  assert.equal(facts.cgroup, { mode: 'none', controllers: [], writable: false })
  assert.equal(facts.namespaces, [])
  assert.equal(facts.seccompActions, [])
  assert.is(facts.effectiveCaps, 0n)
  assert.is(facts.nofileHard, 1024)
  assert.is(facts.cpus, 1)
  for (const name of ['userNamespaces', 'timeNamespaceAtExec', 'passPidfd', 'ipv6', 'apparmor'] as const)
    assert.is(facts[name], false, name)
})

test('a v2 host lists the controllers of its one tree', () => {
  const facts = factsOf({
    '/proc/self/mountinfo': V2,
    '/sys/fs/cgroup/cgroup.controllers': 'cpuset cpu memory pids\n',
  })
  assert.is(facts.cgroup.mode, 'v2')
  assert.is(facts.cgroup.unified, '/sys/fs/cgroup')
  assert.is(facts.cgroup.writable, true)
  assert.equal(
    facts.cgroup.controllers.map((found) => `${found.name}@${found.version}`),
    ['cpuset@2', 'cpu@2', 'memory@2', 'pids@2'],
  )
})

test('a v1 host lists every hierarchy, joint and named ones too, and no mount options', () => {
  const facts = factsOf({ '/proc/self/mountinfo': V1_MEMORY + V1_CPU + V1_NAMED }, [
    '/sys/fs/cgroup/memory',
    '/sys/fs/cgroup/cpu,cpuacct',
    '/sys/fs/cgroup/systemd',
  ])
  assert.is(facts.cgroup.mode, 'v1')
  assert.is(facts.cgroup.unified, undefined)
  assert.is(facts.cgroup.writable, true)
  assert.equal(
    facts.cgroup.controllers.map((found) => [found.name, found.mountpoint]),
    [
      ['memory', '/sys/fs/cgroup/memory'],
      ['cpu', '/sys/fs/cgroup/cpu,cpuacct'],
      ['cpuacct', '/sys/fs/cgroup/cpu,cpuacct'],
      ['name=systemd', '/sys/fs/cgroup/systemd'],
    ],
  )
})

test('a hybrid host keeps each controller with the version it lives in', () => {
  const facts = factsOf(
    {
      '/proc/self/mountinfo': V1_MEMORY + mount('/sys/fs/cgroup/unified', 'cgroup2', 'rw'),
      '/sys/fs/cgroup/unified/cgroup.controllers': 'hugetlb\n',
    },
    ['/sys/fs/cgroup/memory'],
  )
  assert.is(facts.cgroup.mode, 'hybrid')
  assert.is(facts.cgroup.unified, '/sys/fs/cgroup/unified')
  assert.equal(
    facts.cgroup.controllers.map((found) => `${found.name}@${found.version}`),
    ['memory@1', 'hugetlb@2'],
  )
})

test('a tree mounted read-only is not writable', () => {
  const readonly = mount('/sys/fs/cgroup', 'cgroup2', 'rw', 'ro,nosuid')
  const facts = factsOf({ '/proc/self/mountinfo': readonly, '/sys/fs/cgroup/cgroup.controllers': 'pids' })
  assert.is(facts.cgroup.mode, 'v2')
  assert.is(facts.cgroup.writable, false)
})

test('one missing hierarchy makes the whole tree not writable', () => {
  const facts = factsOf({ '/proc/self/mountinfo': V1_MEMORY + V1_CPU }, ['/sys/fs/cgroup/memory'])
  assert.is(facts.cgroup.writable, false)
})

test('a hierarchy that another mount hides is not writable', () => {
  const host = fakeHost({ '/proc/self/mountinfo': V2, '/sys/fs/cgroup/hidden/x': '' })
  assert.is(probeHostFacts(host.source).cgroup.writable, false)
  host.remove()
})

test('a hierarchy seen twice counts at its standard place', () => {
  const elsewhere = mount('/mnt/my\\040cgroup', 'cgroup2', 'rw')
  for (const order of [V2 + elsewhere, elsewhere + V2])
    assert.is(factsOf({ '/proc/self/mountinfo': order }).cgroup.unified, '/sys/fs/cgroup')
  assert.is(factsOf({ '/proc/self/mountinfo': elsewhere }).cgroup.unified, '/mnt/my cgroup')
})

const RELEASES: readonly (readonly [string, boolean, boolean, boolean])[] = [
  ['5.10.0-30-amd64', false, false, false],
  ['6.1.0', false, false, false],
  ['6.2.0', true, false, false],
  ['6.5.1', true, true, false],
  ['6.8.0-rc1', true, true, true],
  ['7.0.0', true, true, true],
]
for (const [release, time, passPidfd, lowerPlus] of RELEASES)
  test(`Linux ${release} has the features of its version`, () => {
    const facts = factsOf({ '/proc/sys/kernel/osrelease': `${release}\n` })
    assert.equal(
      [facts.timeNamespaceAtExec, facts.passPidfd, facts.overlayLowerPlus],
      [time, passPidfd, lowerPlus],
    )
  })

test('a kernel without time namespaces has none at exec', () => {
  const host = fakeHost({ '/proc/self/ns/time': undefined })
  assert.is(probeHostFacts(host.source).timeNamespaceAtExec, false)
  host.remove()
})

const WITHOUT_CAPS = 'Name:\tx\nUid:\t1000\t1000\t1000\t1000\nGid:\t5\t5\t5\t5\nCapEff:\t0000000000000000\n'
const USERNS: readonly (readonly [string, Record<string, string>, boolean])[] = [
  ['none are allowed', { '/proc/sys/user/max_user_namespaces': '0\n' }, false],
  ['an ordinary user meets no switch', { '/proc/self/status': WITHOUT_CAPS }, true],
  [
    "an ordinary user meets Debian's switch",
    { '/proc/self/status': WITHOUT_CAPS, '/proc/sys/kernel/unprivileged_userns_clone': '0\n' },
    false,
  ],
  [
    "an ordinary user meets AppArmor's switch",
    { '/proc/self/status': WITHOUT_CAPS, '/proc/sys/kernel/apparmor_restrict_unprivileged_userns': '1\n' },
    false,
  ],
  ['root does not care for the switches', { '/proc/sys/kernel/unprivileged_userns_clone': '0\n' }, true],
]
for (const [name, files, expected] of USERNS)
  test(`user namespaces: ${name}`, () => assert.is(factsOf(files).userNamespaces, expected))

test('canRaiseLimits follows CAP_SYS_RESOURCE', () => {
  const facts = factsOf({ '/proc/self/status': WITHOUT_CAPS.replace(/0{16}/, '000001fffeffffff') })
  assert.is(facts.canRaiseLimits, false)
})

test('the security modules are seen', () => {
  const facts = factsOf({
    '/sys/module/apparmor/parameters/enabled': 'Y\n',
    '/sys/fs/selinux/enforce': '0',
  })
  assert.equal([facts.apparmor, facts.selinux], [true, true])
})

test('thermal folders are listed for the CPUs that have one', () => {
  const facts = factsOf({}, [
    '/sys/devices/system/cpu/cpu0/thermal_throttle',
    '/sys/devices/system/cpu/cpu1',
    '/sys/devices/system/cpu/cpufreq/thermal_throttle',
  ])
  assert.equal(facts.thermalThrottle, ['/sys/devices/system/cpu/cpu0/thermal_throttle'])
})

test('an unlimited number of descriptors is infinity', () => {
  const facts = factsOf({ '/proc/self/limits': 'Max open files   1024   unlimited   files\n' })
  assert.is(facts.nofileHard, Number.POSITIVE_INFINITY)
})

test('the architecture is the one Node was built for', () => {
  assert.is(factsOf({}, [], 'arm64').arch, 'arm64')
})

test('lists of CPUs and kernel releases are parsed', () => {
  assert.is(countCpuList('0\n'), 1)
  assert.is(countCpuList('0-127\n'), 128)
  assert.is(countCpuList(''), 0)
  assert.equal(kernelVersion('6.18.44-x'), [6, 18])
  assert.equal(kernelVersion('what'), [0, 0])
})

const facts = probeHostFacts()

// The experiment behind the fact: unshare(1) calls unshare(CLONE_NEWTIME) and executes without a fork.
const timeExperiment =
  'the kernel at hand moves a process into its new time namespace at exec, as the fact says'
const tried = spawnSync('unshare', ['--time', 'readlink', '/proc/self/ns/time'], { encoding: 'utf8' })
if (tried.error !== undefined || tried.status !== 0)
  test.skip(timeExperiment, tried.error?.message ?? tried.stderr.trim())
else
  test(timeExperiment, () => {
    const moved = tried.stdout.trim() !== readlinkSync('/proc/self/ns/time')
    assert.is(moved, facts.timeNamespaceAtExec)
  })

test('the facts of this machine agree with uname, id and nproc', () => {
  const ask = (command: string, ...args: string[]) =>
    spawnSync(command, args, { encoding: 'utf8' }).stdout.trim()
  assert.is(facts.kernelRelease, ask('uname', '-r'))
  assert.is(String(facts.euid), ask('id', '-u'))
  assert.is(String(facts.cpus), ask('getconf', '_NPROCESSORS_ONLN'))
})

test.run()
