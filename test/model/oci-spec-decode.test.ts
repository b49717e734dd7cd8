// config.json: what is read, and the JSON path of everything that is refused.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import fc from 'fast-check'
import * as E from '#fp/Either'
import { decodeSpec, decodeSpecText } from '../../src/model/oci-spec-decode.ts'
import { expectLeft, expectMessage, expectRight } from '../support/either.ts'
import { lacking } from '../support/needs.ts'
import { assert, suite } from '../support/suite.ts'

const SpecDecode = suite('model/oci-spec-decode')

/** The smallest document; parts are laid over it. */
const base = { ociVersion: '1.2.0', root: { path: 'rootfs' } }
const process = { user: { uid: 0, gid: 0 }, args: ['sh'], cwd: '/' }
const namespaces = ['mount', 'pid', 'network', 'ipc', 'uts', 'user', 'cgroup', 'time'].map((type) => ({
  type,
}))
const maps = [{ containerID: 0, hostID: 100_000, size: 65_536 }]
const spec = (parts: object) => ({ ...base, ...parts })
const withProcess = (parts: object) => spec({ process: { ...process, ...parts } })
const withLinux = (parts: object) => spec({ linux: parts })
const withResources = (resources: object) => withLinux({ resources })

SpecDecode('the smallest document is read', () => {
  assert.equal(expectRight(decodeSpec(base)), base)
})

SpecDecode('everything the specification names is read as it is', () => {
  const document = {
    ociVersion: '1.3.0',
    root: { path: '/r', readonly: true },
    hostname: 'h',
    domainname: 'd',
    annotations: { 'a.b': '' },
    mounts: [
      { destination: '/proc', type: 'proc', source: 'proc', options: ['nosuid'] },
      {
        destination: '/d',
        type: 'bind',
        source: '/s',
        options: ['idmap'],
        uidMappings: maps,
        gidMappings: maps,
      },
    ],
    process: {
      terminal: true,
      consoleSize: { height: 24, width: 80 },
      user: { uid: 1, gid: 2, umask: 0o27, additionalGids: [3] },
      args: ['a'],
      env: ['A=b', 'C='],
      cwd: '/w',
      capabilities: {
        bounding: ['CAP_KILL'],
        effective: [],
        inheritable: [],
        permitted: [],
        ambient: ['CAP_NEW'],
      },
      rlimits: [{ type: 'RLIMIT_NOFILE', soft: 1, hard: 18446744073709551615n }],
      noNewPrivileges: true,
      apparmorProfile: 'p',
      selinuxLabel: 'l',
      oomScoreAdj: -5,
      scheduler: {
        policy: 'SCHED_DEADLINE',
        nice: 0,
        priority: 0,
        flags: [],
        runtime: 1,
        deadline: 2,
        period: 3,
      },
      ioPriority: { class: 'IOPRIO_CLASS_BE', priority: 4 },
      execCPUAffinity: { initial: '0-1', final: '0' },
    },
    hooks: {
      createRuntime: [{ path: '/h', args: ['h'], env: ['A=b'], timeout: 5 }],
      poststop: [{ path: '/h' }],
    },
    linux: {
      namespaces,
      uidMappings: maps,
      gidMappings: maps,
      timeOffsets: { monotonic: { secs: -1, nanosecs: 5 }, boottime: {} },
      devices: [
        { path: '/dev/x', type: 'c', major: 1, minor: 2, fileMode: 0o600, uid: 0, gid: 0 },
        { path: '/dev/p', type: 'p' },
      ],
      netDevices: { eth1: { name: 'net0' }, eth2: {} },
      cgroupsPath: '/a/b',
      resources: {
        devices: [
          { allow: false, access: 'rwm' },
          { allow: true, type: 'c', major: -1, minor: 3 },
        ],
        memory: {
          limit: -1,
          reservation: 1,
          swap: 2,
          kernel: 3,
          kernelTCP: 4,
          swappiness: 60,
          disableOOMKiller: false,
          useHierarchy: true,
          checkBeforeUpdate: true,
        },
        cpu: {
          shares: 2,
          quota: -1,
          burst: 0,
          period: 100_000,
          realtimeRuntime: 0,
          realtimePeriod: 1,
          cpus: '0',
          mems: '0',
          idle: 1,
        },
        pids: { limit: -1 },
        blockIO: {
          weight: 10,
          leafWeight: 20,
          weightDevice: [{ major: 8, minor: 0, weight: 500, leafWeight: 300 }],
          throttleReadBpsDevice: [{ major: 8, minor: 0, rate: 600 }],
          throttleWriteIOPSDevice: [{ major: 8, minor: 0, rate: 300 }],
        },
        hugepageLimits: [{ pageSize: '2MB', limit: 9223372036854771712n }],
        network: { classID: 1_048_577, priorities: [{ name: 'eth0', priority: 500 }] },
        rdma: { mlx5_1: { hcaHandles: 3, hcaObjects: 10_000 } },
        unified: { 'memory.high': '1' },
      },
      rootfsPropagation: 'rslave',
      seccomp: {
        defaultAction: 'SCMP_ACT_ERRNO',
        defaultErrnoRet: 38,
        architectures: ['SCMP_ARCH_X86_64'],
        flags: ['SECCOMP_FILTER_FLAG_LOG'],
        listenerPath: '/s',
        listenerMetadata: 'm',
        syscalls: [
          {
            names: ['clone'],
            action: 'SCMP_ACT_ALLOW',
            args: [{ index: 0, value: 2114060288, valueTwo: 0, op: 'SCMP_CMP_MASKED_EQ' }],
          },
          { names: ['x'], action: 'SCMP_ACT_TRACE', errnoRet: 1 },
        ],
      },
      sysctl: { 'net.ipv4.ip_forward': '1' },
      maskedPaths: ['/proc/kcore'],
      readonlyPaths: ['/proc/sys'],
      mountLabel: 'm',
      intelRdt: {
        closID: 'g',
        schemata: ['L3:0=f'],
        l3CacheSchema: 'x',
        memBwSchema: 'y',
        enableMonitoring: true,
      },
      personality: { domain: 'LINUX32', flags: [] },
      memoryPolicy: { mode: 'MPOL_BIND', nodes: '0', flags: ['MPOL_F_STATIC_NODES'] },
    },
  }
  assert.equal(expectRight(decodeSpec(document)), document)
})

SpecDecode('unknown fields are ignored wherever they are', () => {
  const document = spec({
    x: 1,
    process: { ...process, x: 1, user: { ...process.user, username: 'a' } },
    windows: {},
  })
  assert.equal(expectRight(decodeSpec(document)), spec({ process }))
})

SpecDecode('null stands for absent, as Go writes an empty list', () => {
  assert.equal(
    expectRight(decodeSpec(spec({ mounts: null, hooks: null, process: { ...process, env: null } }))),
    spec({ process }),
  )
})

SpecDecode('a relative mount destination counts from the root', () => {
  const decoded = expectRight(decodeSpec(spec({ mounts: [{ destination: 'data' }] })))
  assert.is(decoded.mounts?.[0]?.destination, '/data')
})

for (const ociVersion of ['1.0.0', '1.0.2-dev', '1.99.0', '1.2.0+build']) {
  SpecDecode(`version ${ociVersion} is read`, () => assert.ok(E.isRight(decodeSpec({ ...base, ociVersion }))))
}

const id = { containerID: 0, hostID: 0, size: 1 }
const refused: readonly (readonly [document: unknown, message: string])[] = [
  [null, '$: expected an object, got null'],
  ['x', '$: expected an object, got "x"'],
  [{}, '$.ociVersion: is required'],
  [
    { ...base, ociVersion: '2.0.0' },
    '$.ociVersion: only version 1 of the specification is understood, got "2.0.0"',
  ],
  [
    { ...base, ociVersion: '0.5.0' },
    '$.ociVersion: only version 1 of the specification is understood, got "0.5.0"',
  ],
  [{ ...base, ociVersion: '1.0' }, '$.ociVersion: expected a version such as 1.2.0, got "1.0"'],
  [{ ociVersion: '1.0.0' }, '$.root: is required'],
  [{ ...base, root: { path: '' } }, '$.root.path: is empty, got ""'],
  [{ ...base, root: { path: 'a\0' } }, '$.root.path: contains a NUL character, got "a\\u0000"'],
  [spec({ mounts: {} }), '$.mounts: expected an array, got {}'],
  [spec({ mounts: [{}] }), '$.mounts[0].destination: is required'],
  [
    spec({ mounts: [{ destination: '/a', uidMappings: maps }] }),
    '$.mounts[0]: uidMappings and gidMappings come together',
  ],
  [spec({ hostname: 'h' }), '$.hostname: needs a uts namespace'],
  [spec({ domainname: 'h' }), '$.domainname: needs a uts namespace'],
  [spec({ annotations: { '': 'x' } }), '$.annotations: a key is empty, got {"":"x"}'],
  [spec({ annotations: { a: 1 } }), '$.annotations.a: expected a string, got 1'],
  [spec({ process: {} }), '$.process.user: is required'],
  [withProcess({ user: { uid: 0 } }), '$.process.user.gid: is required'],
  [withProcess({ user: { uid: -1, gid: 0 } }), '$.process.user.uid: is not between 0 and 4294967294, got -1'],
  [
    withProcess({ user: { uid: 4294967295, gid: 0 } }),
    '$.process.user.uid: is not between 0 and 4294967294, got 4294967295',
  ],
  [
    withProcess({ user: { uid: 0, gid: 0, umask: 512 } }),
    '$.process.user.umask: is not between 0 and 511, got 512',
  ],
  [
    withProcess({ user: { uid: 0, gid: 0, additionalGids: [4294967295] } }),
    '$.process.user.additionalGids[0]: is not between 0 and 4294967294, got 4294967295',
  ],
  [withProcess({ args: [] }), '$.process.args: at least one argument is required, got []'],
  [withProcess({ args: 'sh' }), '$.process.args: expected an array, got "sh"'],
  [withProcess({ cwd: 'tmp' }), '$.process.cwd: must be an absolute path, got "tmp"'],
  [withProcess({ env: ['A'] }), '$.process.env[0]: expected NAME=value, got "A"'],
  [withProcess({ env: ['=x'] }), '$.process.env[0]: expected NAME=value, got "=x"'],
  [
    withProcess({ rlimits: [{ type: 'NOFILE', soft: 0, hard: 0 }] }),
    '$.process.rlimits[0].type: expected one of RLIMIT_CPU, RLIMIT_FSIZE, RLIMIT_DATA, RLIMIT_STACK, RLIMIT_CORE, RLIMIT_RSS, RLIMIT_NPROC, RLIMIT_NOFILE, RLIMIT_MEMLOCK, RLIMIT_AS, RLIMIT_LOCKS, RLIMIT_SIGPENDING, RLIMIT_MSGQUEUE, RLIMIT_NICE, RLIMIT_RTPRIO, RLIMIT_RTTIME, got "NOFILE"',
  ],
  [withProcess({ rlimits: [{ type: 'RLIMIT_CPU', soft: 0 }] }), '$.process.rlimits[0].hard: is required'],
  [
    withProcess({ rlimits: [{ type: 'RLIMIT_CPU', soft: 0, hard: '1' }] }),
    '$.process.rlimits[0].hard: expected a whole number, got "1"',
  ],
  [
    withProcess({ rlimits: [{ type: 'RLIMIT_CPU', soft: 0, hard: -1 }] }),
    '$.process.rlimits[0].hard: is not between 0 and 2^64-1, got -1',
  ],
  [
    withProcess({ rlimits: [{ type: 'RLIMIT_CPU', soft: 0, hard: 2n ** 64n }] }),
    '$.process.rlimits[0].hard: is not between 0 and 2^64-1, got 18446744073709551616',
  ],
  [
    withProcess({ rlimits: [{ type: 'RLIMIT_CPU', soft: 2, hard: 1 }] }),
    '$.process.rlimits[0]: the soft limit is above the hard one, got {"type":"RLIMIT_CPU","soft":2,"hard":1}',
  ],
  [withProcess({ oomScoreAdj: 1001 }), '$.process.oomScoreAdj: is not between -1000 and 1000, got 1001'],
  [
    withProcess({ scheduler: { policy: 'SCHED_NICE' } }),
    '$.process.scheduler.policy: expected one of SCHED_OTHER, SCHED_FIFO, SCHED_RR, SCHED_BATCH, SCHED_ISO, SCHED_IDLE, SCHED_DEADLINE, got "SCHED_NICE"',
  ],
  [
    withProcess({ ioPriority: { class: 'IOPRIO_CLASS_BE', priority: 8 } }),
    '$.process.ioPriority.priority: is not between 0 and 7, got 8',
  ],
  [
    withProcess({ terminal: true, consoleSize: { height: 70_000, width: 1 } }),
    '$.process.consoleSize: is too large',
  ],
  [
    spec({ hooks: { prestart: [{ path: 'x' }] } }),
    '$.hooks.prestart[0].path: must be an absolute path, got "x"',
  ],
  [
    spec({ hooks: { poststop: [{ path: '/x', timeout: 0 }] } }),
    '$.hooks.poststop[0].timeout: must be above zero, got 0',
  ],
  [
    withLinux({ namespaces: [{ type: 'net' }] }),
    '$.linux.namespaces[0].type: expected one of pid, network, mount, ipc, uts, user, cgroup, time, got "net"',
  ],
  [
    withLinux({ namespaces: [{ type: 'pid' }, { type: 'pid' }] }),
    '$.linux.namespaces: the pid namespace is named twice, got [{"type":"pid"},{"type":"pid"}]',
  ],
  [
    withLinux({ namespaces: [{ type: 'pid', path: 'x' }] }),
    '$.linux.namespaces[0].path: must be an absolute path, got "x"',
  ],
  [
    withLinux({ namespaces: [{ type: 'user' }] }),
    '$.linux.namespaces: a new user namespace needs uidMappings and gidMappings',
  ],
  [withLinux({ uidMappings: maps, gidMappings: maps }), '$.linux.uidMappings: needs a user namespace'],
  [withLinux({ gidMappings: maps }), '$.linux.gidMappings: needs a user namespace'],
  [
    withLinux({ uidMappings: [{ ...id, size: 0 }] }),
    '$.linux.uidMappings[0].size: is not between 1 and 4294967296, got 0',
  ],
  [
    withLinux({ uidMappings: [id, { ...id, hostID: 5 }] }),
    '$.linux.uidMappings: ranges overlap, got [{"containerID":0,"hostID":0,"size":1},{"containerID":0,"hos…',
  ],
  [withLinux({ timeOffsets: {} }), '$.linux.timeOffsets: needs a time namespace'],
  [
    withLinux({ timeOffsets: { boottime: { nanosecs: 1e9 } } }),
    '$.linux.timeOffsets.boottime.nanosecs: is not between 0 and 999999999, got 1000000000',
  ],
  [withLinux({ netDevices: { eth0: {} } }), '$.linux.netDevices: needs a network namespace'],
  [
    withLinux({ netDevices: { eth0: { name: 'a/b' } } }),
    '$.linux.netDevices.eth0.name: is not a name of a network device, got "a/b"',
  ],
  [
    withLinux({ devices: [{ path: '/dev/x', type: 'a' }] }),
    '$.linux.devices[0].type: expected one of c, b, u, p, got "a"',
  ],
  [
    withLinux({ devices: [{ path: '/dev/x', type: 'c' }] }),
    '$.linux.devices[0]: major and minor are required, got {"path":"/dev/x","type":"c"}',
  ],
  [
    withLinux({ devices: [{ path: 'x', type: 'p' }] }),
    '$.linux.devices[0].path: must be an absolute path, got "x"',
  ],
  [withLinux({ maskedPaths: ['/a'] }), '$.linux.maskedPaths: needs a mount namespace'],
  [withLinux({ readonlyPaths: ['/a'] }), '$.linux.readonlyPaths: needs a mount namespace'],
  [withLinux({ maskedPaths: ['a'] }), '$.linux.maskedPaths[0]: must be an absolute path, got "a"'],
  [
    withLinux({ rootfsPropagation: 'odd' }),
    '$.linux.rootfsPropagation: expected one of shared, slave, private, unbindable, rshared, rslave, rprivate, runbindable, got "odd"',
  ],
  [
    withLinux({ sysctl: { 'vm.swappiness': '1' } }),
    '$.linux.sysctl["vm.swappiness"]: belongs to no namespace: it would change the whole host',
  ],
  [
    withLinux({ sysctl: { 'net.ipv4.ip_forward': '1' } }),
    '$.linux.sysctl["net.ipv4.ip_forward"]: belongs to the network namespace, which is the host\'s here',
  ],
  [withLinux({ intelRdt: { closID: '../x' } }), '$.linux.intelRdt.closID: must be one file name, got "../x"'],
  [
    withProcess({ scheduler: { policy: 'SCHED_OTHER', priority: 3 } }),
    '$.process.scheduler: SCHED_OTHER has no priority: it is for SCHED_FIFO and SCHED_RR, got {"policy":"SCHED_OTHER","priority":3}',
  ],
  [
    withProcess({ execCPUAffinity: { initial: '0-' } }),
    '$.process.execCPUAffinity.initial: expected a list such as 0-3,7, got "0-"',
  ],
  [
    withLinux({ personality: { domain: 'LINUX', flags: ['ADDR_NO_RANDOMIZE'] } }),
    '$.linux.personality.flags: ADDR_NO_RANDOMIZE is no flag of a personality, got ["ADDR_NO_RANDOMIZE"]',
  ],
  [
    withLinux({ personality: { domain: 'BSD' } }),
    '$.linux.personality.domain: expected one of LINUX, LINUX32, got "BSD"',
  ],
  [withLinux({ seccomp: {} }), '$.linux.seccomp.defaultAction: is required'],
  [
    withLinux({ seccomp: { defaultAction: 'SCMP_ACT_ALLOW', defaultErrnoRet: 1 } }),
    '$.linux.seccomp: SCMP_ACT_ALLOW takes no defaultErrnoRet, got {"defaultAction":"SCMP_ACT_ALLOW","defaultErrnoRet":1}',
  ],
  [
    withLinux({ seccomp: { defaultAction: 'SCMP_ACT_ALLOW', listenerMetadata: 'x' } }),
    '$.linux.seccomp: listenerMetadata needs a listenerPath, got {"defaultAction":"SCMP_ACT_ALLOW","listenerMetadata":"x"}',
  ],
  [
    withLinux({ seccomp: { defaultAction: 'SCMP_ACT_ALLOW', architectures: ['X86'] } }),
    '$.linux.seccomp.architectures[0]: expected a SCMP_ARCH_ name, got "X86"',
  ],
  [
    withLinux({
      seccomp: { defaultAction: 'SCMP_ACT_ALLOW', syscalls: [{ names: [], action: 'SCMP_ACT_KILL' }] },
    }),
    '$.linux.seccomp.syscalls[0].names: at least one name is required, got []',
  ],
  [
    withLinux({
      seccomp: {
        defaultAction: 'SCMP_ACT_ALLOW',
        syscalls: [{ names: ['a'], action: 'SCMP_ACT_KILL', errnoRet: 1 }],
      },
    }),
    '$.linux.seccomp.syscalls[0]: SCMP_ACT_KILL takes no errnoRet, got {"names":["a"],"action":"SCMP_ACT_KILL","errnoRet":1}',
  ],
  [
    withLinux({
      seccomp: {
        defaultAction: 'SCMP_ACT_ALLOW',
        syscalls: [
          { names: ['a'], action: 'SCMP_ACT_KILL', args: [{ index: 6, value: 0, op: 'SCMP_CMP_EQ' }] },
        ],
      },
    }),
    '$.linux.seccomp.syscalls[0].args[0].index: is not between 0 and 5, got 6',
  ],
  [
    withResources({ memory: { limit: -2 } }),
    '$.linux.resources.memory.limit: is not between -1 and 9223372036854776000, got -2',
  ],
  [
    withResources({ memory: { limit: '1g' } }),
    '$.linux.resources.memory.limit: expected a whole number, got "1g"',
  ],
  [
    withResources({ memory: { swappiness: 201 } }),
    '$.linux.resources.memory.swappiness: is not between 0 and 200, got 201',
  ],
  [withResources({ devices: [{}] }), '$.linux.resources.devices[0].allow: is required'],
  [
    withResources({ devices: [{ allow: true, access: 'rwx' }] }),
    '$.linux.resources.devices[0].access: expected any of r, w and m, got "rwx"',
  ],
  [withResources({ cpu: { idle: 2 } }), '$.linux.resources.cpu.idle: is not between 0 and 1, got 2'],
  [
    withResources({ blockIO: { weight: 1001 } }),
    '$.linux.resources.blockIO.weight: is not between 0 and 1000, got 1001',
  ],
  [
    withResources({ hugepageLimits: [{ pageSize: '2mb', limit: 1 }] }),
    '$.linux.resources.hugepageLimits[0].pageSize: expected a size such as 2MB, got "2mb"',
  ],
  [
    withResources({ unified: { '../x': '1' } }),
    '$.linux.resources.unified: "../x" is not a file of a cgroup, got {"../x":"1"}',
  ],
  [
    withResources({ unified: { 'memory.max/../x': '1' } }),
    '$.linux.resources.unified: "memory.max/../x" is not a file of a cgroup, got {"memory.max/../x":"1"}',
  ],
]
for (const [document, want] of refused) {
  SpecDecode(`refused: ${want.slice(0, 120)}`, () => {
    assert.is(expectMessage(decodeSpec(document)), `config.json: ${want}`)
  })
}

SpecDecode('an rlimit that is given twice is refused', () => {
  const limit = { type: 'RLIMIT_CPU', soft: 0, hard: 0 }
  assert.match(
    expectMessage(decodeSpec(withProcess({ rlimits: [limit, limit] }))),
    'the same limit is given twice',
  )
})

SpecDecode('341 id maps are refused, 340 are read', () => {
  const many = (count: number) =>
    Array.from({ length: count }, (_, i) => ({ containerID: i, hostID: i, size: 1 }))
  const document = (count: number) => withLinux({ namespaces, uidMappings: many(count), gidMappings: maps })
  assert.ok(E.isRight(decodeSpec(document(340))))
  assert.match(expectMessage(decodeSpec(document(341))), 'the kernel takes 340 id maps at most')
})

SpecDecode('RLIM_INFINITY in a file stays exact', () => {
  const rlimits = '[{"type":"RLIMIT_CORE","soft":18446744073709551615,"hard":18446744073709551615}]'
  const text = JSON.stringify(withProcess({ rlimits: 'HERE' })).replace('"HERE"', rlimits)
  assert.is(expectRight(decodeSpecText(text)).process?.rlimits?.[0]?.hard, 18446744073709551615n)
})

SpecDecode('RLIM_INFINITY that JSON.parse has rounded is RLIM_INFINITY still', () => {
  const rlimits = [{ type: 'RLIMIT_CORE', soft: 2 ** 64, hard: 2 ** 64 }]
  assert.is(
    expectRight(decodeSpec(withProcess({ rlimits }))).process?.rlimits?.[0]?.hard,
    18446744073709551615n,
  )
})

SpecDecode('a file that is not JSON is refused by its name', () => {
  assert.match(expectMessage(decodeSpecText('{', '/b/config.json')), /^\/b\/config\.json: \$: not JSON: /)
})

SpecDecode('whatever is passed, the answer is a value, and a refusal names a path', () => {
  const keys = fc.constantFrom(
    'ociVersion',
    'root',
    'process',
    'linux',
    'mounts',
    'hooks',
    'hostname',
    'path',
    'user',
  )
  const anything = fc.dictionary(keys, fc.anything({ maxDepth: 4, withBigInt: true }))
  fc.assert(
    fc.property(anything, (parts) => {
      const result = decodeSpec({ ...base, ...parts })
      if (E.isRight(result)) return
      const error = expectLeft(result)
      assert.ok(error._tag === 'InvalidSpec' && error.where.startsWith('$'))
    }),
    { numRuns: 500 },
  )
})

for (const runtime of ['runc', 'crun'] as const) {
  const reason = lacking(`program:${runtime}`)
  const name = `what ${runtime} spec writes is read`
  if (reason !== undefined) SpecDecode.skip(name, reason)
  else
    SpecDecode(name, () => {
      const bundle = mkdtempSync(path.join(tmpdir(), 'spec-'))
      try {
        assert.is(spawnSync(runtime, ['spec'], { cwd: bundle }).status, 0)
        const decoded = expectRight(decodeSpecText(readFileSync(path.join(bundle, 'config.json'), 'utf8')))
        assert.equal(decoded.process?.args, ['sh'])
      } finally {
        rmSync(bundle, { recursive: true })
      }
    })
}

SpecDecode.run()
