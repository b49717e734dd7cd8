// Options from untyped callers: what is accepted, and one line for everything that is not.
import { Readable, Writable } from 'node:stream'
import fc from 'fast-check'
import * as E from '#fp/Either'
import type { InvalidOption } from '../../src/model/errors.ts'
import {
  decodeArgv,
  decodeContainerOptions,
  decodeEngineOptions,
  decodeImage,
  decodeKeptStart,
  decodeRunOptions,
  decodeStartOptions,
} from '../../src/model/options-decode.ts'
import { expectLeft, expectMessage, expectRight } from '../support/either.ts'
import { assert, suite } from '../support/suite.ts'

const Options = suite('model/options-decode')
const limits = { cpus: 4 }
const decode = (options: unknown) => expectRight(decodeRunOptions(options, limits))
const refuse = (options: unknown): string => expectMessage(decodeRunOptions(options, limits))

const over = (stream: Readable | Writable): unknown => stream.destroy()

const accepted: readonly (readonly [what: string, options: object, decoded: object])[] = [
  ['nothing', {}, {}],
  ['undefined values are absent', { memory: undefined, nosuch: undefined }, {}],
  ['sizes become bytes', { memory: '64MiB', shmSize: '1m' }, { memory: 67_108_864, shmSize: 1_048_576 }],
  ['the smallest memory', { memory: '6m' }, { memory: 6_291_456 }],
  ['zero is no memory limit', { memory: 0, memorySwap: 0, memoryReservation: '0' }, {}],
  ['zero is no CPU limit', { cpus: 0, cpuShares: 0 }, {}],
  ['unlimited swap', { memory: '64m', memorySwap: -1 }, { memory: 67_108_864, memorySwap: -1 }],
  ['unlimited swap as text', { memory: '64m', memorySwap: '-1' }, { memory: 67_108_864, memorySwap: -1 }],
  ['all CPUs of the host', { cpus: 4 }, { cpus: 4 }],
  ['times get their unit', { timeout: '2s', grace: 500 }, { timeoutMs: 2000, graceMs: 500 }],
  ['a timeout of zero is none, as in node:child_process', { timeout: 0 }, {}],
  ['a size of output', { maxOutput: '1k' }, { maxOutputBytes: 1024 }],
  ['one word as entry point', { entrypoint: '/bin/a b' }, { entrypoint: ['/bin/a b'] }],
  ['an empty entry point', { entrypoint: '' }, { entrypoint: [''] }],
  [
    'a device with its defaults',
    { devices: [{ source: '/dev/fuse' }] },
    { devices: [{ source: '/dev/fuse', target: '/dev/fuse', permissions: 'rwm' }] },
  ],
  ['a terminal of a size', { tty: { columns: 80, rows: 24 } }, { tty: { columns: 80, rows: 24 } }],
  [
    'a sysctl of an own namespace',
    { sysctls: { 'net.core.somaxconn': '5' } },
    { sysctls: { 'net.core.somaxconn': '5' } },
  ],
  [
    'addresses of every form',
    { dns: ['1.2.3.4', '::1', 'fe80::1', '::ffff:1.2.3.4', '1:2:3:4:5:6:7:8'] },
    { dns: ['1.2.3.4', '::1', 'fe80::1', '::ffff:1.2.3.4', '1:2:3:4:5:6:7:8'] },
  ],
  [
    'hosts of every form',
    { extraHosts: ['a:1.2.3.4', 'b:::1', 'c=::1', 'd:[::1]'] },
    { extraHosts: ['a:1.2.3.4', 'b:::1', 'c=::1', 'd:[::1]'] },
  ],
  [
    'a limit without end',
    { ulimits: [{ name: 'core', soft: 5, hard: -1 }] },
    { ulimits: [{ name: 'core', soft: 5, hard: -1 }] },
  ],
  ['pids without limit', { pids: -1 }, { pids: -1 }],
  ['all streams collected', { all: true, stdout: 'pipe' }, { all: true, stdout: 'pipe' }],
  ['an empty environment value', { env: { A: '' } }, { env: { A: '' } }],
]
for (const [what, options, decoded] of accepted) {
  Options(`${what} is accepted`, () => assert.equal(decode(options), decoded))
}

Options('mount targets are normalized', () => {
  const options = { mounts: [{ type: 'bind', source: '/a/../b', target: '/x//y/../z/./' }] }
  assert.equal(decode(options).mounts, [{ type: 'bind', source: '/a/../b', target: '/x/z' }])
})

Options('volumes and images are accepted with all their fields, and decode to the same again', () => {
  const idmap = { uids: [{ from: 1, to: 2, size: 3 }], gids: [{ from: 4, to: 5, size: 6 }] }
  const mounts = [
    { type: 'volume', target: '/a' },
    {
      type: 'volume',
      source: 'Data_1.x-y',
      target: '/b',
      readonly: true,
      nocopy: true,
      subpath: 'a/b',
      idmap,
      driverOptions: { type: 'nfs', device: ':/x', o: 'addr=192.0.2.1' },
      labels: { a: 'b' },
      anonymous: true,
    },
    { type: 'image', source: 'debian', target: '/c', subpath: 'etc' },
    { type: 'bind', source: '/d', target: '/d', readonly: true, recursive: 'writable', idmap: true },
  ]
  const options = { mounts, volumesFrom: ['web', 'db:ro', 'x:rw'] }
  assert.equal(decode(options), options)
})

Options('a size of a tmpfs becomes bytes', () => {
  assert.equal(
    decode({ mounts: [{ type: 'tmpfs', target: '/t', size: '1m', mode: 0o700, options: ['exec'] }] }).mounts,
    [{ type: 'tmpfs', target: '/t', size: 1_048_576, mode: 0o700, options: ['exec'] }],
  )
})

Options('a mount over a file of /proc that tells the machine is allowed', () => {
  assert.is(decode({ mounts: [{ type: 'bind', source: '/a', target: '/proc/meminfo' }] }).mounts?.length, 1)
})

Options('decoded options decode to the same again', () => {
  const once = expectRight(
    decodeContainerOptions(
      {
        memory: '64m',
        cpus: 1,
        mounts: [{ type: 'tmpfs', target: '/t', size: '1m' }],
        devices: [{ source: '/dev/fuse' }],
        entrypoint: 'x',
      },
      limits,
    ),
  )
  assert.equal(expectRight(decodeContainerOptions(once, limits)), once)
})

const uidMap = [{ containerId: 0, hostId: 100_000, size: 65_536 }]
const bind = (target: unknown, more = {}) => ({ mounts: [{ type: 'bind', source: '/a', target, ...more }] })

const refused: readonly (readonly [options: unknown, message: string])[] = [
  [5, 'options: "5": expected an object'],
  [[], 'options: "[]": expected an object'],
  [{ nosuch: 1 }, 'nosuch: "1": no such option'],
  [{ Memory: '64m' }, 'Memory: "64m": no such option; did you mean memory?'],
  [{ mount: [] }, 'mount: "[]": no such option; did you mean mounts?'],
  [{ read_only: true }, 'read_only: "true": no such option; did you mean readonly?'],
  [{ toString: 1 }, 'toString: "1": no such option'],
  [{ memory: null }, 'memory: "null": expected text or a number'],
  [{ memory: 'lots' }, 'memory: "lots": expected a size such as 64MiB, 1.5g or a number of bytes'],
  [{ memory: '5m' }, 'memory: "5m": the smallest memory limit is 6MiB'],
  [{ memory: 6 * 1024 * 1024 - 1 }, 'memory: "6291455": the smallest memory limit is 6MiB'],
  [{ memoryReservation: '1m' }, 'memoryReservation: "1m": the smallest memory limit is 6MiB'],
  [{ memorySwap: '64m' }, 'memorySwap: "64MiB": needs a memory limit beside it: it is memory plus swap'],
  [
    { memory: '64m', memorySwap: '32m' },
    'memorySwap: "32MiB": is memory plus swap, and memory alone is 64MiB',
  ],
  [
    { memory: '64m', memoryReservation: '65m' },
    'memoryReservation: "65MiB": is above the memory limit of 64MiB',
  ],
  [{ cpus: 4.5 }, 'cpus: "4.5": the host has only 4'],
  [{ cpus: 0.001 }, 'cpus: "0.001": must be 0.01 or more'],
  [{ cpus: -1 }, 'cpus: "-1": must be 0.01 or more'],
  [{ cpus: '1' }, 'cpus: "1": expected a number'],
  [{ cpuShares: -1 }, 'cpuShares: "-1": is not between 0 and 262144'],
  [{ cpusetCpus: '0-' }, 'cpusetCpus: "0-": expected a list such as 0-2,7'],
  [{ cpusetMems: '3-1' }, 'cpusetMems: "3-1": expected a list such as 0-2,7'],
  [{ pids: -2 }, 'pids: "-2": is not between -1 and 4194304'],
  [{ pids: 1.5 }, 'pids: "1.5": expected a whole number'],
  [{ oomScoreAdj: 1001 }, 'oomScoreAdj: "1001": is not between -1000 and 1000'],
  [{ network: 'bridge' }, 'network: "bridge": expected one of none, host'],
  [{ pid: 'container' }, 'pid: "container": expected one of private, host'],
  [{ name: '-x' }, 'name: "-x": a name has two or more letters, digits, or _.- after the first'],
  [{ hostname: 'a b' }, 'hostname: "a b": has letters, digits, and - or . between them'],
  [{ hostname: 'a'.repeat(65) }, `hostname: "${'a'.repeat(65)}": is longer than 64 bytes`],
  [
    { hostname: 'x', uts: 'host' },
    'hostname: "x": cannot be set with uts: \'host\': it would rename the host',
  ],
  [
    { domainname: 'x', uts: 'host' },
    'domainname: "x": cannot be set with uts: \'host\': it would rename the host',
  ],
  [
    { shmSize: '1m', ipc: 'host' },
    "shmSize: \"1MiB\": cannot be set with ipc: 'host': /dev/shm is the host's own",
  ],
  [{ env: ['A=b'] }, 'env: "[\\"A=b\\"]": expected an object of strings'],
  [{ env: { 'A=B': 'x' } }, 'env: "A=B": is not a name of an environment variable'],
  [{ env: { '': 'x' } }, 'env: "": is not a name of an environment variable'],
  [{ env: { A: 5 } }, 'env.A: "5": expected a string'],
  [{ env: { A: 'a\0b' } }, 'env.A: "a\\u0000b": contains a NUL character'],
  [{ labels: { '': 'x' } }, 'labels: "": is not a name of a label'],
  [{ cwd: 'tmp' }, 'cwd: "tmp": must be an absolute path'],
  [{ cwd: '/a\0b' }, 'cwd: "/a\\u0000b": contains a NUL character'],
  [{ user: 'a b' }, 'user: "a b": expected a name or uid, and after a colon a group or gid'],
  [{ user: 'a:b:c' }, 'user: "a:b:c": expected a name or uid, and after a colon a group or gid'],
  [{ user: 0 }, 'user: "0": expected a string'],
  [{ groups: [''] }, 'groups[0]: "": is empty'],
  [{ entrypoint: [5] }, 'entrypoint[0]: "5": expected a string'],
  [{ mounts: {} }, 'mounts: "{}": expected an array'],
  [{ mounts: ['/a:/b'] }, 'mounts[0]: "/a:/b": expected a mount'],
  [
    { mounts: [{ type: 'nfs', target: '/a' }] },
    'mounts[0].type: "nfs": expected bind, volume, tmpfs or image',
  ],
  [
    { mounts: [{ type: 'volume', source: 'x', target: '/a', size: 1 }] },
    'mounts[0]: "size": no such field of a volume mount',
  ],
  [
    { mounts: [{ type: 'image', source: 'x', target: '/a', readonly: true }] },
    'mounts[0]: "readonly": no such field of an image mount',
  ],
  [
    { mounts: [{ type: 'volume', source: '/a', target: '/a' }] },
    `mounts[0].source: "/a": a volume's name has letters and digits, and _.- after the first; a folder of the host is an absolute path`,
  ],
  [
    { mounts: [{ type: 'volume', source: 'x', target: '/a', subpath: 'a/../../b' }] },
    'mounts[0].subpath: "a/../../b": expected a path below the root, without .. and a leading slash',
  ],
  [
    { mounts: [{ type: 'volume', target: '/a', subpath: 'b' }] },
    'mounts[0].subpath: "b": a volume that is made for the container is empty',
  ],
  [
    { mounts: [{ type: 'volume', source: 'x', target: '/a', driverOptions: { type: 'nfs' } }] },
    'mounts[0].driverOptions: "{\\"type\\":\\"nfs\\"}": device is missing: what is to be mounted, e.g. tmpfs or /srv/data',
  ],
  [
    { mounts: [{ type: 'bind', source: '/a', target: '/a', idmap: { uids: [], gids: [] } }] },
    'mounts[0].idmap.uids: "[]": has no map',
  ],
  [
    { mounts: [{ type: 'bind', source: '/a', target: '/a', recursive: 'readonly' }] },
    'mounts[0].recursive: "readonly": needs readonly: true',
  ],
  [
    {
      mounts: [
        {
          type: 'bind',
          source: '/a',
          target: '/a',
          readonly: true,
          recursive: 'readonly',
          propagation: 'rslave',
        },
      ],
    },
    `mounts[0].propagation: "rslave": recursive: 'readonly' needs rprivate`,
  ],
  [{ volumesFrom: 'web' }, 'volumesFrom: "web": expected an array'],
  [{ volumesFrom: ['web:rx'] }, 'volumesFrom[0]: "web:rx": expected a container, and perhaps :ro or :rw'],
  [bind('b'), 'mounts[0].target: "b": must be an absolute path'],
  [bind('/'), 'mounts[0].target: "/": the root itself cannot be mounted over'],
  [bind('/x/..'), 'mounts[0].target: "/x/..": the root itself cannot be mounted over'],
  [bind('/proc'), 'mounts[0].target: "/proc": nothing may be mounted over /proc'],
  [
    bind('/x/../proc/self/attr'),
    'mounts[0].target: "/x/../proc/self/attr": nothing may be mounted over /proc',
  ],
  [bind(undefined), 'mounts[0].target: "": is required'],
  [bind('/b', { source: 'a' }), 'mounts[0].source: "a": must be an absolute path'],
  [
    bind('/b', { readOnly: true }),
    'mounts[0]: "readOnly": no such field of a bind mount; did you mean readonly?',
  ],
  [
    bind('/b', { propagation: 'odd' }),
    'mounts[0].propagation: "odd": expected one of private, rprivate, slave, rslave, shared, rshared',
  ],
  [
    { mounts: [{ type: 'tmpfs', target: '/t', source: '/a' }] },
    'mounts[0]: "source": no such field of a tmpfs mount',
  ],
  [
    { mounts: [{ type: 'tmpfs', target: '/t', mode: 0o10000 }] },
    'mounts[0].mode: "4096": is not between 0 and 4095',
  ],
  [
    { mounts: [{ type: 'tmpfs', target: '/t', options: ['a,b'] }] },
    'mounts[0].options[0]: "a,b": expected one mount option',
  ],
  [
    { mounts: [...bind('/b').mounts, { type: 'tmpfs', target: '//b/' }] },
    'mounts[1].target: "/b": is mounted twice',
  ],
  [
    { ulimits: [{ name: 'files', soft: 1 }] },
    'ulimits[0].name: "files": no such limit; there are cpu, fsize, data, stack, core, rss, nproc, nofile, memlock, as, locks, sigpending, msgqueue, nice, rtprio, rttime',
  ],
  [
    { ulimits: [{ name: 'core', soft: 2, hard: 1 }] },
    'ulimits[0]: "{\\"name\\":\\"core\\",\\"soft\\":2,\\"hard\\":1}": the soft limit is above the hard one',
  ],
  [
    { ulimits: [{ name: 'core', soft: -1, hard: 1 }] },
    'ulimits[0]: "{\\"name\\":\\"core\\",\\"soft\\":-1,\\"hard\\":1}": the soft limit is above the hard one',
  ],
  [
    {
      ulimits: [
        { name: 'core', soft: 1 },
        { name: 'CORE', soft: 1 },
      ],
    },
    'ulimits: "[{\\"name\\":\\"core\\",\\"soft\\":1},{\\"name\\":\\"CORE\\",\\"soft\\":1}]": the same limit is given twice',
  ],
  [{ devices: [{ source: 'fuse' }] }, 'devices[0].source: "fuse": must be an absolute path'],
  [
    { devices: [{ source: '/dev/fuse', target: '/etc/x' }] },
    'devices[0].target: "/etc/x": must lie below /dev',
  ],
  [
    { devices: [{ source: '/dev/fuse', permissions: 'rr' }] },
    'devices[0].permissions: "rr": expected any of r, w and m, each once',
  ],
  [{ deviceCgroupRules: ['c 1:3'] }, 'deviceCgroupRules[0]: "c 1:3": expected a rule such as "c 10:200 rwm"'],
  [
    { sysctls: { 'kernel.core_pattern': '|/x' } },
    'sysctls: "kernel.core_pattern": belongs to no namespace: it would change the whole host',
  ],
  [
    { sysctls: { 'net.core.somaxconn': '1' }, network: 'host' },
    'sysctls: "net.core.somaxconn": belongs to the network namespace, which is the host\'s here',
  ],
  [
    { sysctls: { 'kernel.shmmax': '1' }, ipc: 'host' },
    'sysctls: "kernel.shmmax": belongs to the ipc namespace, which is the host\'s here',
  ],
  [{ sysctls: { '': '1' } }, 'sysctls: "": is empty'],
  [{ extraHosts: ['a'] }, 'extraHosts[0]: "a": expected name:address'],
  [{ extraHosts: ['a:b'] }, 'extraHosts[0]: "a:b": expected name:address'],
  [{ extraHosts: ['a\n127.0.0.1 b:::1'] }, 'extraHosts[0]: "a\\n127.0.0.1 b:::1": expected name:address'],
  [
    { extraHosts: ['a:host-gateway'] },
    'extraHosts[0]: "a:host-gateway": host-gateway needs a bridge network, which this network is not',
  ],
  [{ dns: ['1.2.3'] }, 'dns[0]: "1.2.3": expected an IP address'],
  [{ dns: ['1.2.3.256'] }, 'dns[0]: "1.2.3.256": expected an IP address'],
  [{ dns: ['1:2:3:4:5:6:7'] }, 'dns[0]: "1:2:3:4:5:6:7": expected an IP address'],
  [{ dns: [':1'] }, 'dns[0]: ":1": expected an IP address'],
  [{ dns: ['1::2::3'] }, 'dns[0]: "1::2::3": expected an IP address'],
  [{ dnsSearch: ['a\nnameserver 1.2.3.4'] }, 'dnsSearch[0]: "a\\nnameserver 1.2.3.4": expected one word'],
  [{ init: 1 }, 'init: "1": expected true or false'],
  [{ tty: { columns: 80 } }, 'tty.rows: "": is required'],
  [{ tty: { columns: 0, rows: 1 } }, 'tty.columns: "0": is not between 1 and 65535'],
  [{ stopSignal: 'SIGNOT' }, 'stopSignal: "SIGNOT": no such signal'],
  [{ security: { capAdd: ['x'] } }, 'security.capAdd[0]: "x": no such capability'],
  [{ security: { capadd: [] } }, 'security.capadd: "[]": no such option; did you mean capAdd?'],
  [{ security: 'none' }, 'security: "none": expected an object'],
  [{ security: { seccomp: 'off' } }, 'security.seccomp: "off": expected a profile or \'unconfined\''],
  [{ security: { systemPaths: 'x' } }, 'security.systemPaths: "x": expected one of unconfined'],
  [
    { security: { userns: { uidMap, gidMap: [] } } },
    'security.userns.gidMap: "[]": expected 1 to 340 id maps',
  ],
  [
    { security: { userns: { uidMap: [{ containerId: 0, hostId: 0, size: 0 }], gidMap: uidMap } } },
    'security.userns.uidMap[0].size: "0": is not between 1 and 2147483647',
  ],
  [
    { security: { privileged: true, userns: { uidMap, gidMap: uidMap } } },
    'security.privileged: "true": cannot be had inside a user namespace of its own',
  ],
  [
    { network: 'host', security: { userns: { uidMap, gidMap: uidMap } } },
    'network: "host": cannot be shared with a user namespace of its own',
  ],
  [{ timeout: '5' }, 'timeout: "5": needs a unit: ms, s, m, h or d'],
  [{ timeout: -5 }, 'timeout: "-5": expected milliseconds, zero or more'],
  [{ grace: true }, 'grace: "true": expected text or a number'],
  [{ signal: {} }, 'signal: "{}": expected an AbortSignal'],
  [
    { stdin: 5 },
    "stdin: \"5\": expected text, bytes, a stream, { file }, { fd }, 'pipe', 'inherit' or 'ignore'",
  ],
  [{ stdin: { fd: -1 } }, 'stdin.fd: "-1": is not between 0 and 2147483647'],
  [{ stdin: { file: '' } }, 'stdin.file: "": is empty'],
  [{ stdin: { file: '/x', append: true } }, 'stdin.append: "true": no such field'],
  [{ stdout: { file: '/x', apend: true } }, 'stdout.apend: "true": no such field; did you mean append?'],
  [{ stdout: { file: '/x', append: 'yes' } }, 'stdout.append: "yes": expected true or false'],
  [
    { stdout: { file: '/x', fd: 1 } },
    'stdout: "{\\"file\\":\\"/x\\",\\"fd\\":1}": is either { file } or { fd }',
  ],
  [{ stdout: over(new Writable()) }, 'stdout: "stream": this stream has ended already'],
  [{ stdin: over(new Readable()) }, 'stdin: "stream": this stream has ended already'],
  [{ stdin: 'pipe' }, 'stdin: "pipe": run has nobody to write to it: use start, or give the text'],
  [
    { maxOutput: '1g' },
    'maxOutput: "1GiB": more than 512MiB can be had only with encoding \'buffer\', or as a stream or { file }',
  ],
  [
    { maxOutput: '3g', encoding: 'buffer', all: true },
    'maxOutput: "3GiB": more than 2GiB can be had only as a stream or { file }',
  ],
  [{ tty: true, stdin: 'text' }, 'stdin: "given": cannot be set with tty: the terminal is all three streams'],
  [
    { tty: true, stderr: 'ignore' },
    'stderr: "given": cannot be set with tty: the terminal is all three streams',
  ],
  [{ memroy: 1 }, 'memroy: "1": no such option; did you mean memory?'],
  [{ tiemout: 1 }, 'tiemout: "1": no such option; did you mean timeout?'],
  [{ MEMORY: 1 }, 'MEMORY: "1": no such option; did you mean memory?'],
  [{ net: 'none' }, 'net: "none": no such option; did you mean network?'],
  [{ privileged: true }, 'privileged: "true": no such option; did you mean security.privileged?'],
  [
    { security: { seccmp: 'unconfined' } },
    'security.seccmp: "unconfined": no such option; did you mean seccomp?',
  ],
  [
    { ulimits: [{ name: 'nofile', soft: 1, hrad: 2 }] },
    'ulimits[0].hrad: "2": no such field; did you mean hard?',
  ],
  [{ hostname: 'x'.repeat(300) }, `hostname: "${'x'.repeat(200)}…": is longer than 64 bytes`],
  [
    { stdout: 'file' },
    "stdout: \"file\": expected 'pipe', 'ignore', 'inherit', a stream, { file } or { fd }",
  ],
  [{ encoding: 'latin1' }, 'encoding: "latin1": expected one of utf8, buffer'],
  [{ all: true, stderr: 'ignore' }, 'all: "true": needs stderr to be collected, \'pipe\''],
]
for (const [options, want] of refused) {
  Options(`refused: ${want}`, () => assert.is(refuse(options), want))
}

Options('id maps that overlap on either side are refused', () => {
  const second = (containerId: number, hostId: number) => [...uidMap, { containerId, hostId, size: 10 }]
  for (const map of [second(65_535, 900_000), second(70_000, 100_001)]) {
    assert.match(refuse({ security: { userns: { uidMap: map, gidMap: uidMap } } }), 'ranges overlap')
  }
  assert.is(
    decode({ security: { userns: { uidMap: second(65_536, 165_536), gidMap: uidMap } } }).network,
    undefined,
  )
})

Options('every kind of stream is accepted', () => {
  const stdins = [
    'text',
    'pipe',
    new Uint8Array(2),
    Readable.from(['a']),
    (async function* () {})(),
    { fd: 0 },
    { file: '/x' },
  ]
  for (const stdin of stdins) assert.equal(expectRight(decodeStartOptions({ stdin }, limits)).stdin, stdin)
  for (const stdout of ['inherit', new Writable(), { fd: 1 }, { file: '/x', append: true }])
    assert.equal(decode({ stdout }).stdout, stdout)
})

Options('an AbortSignal is passed on as it is', () => {
  const { signal } = new AbortController()
  assert.is(decode({ signal }).signal, signal)
})

Options('options of run are no options of start, nor those of start of a container', () => {
  assert.match(expectMessage(decodeStartOptions({ all: true }, limits)), 'no such option')
  assert.match(expectMessage(decodeContainerOptions({ stdin: 'x' }, limits)), 'no such option')
})

Options('standard error may go where standard output goes', () => {
  assert.is(decode({ stderr: 'stdout' }).stderr, 'stdout')
  assert.match(refuse({ stdout: 'stdout' }), /^stdout: "stdout": expected/)
  assert.is(refuse({ all: true, stderr: 'stdout' }), 'all: "true": needs stderr to be collected, \'pipe\'')
})

Options('an image is a name or a directory', () => {
  const image = (value: unknown): string => expectMessage(decodeImage(value))
  assert.is(expectRight(decodeImage('debian')), 'debian')
  assert.equal(expectRight(decodeImage({ rootfs: '/srv/root' })), { rootfs: '/srv/root' })
  assert.is(image(undefined), 'image: "": expected a reference, \'host\' or { rootfs: path }')
  assert.is(image(5), 'image: "5": expected a reference, \'host\' or { rootfs: path }')
  assert.is(image(''), 'image: "": is empty')
  assert.is(image({ rootfs: 'here' }), 'image.rootfs: "here": must be an absolute path')
  assert.is(image({ rootFs: '/x' }), 'image.rootFs: "/x": no such field; did you mean rootfs?')
  assert.is(image({}), 'image.rootfs: "": is required')
})

Options('an engine takes two directories', () => {
  assert.equal(expectRight(decodeEngineOptions({ root: '/a', runtime: undefined })), { root: '/a' })
  assert.is(
    expectMessage(decodeEngineOptions({ roots: '/a' })),
    'roots: "/a": no such option; did you mean root?',
  )
  assert.is(expectMessage(decodeEngineOptions({ root: 5 })), 'root: "5": expected a string')
  assert.is(expectMessage(decodeEngineOptions({ runtime: '' })), 'runtime: "": is empty')
})

Options('keep belongs to start alone', () => {
  const decoded = expectRight(decodeKeptStart({ keep: true, cwd: '/' }, limits))
  assert.equal(decoded, { keep: true, options: { cwd: '/' } })
  assert.is(expectMessage(decodeKeptStart({ keep: 'yes' }, limits)), 'keep: "yes": expected true or false')
  assert.match(refuse({ keep: true }), 'no such option')
})

Options('argv is a list of strings without NUL', () => {
  assert.equal(expectRight(decodeArgv(['a', ''])), ['a', ''])
  assert.equal(expectRight(decodeArgv(undefined)), [])
  assert.is(expectMessage(decodeArgv('ls')), 'argv: "ls": expected an array')
  assert.is(expectMessage(decodeArgv(['a', 5])), 'argv[1]: "5": expected a string')
  assert.match(expectMessage(decodeArgv(['a\0'])), 'contains a NUL character')
})

Options('whatever is passed, the answer is a value, and a refusal names an option', () => {
  const names = [
    'memory',
    'mounts',
    'env',
    'security',
    'ulimits',
    'devices',
    'tty',
    'stdin',
    'dns',
    'sysctls',
    'x',
  ]
  const anything = fc.dictionary(fc.constantFrom(...names), fc.anything({ maxDepth: 3, withBigInt: true }))
  fc.assert(
    fc.property(anything, (options) => {
      const result = decodeRunOptions(options, limits)
      if (E.isRight(result)) return
      const error = expectLeft(result) as InvalidOption
      assert.is(error._tag, 'InvalidOption')
      assert.ok(names.some((name) => error.option.startsWith(name)))
    }),
    { numRuns: 1000 },
  )
})

Options.run()
