// What facts mean: one host per guarantee that does not hold.
import { diagnose } from '../../src/model/doctor.ts'
import type { CgroupFacts, HostFacts } from '../../src/model/host-facts.ts'
import { plainFacts } from '../cli/fake-world.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('model/doctor')

const finding = (over: Partial<HostFacts>, id: string) => {
  const found = diagnose({ ...plainFacts, ...over }).findings.find((one) => one.id === id)
  if (found === undefined) throw new Error(`no finding ${id}`)
  return found
}

test('a good host has nothing but good findings, each with its own id', () => {
  const { findings, canRun } = diagnose(plainFacts)
  assert.is(canRun, true)
  assert.equal(
    findings.filter((one) => one.state !== 'ok').map((one) => one.id),
    [],
  )
  assert.is(new Set(findings.map((one) => one.id)).size, findings.length)
})

const V1: CgroupFacts = {
  mode: 'v1',
  controllers: ['memory', 'cpu', 'pids', 'devices', 'freezer', 'cpuset'].map((name) => ({
    name,
    mountpoint: `/sys/fs/cgroup/${name}`,
    version: 1,
  })),
  writable: true,
}
const NONE: CgroupFacts = { mode: 'none', controllers: [], writable: false }
const V2_EMPTY: CgroupFacts = { mode: 'v2', controllers: [], unified: '/sys/fs/cgroup', writable: true }

test('v1 has every controller at its own place', () => {
  for (const id of ['memory', 'cpu', 'pids', 'devices', 'freezer', 'cpuset']) {
    const found = finding({ cgroup: V1 }, `cgroup-${id}`)
    assert.is(found.state, 'ok')
    assert.is(found.fact, `cgroup v1 at /sys/fs/cgroup/${id}`)
  }
})

test('v2 has device rules and freezing without a controller', () => {
  assert.is(finding({}, 'cgroup-devices').fact, 'BPF programs of cgroup v2 at /sys/fs/cgroup')
  assert.is(finding({}, 'cgroup-freezer').fact, 'cgroup.freeze of cgroup v2 at /sys/fs/cgroup')
})

const MAPS = [
  { containerID: 0, hostID: 1000, size: 1 },
  { containerID: 1, hostID: 100_000, size: 65_536 },
]
const USERS = { fd: 9, uidMappings: MAPS, gidMappings: MAPS, setsGroups: true }
const SINGLE = { ...USERS, uidMappings: MAPS.slice(0, 1), single: { why: 'no range', remedy: 'add one' } }
const ordinary = (cgroup: CgroupFacts): Partial<HostFacts> => ({
  euid: 1000,
  effectiveCaps: 0n,
  users: USERS,
  cgroup,
})

test('an ordinary user can run containers, and is told what of, and how to have more', () => {
  const v1 = ordinary({ ...V1, writable: false })
  assert.is(diagnose({ ...plainFacts, ...v1 }).canRun, true)
  assert.match(finding(v1, 'rights').remedy ?? '', /as root/)
  assert.match(finding(v1, 'cgroups').fact, /v1 cannot be delegated/)
  assert.match(finding(v1, 'cgroups').remedy ?? '', /unified_cgroup_hierarchy/)
  const v2 = ordinary({ ...V2_EMPTY, writable: false })
  assert.is(finding(v2, 'cgroups').command, 'systemd-run --user --scope -p Delegate=yes COMMAND')
  assert.match(finding(ordinary(NONE), 'cgroups').remedy ?? '', /have root mount/)
})

const BASIC = ['mnt', 'net', 'ipc', 'uts', 'pid']

const CASES: readonly (readonly [string, Partial<HostFacts>, string, string, RegExp])[] = [
  ['an ordinary user', ordinary(V1), 'rights', 'limited', /^user 1000, an ordinary one$/],
  ['ranges of ids', ordinary(V1), 'ids', 'ok', /^65537 uids and 65537 gids$/],
  ['one id', { ...ordinary(V1), users: SINGLE }, 'ids', 'limited', /^one: no range$/],
  ['v1 is nobody else’s', ordinary({ ...V1, writable: false }), 'cgroup-memory', 'limited', /not delegated$/],
  ['nodes of an ordinary user', ordinary(V1), 'cgroup-devices', 'ok', /user namespace/],
  ['its own namespace', ordinary(V1), 'user-namespaces', 'ok', /^made$/],
  [
    'a delegated group',
    ordinary({ ...V2_EMPTY, delegated: '/u/1000' }),
    'cgroups',
    'ok',
    /\/u\/1000 is this user's/,
  ],
  ['no right to mount', { effectiveCaps: 0x1ffffdfffffn }, 'rights', 'missing', /without CAP_SYS_ADMIN$/],
  [
    'no rights at all',
    { effectiveCaps: 0n, euid: 5 },
    'rights',
    'missing',
    /^user 5 without CAP_CHOWN, CAP_/,
  ],
  ['Linux 5.15', { kernel: [5, 15] }, 'kernel', 'limited', /./],
  ['Linux 5.10', { kernel: [5, 10] }, 'kernel', 'missing', /./],
  ['Linux 7.0', { kernel: [7, 0] }, 'kernel', 'ok', /./],
  ['no pid namespaces', { namespaces: ['mnt', 'net', 'ipc', 'uts'] }, 'namespaces', 'missing', /mnt, net/],
  ['no cgroup namespaces', { namespaces: BASIC }, 'namespaces', 'limited', /./],
  ['no namespaces', { namespaces: [] }, 'namespaces', 'missing', /^none$/],
  ['no cgroups', { cgroup: NONE }, 'cgroups', 'limited', /^not mounted$/],
  [
    'read-only cgroups',
    { cgroup: { ...V1, writable: false } },
    'cgroups',
    'limited',
    /^version 1, read-only$/,
  ],
  ['read-only cgroups', { cgroup: { ...V1, writable: false } }, 'cgroup-memory', 'limited', /read-only$/],
  ['no memory controller', { cgroup: V2_EMPTY }, 'cgroup-memory', 'limited', /^no controller$/],
  [
    'no device cgroup',
    { cgroup: { ...V1, controllers: [] } },
    'cgroup-devices',
    'limited',
    /^no controller$/,
  ],
  ['no seccomp', { seccompActions: [] }, 'seccomp', 'limited', /^not in this kernel$/],
  [
    'AppArmor and SELinux',
    { apparmor: true, selinux: true },
    'security-modules',
    'limited',
    /^AppArmor, SELinux$/,
  ],
  ['Linux 6.1 clocks', { timeNamespaceAtExec: false }, 'time-namespace', 'limited', /before Linux 6\.2/],
  [
    'no time namespaces',
    { timeNamespaceAtExec: false, namespaces: BASIC },
    'time-namespace',
    'limited',
    /^not in this kernel$/,
  ],
  [
    'forbidden user namespaces',
    { userNamespaces: false },
    'user-namespaces',
    'limited',
    /^forbidden by a setting$/,
  ],
  [
    'no user namespaces',
    { userNamespaces: false, namespaces: BASIC },
    'user-namespaces',
    'limited',
    /^not in this kernel$/,
  ],
  ['no SO_PASSPIDFD', { passPidfd: false }, 'guardian', 'ok', /before Linux 6\.5/],
  ['no lowerdir+', { overlayLowerPlus: false }, 'layers', 'ok', /before Linux 6\.8/],
  ['few files', { canRaiseLimits: false, nofileHard: 20_000 }, 'open-files', 'limited', /20000/],
  [
    'unlimited files',
    { canRaiseLimits: false, nofileHard: Number.POSITIVE_INFINITY },
    'open-files',
    'ok',
    /unlimited/,
  ],
  ['no IPv6', { ipv6: false }, 'ipv6', 'limited', /./],
]
for (const [name, over, id, state, fact] of CASES)
  test(`${name}: ${id} is ${state}`, () => {
    const found = finding(over, id)
    assert.is(found.state, state)
    assert.match(found.fact, fact)
    assert.is(diagnose({ ...plainFacts, ...over }).canRun, state !== 'missing')
  })

test('a missing controller names the way to get it on this layout', () => {
  assert.match(
    finding({ cgroup: V2_EMPTY }, 'cgroup-memory').command ?? '',
    /\+memory > cgroup\.subtree_control/,
  )
  assert.match(
    finding({ cgroup: { ...V1, controllers: [] } }, 'cgroup-pids').command ?? '',
    /^mount .* -o pids /,
  )
})

test('root without a capability is not told to become root', () => {
  assert.is(finding({ effectiveCaps: 0n }, 'rights').remedy, 'give this process the capabilities it lacks')
  assert.is(finding({ effectiveCaps: 0n, euid: 1 }, 'rights').remedy, 'run slipway as root')
})

test.run()
