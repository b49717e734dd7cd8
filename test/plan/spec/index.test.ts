// The spec builder: one fact a test, where the golden documents show only the whole.
import fc from 'fast-check'
import { CAPABILITIES, DEFAULT_CAPABILITIES } from '../../../src/model/capabilities.ts'
import type { Mount, Spec } from '../../../src/model/oci-spec.ts'
import { decodeSpecText } from '../../../src/model/oci-spec-decode.ts'
import type { ContainerOptions } from '../../../src/model/options.ts'
import type { OwnUsers } from '../../../src/model/own-users.ts'
import { RLIM_INFINITY } from '../../../src/model/rlimits.ts'
import { buildSpec, type SpecInput } from '../../../src/plan/spec/index.ts'
import { expectMessage, expectRight } from '../../support/either.ts'
import { assert, suite } from '../../support/suite.ts'
import { facts, ID, image, input, seccomp, specOf, web } from './support.ts'

const Build = suite('plan/spec')
const sorted = (names: readonly string[] = []): string[] => [...names].sort()
const argsOf = (config: object, argv: readonly string[], options: ContainerOptions = {}) =>
  specOf(options, { image: image(config), argv }).process?.args
const envOf = (options: ContainerOptions, more: Partial<SpecInput> = {}) => specOf(options, more).process?.env
const mountAt = (spec: Spec, destination: string): Mount | undefined =>
  spec.mounts?.find((mount) => mount.destination === destination)
const optionsAt = (spec: Spec, destination: string): readonly string[] =>
  mountAt(spec, destination)?.options ?? []
const typesOf = (options: ContainerOptions, more: Partial<SpecInput> = {}) =>
  specOf(options, more).linux?.namespaces?.map(({ type }) => type)

// What runs

const commands: readonly (readonly [
  what: string,
  args: () => readonly string[] | undefined,
  want: readonly string[],
])[] = [
  ["without arguments the image's command runs", () => argsOf({ Cmd: ['a', 'b'] }, []), ['a', 'b']],
  ["arguments replace the image's command", () => argsOf({ Cmd: ['a', 'b'] }, ['c']), ['c']],
  [
    'the entry point comes before the command',
    () => argsOf({ Entrypoint: ['e'], Cmd: ['a'] }, []),
    ['e', 'a'],
  ],
  [
    'the entry point comes before the arguments',
    () => argsOf({ Entrypoint: ['e'], Cmd: ['a'] }, ['x']),
    ['e', 'x'],
  ],
  [
    "an entry point of one's own drops the image's command",
    () => argsOf({ Entrypoint: ['e'], Cmd: ['a'] }, [], { entrypoint: 'o' }),
    ['o'],
  ],
  [
    "an entry point of one's own keeps the arguments",
    () => argsOf({ Entrypoint: ['e'], Cmd: ['a'] }, ['x'], { entrypoint: ['o', 'p'] }),
    ['o', 'p', 'x'],
  ],
  [
    'an empty entry point leaves the arguments alone',
    () => argsOf({ Entrypoint: ['e'] }, ['x'], { entrypoint: '' }),
    ['x'],
  ],
  [
    'an entry point of no words leaves the arguments alone',
    () => argsOf({ Entrypoint: ['e'] }, ['x'], { entrypoint: [] }),
    ['x'],
  ],
  ['an empty argument stays one', () => argsOf({}, ['a', '']), ['a', '']],
]
for (const [what, args, want] of commands) Build(what, () => assert.equal(args(), want))

Build('nothing to run is refused, and the image is named', () => {
  const why = 'command: "": no command given, and debian:bookworm has none of its own'
  assert.is(expectMessage(buildSpec(input({}, { image: image({}) }))), why)
  assert.is(expectMessage(buildSpec(input({ entrypoint: '' }))), why)
})

Build('an empty program name is not found', () => {
  assert.is(expectMessage(buildSpec(input({}, { argv: [''] }))), '"": command not found in the container')
})

// Environment, directory, user

Build('the environment has PATH, HOSTNAME and HOME, and TERM with a terminal', () => {
  const path = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
  assert.equal(envOf({}), [path, 'HOSTNAME=0123456789ab', 'HOME=/root'])
  assert.equal(envOf({ tty: true }), [path, 'HOSTNAME=0123456789ab', 'TERM=xterm', 'HOME=/root'])
})

Build("the image's variables replace the defaults, and the caller's replace those", () => {
  const config = { Cmd: ['x'], Env: ['PATH=/i', 'A=i', 'B=i=j', 'C', '=x'] }
  const env = envOf({ env: { A: 'mine', HOME: '/h' } }, { image: image(config) })
  assert.equal(env, ['PATH=/i', 'HOSTNAME=0123456789ab', 'A=mine', 'B=i=j', 'HOME=/h'])
})

Build('HOME is that of the user', () => assert.ok(envOf({}, { user: web })?.includes('HOME=/var/www')))

const directories: readonly (readonly [config: object, cwd: string | undefined, want: string])[] = [
  [{}, undefined, '/'],
  [{ WorkingDir: '' }, undefined, '/'],
  [{ WorkingDir: '/srv' }, undefined, '/srv'],
  [{ WorkingDir: 'srv' }, undefined, '/srv'],
  [{ WorkingDir: '/srv' }, '/mine', '/mine'],
]
for (const [config, cwd, want] of directories) {
  Build(`with ${JSON.stringify(config)} and ${cwd ?? 'nothing'} asked the directory is ${want}`, () => {
    const options = cwd === undefined ? {} : { cwd }
    assert.is(specOf(options, { image: image({ Cmd: ['x'], ...config }) }).process?.cwd, want)
  })
}

Build('the user is passed on with its groups and umask 0022', () => {
  assert.equal(specOf({}, { user: web }).process?.user, {
    uid: 33,
    gid: 33,
    umask: 0o022,
    additionalGids: [33, 50],
  })
})

// Rights

Build("root has Docker's capabilities, bounding, effective and permitted", () => {
  const sets = specOf().process?.capabilities
  for (const set of [sets?.bounding, sets?.effective, sets?.permitted]) {
    assert.equal(sorted(set), sorted(DEFAULT_CAPABILITIES))
  }
  assert.equal([sets?.inheritable, sets?.ambient], [[], []])
})

Build('another user has them only as a bound', () => {
  const sets = specOf({}, { user: web }).process?.capabilities
  assert.equal(sorted(sets?.bounding), sorted(DEFAULT_CAPABILITIES))
  assert.equal([sets?.effective, sets?.permitted, sets?.ambient], [[], [], []])
})

Build('an engine passes on what it has, and all inside a user namespace', () => {
  const map = [{ containerId: 0, hostId: 1000, size: 1 }]
  const few = { facts: { ...facts, effectiveCaps: 1n << 5n } }
  const bounding = (options: ContainerOptions, more: Partial<SpecInput>) =>
    specOf(options, more).process?.capabilities?.bounding
  assert.equal(bounding({}, few), ['CAP_KILL'])
  assert.is(bounding({ security: { userns: { uidMap: map, gidMap: map } } }, few)?.length, 14)
  assert.is(bounding({}, { facts: { ...few.facts, euid: 1000 } })?.length, 14)
})

Build('an unknown capability is refused', () => {
  const given = input()
  const options = { ...given.options, security: { capAdd: ['x'] } }
  assert.is(expectMessage(buildSpec({ ...given, options })), 'security.capAdd: "x": no such capability')
})

Build('no_new_privs is set only when asked for', () => {
  assert.is(specOf().process?.noNewPrivileges, undefined)
  assert.is(specOf({ security: { noNewPrivileges: true } }).process?.noNewPrivileges, true)
})

Build('the seccomp profile is used unless it is declined', () => {
  assert.is(specOf().linux?.seccomp, seccomp)
  assert.is(specOf({ security: { seccomp: 'unconfined' } }).linux?.seccomp, undefined)
  assert.is(specOf({ security: { privileged: true } }).linux?.seccomp, undefined)
  assert.is(specOf({ security: { privileged: true, seccomp: {} } }).linux?.seccomp, seccomp)
})

Build('privileged opens what is closed otherwise', () => {
  const { linux, process, ...spec } = specOf({ security: { privileged: true } })
  assert.equal([linux?.maskedPaths, linux?.readonlyPaths], [[], []])
  assert.is(process?.capabilities?.effective?.length, CAPABILITIES.length)
  assert.equal(linux?.resources?.devices, [{ allow: true, access: 'rwm' }])
  for (const place of ['/sys', '/sys/fs/cgroup']) assert.not.ok(optionsAt(spec as Spec, place).includes('ro'))
})

Build('systempaths=unconfined opens the paths and nothing else', () => {
  const { linux, process } = specOf({ security: { systemPaths: 'unconfined' } })
  assert.equal([linux?.maskedPaths, linux?.readonlyPaths], [[], []])
  assert.equal(process?.capabilities?.effective?.length, DEFAULT_CAPABILITIES.length)
})

Build('the thermal counters of the CPUs are masked', () => {
  assert.ok(specOf().linux?.maskedPaths?.includes('/sys/devices/system/cpu/cpu0/thermal_throttle'))
})

// Limits

const nofileOf = (options: ContainerOptions, more: Partial<SpecInput> = {}) =>
  specOf(options, more).process?.rlimits?.find(({ type }) => type === 'RLIMIT_NOFILE')

Build("open files are limited to Docker's soft limit and the hard one we have", () => {
  assert.equal(nofileOf({}), { type: 'RLIMIT_NOFILE', soft: 524_288, hard: 524_288 })
  const large = { ...facts, nofileHard: 2 ** 30 }
  assert.equal(nofileOf({}, { facts: large }), { type: 'RLIMIT_NOFILE', soft: 1_048_576, hard: 2 ** 30 })
})

Build('a limit that was asked for replaces the default', () => {
  assert.equal(nofileOf({ ulimits: [{ name: 'nofile', soft: 10 }] }), {
    type: 'RLIMIT_NOFILE',
    soft: 10,
    hard: 10,
  })
  assert.is(specOf({ ulimits: [{ name: 'nofile', soft: 10 }] }).process?.rlimits?.length, 1)
})

Build('-1 is no limit', () => {
  const limits = specOf({ ulimits: [{ name: 'core', soft: -1 }] }).process?.rlimits
  assert.equal(limits?.at(-1), { type: 'RLIMIT_CORE', soft: RLIM_INFINITY, hard: RLIM_INFINITY })
})

Build('a limit of open files above what may be had is refused', () => {
  const less = { ...facts, canRaiseLimits: false, nofileHard: 1024 }
  const given = input({ ulimits: [{ name: 'nofile', soft: 10, hard: 2048 }] }, { facts: less })
  const want =
    'a nofile limit of 2048: not available on this host: the hard limit of this process is 1024 and it may not raise it'
  assert.is(expectMessage(buildSpec(given)), want)
  assert.is(nofileOf({ ulimits: [{ name: 'nofile', soft: 10, hard: 1024 }] }, { facts: less })?.hard, 1024)
})

const memoryOf = (options: ContainerOptions) => specOf(options).linux?.resources?.memory
Build('memory without a word about swap may swap as much again', () => {
  assert.equal(memoryOf({ memory: '64m' }), { limit: 67_108_864, swap: 134_217_728 })
  assert.equal(memoryOf({ memory: '64m', memorySwap: '64m' }), { limit: 67_108_864, swap: 67_108_864 })
  assert.equal(memoryOf({ memory: '64m', memorySwap: -1 }), { limit: 67_108_864, swap: -1 })
  assert.equal(memoryOf({ memoryReservation: '64m' }), { reservation: 67_108_864 })
  assert.is(memoryOf({}), undefined)
})

Build('a share of CPUs is a quota of 100 ms', () => {
  const cpuOf = (options: ContainerOptions) => specOf(options).linux?.resources?.cpu
  assert.equal(cpuOf({ cpus: 0.5 }), { period: 100_000, quota: 50_000 })
  assert.equal(cpuOf({ cpus: 0.333 }), { period: 100_000, quota: 33_300 })
  assert.equal(cpuOf({ cpuShares: 512, cpusetCpus: '0' }), { shares: 512, cpus: '0' })
  assert.is(cpuOf({}), undefined)
})

Build('pids are unlimited at -1 and at 0, as in Docker', () => {
  const pids = (limit: number) => specOf({ pids: limit }).linux?.resources?.pids
  assert.equal([pids(5), pids(-1), pids(0)], [{ limit: 5 }, { limit: -1 }, { limit: -1 }])
  assert.is(specOf().linux?.resources?.pids, undefined)
})

// Devices

const fuse = {
  path: '/dev/fuse',
  type: 'c',
  major: 10,
  minor: 229,
  fileMode: 0o666,
  uid: 0,
  gid: 0,
  access: 'rw',
} as const

Build('devices are closed but for the harmless ones', () => {
  const rules = specOf().linux?.resources?.devices ?? []
  assert.equal(rules[0], { allow: false, access: 'rwm' })
  assert.not.ok(
    rules.slice(1).some((rule) => !rule.allow || (rule.major === undefined && rule.access !== 'm')),
  )
})

Build('a device that was asked for is made and opened', () => {
  const { linux } = specOf({}, { devices: [fuse] })
  const { access, ...node } = fuse
  assert.equal(linux?.devices, [node])
  assert.equal(linux?.resources?.devices?.at(-1), { allow: true, type: 'c', major: 10, minor: 229, access })
})

Build('a device rule that was asked for comes last', () => {
  const rules = specOf({ deviceCgroupRules: ['c 42:* rmw', 'a *:* m'] }).linux?.resources?.devices
  assert.equal(rules?.slice(-2), [
    { allow: true, type: 'c', access: 'rmw', major: 42 },
    { allow: true, type: 'a', access: 'm' },
  ])
})

// Namespaces

Build('a container has every namespace but user of its own', () => {
  assert.equal(sorted(typesOf({})), ['cgroup', 'ipc', 'mount', 'network', 'pid', 'time', 'uts'])
})

Build("the host's namespaces are left out one by one", () => {
  for (const name of ['network', 'pid', 'ipc', 'uts'] as const) {
    assert.not.ok(typesOf({ [name]: 'host' })?.includes(name))
  }
  assert.not.ok(typesOf({ cgroupns: 'host' })?.includes('cgroup'))
})

Build('a namespace that the kernel lacks is left out, and time where execve does not enter it', () => {
  const old = {
    ...facts,
    namespaces: ['mnt', 'pid', 'net', 'ipc', 'uts', 'time'],
    timeNamespaceAtExec: false,
  }
  assert.equal(sorted(typesOf({}, { facts: old })), ['ipc', 'mount', 'network', 'pid', 'uts'])
})

Build('a user namespace brings its maps, and no group 5 for terminals it does not have', () => {
  const map = [{ containerId: 0, hostId: 1000, size: 1 }]
  const spec = specOf({ security: { userns: { uidMap: map, gidMap: map } } })
  assert.is(spec.linux?.namespaces?.[0]?.type, 'user')
  assert.equal(spec.linux?.uidMappings, [{ containerID: 0, hostID: 1000, size: 1 }])
  assert.not.ok(optionsAt(spec, '/dev/pts').includes('gid=5'))
  assert.equal(spec.linux?.sysctl, { 'net.ipv4.ip_unprivileged_port_start': '0' })
})

const OWN_USERS: OwnUsers = {
  fd: 20,
  uidMappings: [
    { containerID: 0, hostID: 1000, size: 1 },
    { containerID: 1, hostID: 100_000, size: 10 },
  ],
  gidMappings: [
    { containerID: 0, hostID: 1000, size: 1 },
    { containerID: 1, hostID: 100_000, size: 4 },
  ],
  setsGroups: true,
}
const SINGLE: OwnUsers = {
  fd: 20,
  uidMappings: [{ containerID: 0, hostID: 1000, size: 1 }],
  gidMappings: [{ containerID: 0, hostID: 1000, size: 1 }],
  setsGroups: false,
  single: { why: 'there is no range', remedy: 'add one' },
}
const ofUser = (users: OwnUsers, more: Partial<SpecInput> = {}): Partial<SpecInput> => ({
  ...more,
  facts: {
    ...facts,
    euid: 1000,
    effectiveCaps: 0n,
    users,
    cgroup: { mode: 'v1', controllers: [], writable: false },
  },
})

Build('a container of an ordinary user joins the user namespace of its engine', () => {
  const spec = specOf({}, ofUser(OWN_USERS))
  assert.equal(spec.linux?.namespaces?.[0], { type: 'user', path: '/proc/self/fd/20' })
  assert.is(spec.linux?.uidMappings, undefined)
  assert.not.ok(optionsAt(spec, '/dev/pts').includes('gid=5'))
  assert.equal(spec.linux?.sysctl, { 'net.ipv4.ip_unprivileged_port_start': '0' })
  assert.is(spec.process?.capabilities?.bounding?.length, 14)
})

Build('of the host’s namespaces an ordinary user binds what shows them, or leaves it out', () => {
  const network = specOf({ network: 'host' }, ofUser(OWN_USERS))
  assert.equal(mountAt(network, '/sys')?.options, ['rbind', 'nosuid', 'noexec', 'nodev', 'rro'])
  assert.is(mountAt(network, '/sys/fs/cgroup')?.type, 'tmpfs')
  assert.is(mountAt(specOf({ ipc: 'host' }, ofUser(OWN_USERS)), '/dev/mqueue'), undefined)
  assert.is(mountAt(specOf({ ipc: 'host' }), '/dev/mqueue')?.type, 'mqueue')
})

Build('what an ordinary user cannot give is refused by name', () => {
  const map = [{ containerId: 0, hostId: 1000, size: 1 }]
  const user = (uid: number, gid: number, additionalGids: readonly number[] = []) => ({
    uid,
    gid,
    additionalGids,
    home: '/',
  })
  const cases: readonly (readonly [ContainerOptions, OwnUsers, Partial<SpecInput>, RegExp])[] = [
    [{ pid: 'host' }, OWN_USERS, {}, /the host's pid namespace/],
    [{ cgroupns: 'host' }, OWN_USERS, {}, /the host's cgroup namespace/],
    [{ security: { userns: { uidMap: map, gidMap: map } } }, OWN_USERS, {}, /a user namespace of its own/],
    [{}, OWN_USERS, { user: user(11, 0) }, /uid 11 in a container: .*give 11 ids/],
    [{}, OWN_USERS, { user: user(0, 5) }, /gid 5 in a container: .*give 5 ids/],
    [{ groups: ['5'] }, OWN_USERS, { user: user(0, 0, [5]) }, /gid 5 in a container/],
    [{ groups: ['4'] }, SINGLE, { user: user(0, 0, [4]) }, /gid 4 in a container: .*there is no range/],
  ]
  for (const [options, users, more, why] of cases)
    assert.match(expectMessage(buildSpec(input(options, ofUser(users, more)))), why)
})

Build('groups of the image’s user that are not mapped are left out', () => {
  const groups = (users: OwnUsers) =>
    specOf({}, ofUser(users, { user: { uid: 0, gid: 0, additionalGids: [3, 4, 5], home: '/' } })).process
      ?.user.additionalGids
  assert.equal([groups(OWN_USERS), groups(SINGLE)], [[3, 4], []])
})

Build('sysctls of the network are set only in a network namespace of its own', () => {
  assert.equal(specOf().linux?.sysctl, {
    'net.ipv4.ip_unprivileged_port_start': '0',
    'net.ipv4.ping_group_range': '0 2147483647',
  })
  assert.is(specOf({ network: 'host' }).linux?.sysctl, undefined)
  const own = { sysctls: { 'net.ipv4.ip_unprivileged_port_start': '80' } }
  assert.is(specOf(own).linux?.sysctl?.['net.ipv4.ip_unprivileged_port_start'], '80')
})

Build("the hostname is the id's beginning, the one asked for, or the host's", () => {
  const hostHostname = 'machine'
  assert.is(specOf({}, { hostHostname }).hostname, ID.slice(0, 12))
  assert.is(specOf({ hostname: 'h' }, { hostHostname }).hostname, 'h')
  assert.is(specOf({ network: 'host' }, { hostHostname }).hostname, 'machine')
  assert.is(specOf({ network: 'host', hostname: 'h' }, { hostHostname }).hostname, 'h')
  assert.is(specOf({ uts: 'host' }, { hostHostname }).hostname, undefined)
  assert.ok(envOf({ uts: 'host' }, { hostHostname })?.includes('HOSTNAME=machine'))
})

// Mounts

const bind = (target: string, more: object = {}) => ({ type: 'bind', source: '/s', target, ...more }) as const

Build('mounts that were asked for come after ours, shallow ones first', () => {
  const spec = specOf({ mounts: [bind('/a/b/c'), bind('/z'), bind('/a/b'), bind('/a')] })
  const own = spec.mounts?.map(({ destination }) => destination).slice(-4)
  assert.equal(own, ['/z', '/a', '/a/b', '/a/b/c'])
})

Build('one of our mounts gives way to one that was asked for at the same place', () => {
  const spec = specOf({ mounts: [bind('/dev/shm'), bind('/sys')] })
  assert.is(spec.mounts?.filter(({ destination }) => destination === '/sys').length, 1)
  assert.is(mountAt(spec, '/dev/shm')?.source, '/s')
})

Build('a mount over /dev takes the place of all we have below it', () => {
  const places = specOf({ mounts: [bind('/dev')] }).mounts?.map(({ destination }) => destination)
  assert.equal(
    places?.filter((place) => place.startsWith('/dev')),
    ['/dev'],
  )
})

const bound = (more: object, kernel: readonly [number, number] = [6, 12]) =>
  optionsAt(specOf({ mounts: [bind('/t', more)] }, { facts: { ...facts, kernel } }), '/t')
Build('a bind is recursive, writable and private by default', () =>
  assert.equal(bound({}), ['rbind', 'rprivate']),
)
Build('a read-only bind is read-only all the way down, where the kernel can do that', () => {
  assert.equal(bound({ readonly: true }), ['rbind', 'rro', 'rprivate'])
  assert.equal(bound({ readonly: true }, [5, 11]), ['rbind', 'ro', 'rprivate'])
  assert.equal(bound({ readonly: true, recursive: false }), ['bind', 'ro', 'rprivate'])
})

Build('the root is shared or a slave when a mount has to be', () => {
  const root = (propagation: string) =>
    specOf({ mounts: [bind('/t', { propagation })] }).linux?.rootfsPropagation
  assert.equal(['rshared', 'shared', 'rslave', 'slave', 'rprivate'].map(root), [
    'shared',
    'shared',
    'slave',
    'slave',
    undefined,
  ])
})

Build("a tmpfs has Docker's options, and what is asked for after them", () => {
  const spec = specOf({ mounts: [{ type: 'tmpfs', target: '/t', size: '1k', options: ['exec', 'uid=5'] }] })
  assert.equal(optionsAt(spec, '/t'), [
    'noexec',
    'nosuid',
    'nodev',
    'mode=1777',
    'size=1024',
    'exec',
    'uid=5',
  ])
})

Build("/dev/shm has the size that was asked for, or is the host's own", () => {
  assert.ok(optionsAt(specOf(), '/dev/shm').includes('size=67108864'))
  assert.ok(optionsAt(specOf({ shmSize: '1m' }), '/dev/shm').includes('size=1048576'))
  assert.equal(mountAt(specOf({ ipc: 'host' }), '/dev/shm')?.options, ['rbind', 'rprivate'])
})

Build('a directory as root keeps its path, an image has the customary one', () => {
  const rootfs = { kind: 'directory', path: '/srv/root' } as const
  assert.equal(specOf({ readonly: true }, { image: { ...image(), rootfs } }).root, {
    path: '/srv/root',
    readonly: true,
  })
  assert.equal(specOf().root, { path: 'rootfs' })
})

// All of it

const anyOptions: fc.Arbitrary<ContainerOptions> = fc.record(
  {
    network: fc.constantFrom('none', 'host'),
    uts: fc.constantFrom('private', 'host'),
    pid: fc.constantFrom('private', 'host'),
    ipc: fc.constantFrom('private', 'host'),
    readonly: fc.boolean(),
    memory: fc.integer({ min: 6_291_456, max: 2 ** 40 }),
    cpus: fc.integer({ min: 1, max: 400 }).map((n) => n / 100),
    pids: fc.integer({ min: -1, max: 1000 }),
    env: fc.dictionary(fc.stringMatching(/^[A-Z_]{1,8}$/), fc.stringMatching(/^[ -~]*$/)),
    tty: fc.boolean(),
    security: fc.record(
      {
        privileged: fc.boolean(),
        capAdd: fc.subarray(['ALL', 'net_admin', 'CAP_BPF']),
        capDrop: fc.subarray(['ALL', 'mknod', 'CAP_KILL']),
      },
      { requiredKeys: [] },
    ),
    mounts: fc
      .uniqueArray(fc.stringMatching(/^\/[a-c](\/[a-c]){0,2}$/), { maxLength: 4 })
      .map((targets) => targets.map((target) => bind(target, { readonly: target.length > 2 }))),
    ulimits: fc.subarray([
      { name: 'core', soft: -1 },
      { name: 'nofile', soft: 5, hard: 9 },
    ]),
  },
  { requiredKeys: [] },
)

Build(
  'whatever is asked, the document is one that our own decoder accepts, and nothing of it changes',
  () => {
    fc.assert(
      fc.property(anyOptions, fc.constantFrom(web, undefined), (options, user) => {
        const spec = specOf(options, user === undefined ? {} : { user })
        const text = JSON.stringify(spec, (_, value) => (typeof value === 'bigint' ? `#${value}#` : value))
        assert.equal(expectRight(decodeSpecText(text.replace(/"#(\d+)#"/g, '$1'))), spec)
      }),
      { numRuns: 300 },
    )
  },
)

Build('whatever is asked, every name is in the environment once', () => {
  fc.assert(
    fc.property(anyOptions, (options) => {
      const names = (envOf(options) ?? []).map((entry) => entry.split('=')[0])
      assert.is(new Set(names).size, names.length)
    }),
  )
})

Build(
  'whatever is asked, capabilities in effect are within the bound, and privileged ones need privileged',
  () => {
    fc.assert(
      fc.property(anyOptions, (options) => {
        const { bounding = [], effective = [] } = specOf(options).process?.capabilities ?? {}
        assert.ok(effective.every((name) => bounding.includes(name)))
        const asked =
          options.security?.privileged === true || (options.security?.capAdd ?? []).includes('ALL')
        assert.ok(asked || !bounding.includes('CAP_SYS_ADMIN'))
      }),
    )
  },
)

Build('being spared when memory runs out is not inherited; being its first victim is', () => {
  const score = (own: number | undefined, asked?: number) =>
    specOf(asked === undefined ? {} : { oomScoreAdj: asked }, {
      facts: { ...facts, ...(own === undefined ? {} : { oomScoreAdj: own }) },
    }).process?.oomScoreAdj
  assert.is(score(-500), 0)
  assert.is(score(undefined), undefined)
  assert.is(score(-500, -100), -100)
})

Build('whatever is asked, no mount comes before one that lies above it', () => {
  fc.assert(
    fc.property(anyOptions, (options) => {
      const places = (specOf(options).mounts ?? []).map(({ destination }) => destination)
      places.forEach((place, i) => {
        const above = places.slice(i + 1).find((later) => place.startsWith(`${later}/`))
        assert.is(above, undefined)
      })
    }),
  )
})

Build.run()
