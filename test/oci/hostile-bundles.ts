// Bundles that are broken, contradict themselves, or try to get out: what is wrong with each, and what the runtime must say.

import { execFileSync } from 'node:child_process'
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'

export interface Hostile {
  readonly name: string
  /** What becomes of a document that would work; or the bytes of config.json, undefined for none. */
  readonly document: (good: Document, place: Place) => unknown
  /** What is done to the root file system, which is this bundle's alone. */
  readonly rootfs?: (rootfs: string, place: Place) => void
  /** The whole error, as it is told. */
  readonly refused: string | RegExp
}

/** Outside of the container, where nothing may change. */
export interface Place {
  readonly outside: string
}

// biome-ignore lint/suspicious/noExplicitAny: a document that is wrong has no type
export type Document = any

/** The bytes of config.json instead of a document. */
export class Bytes {
  readonly text: string | undefined
  constructor(text: string | undefined) {
    this.text = text
  }
}

type Change = (document: Document, place: Place) => void

const text = (name: string, bytes: string | undefined, refused: Hostile['refused']): Hostile => ({
  name,
  document: () => new Bytes(bytes),
  refused,
})

const changed = (
  name: string,
  change: Change,
  refused: Hostile['refused'],
  rootfs?: Hostile['rootfs'],
): Hostile => ({
  name,
  document: (good, place) => {
    change(good, place)
    return good
  },
  refused,
  ...(rootfs === undefined ? {} : { rootfs }),
})

const set = (name: string, where: string, value: unknown, refused: Hostile['refused']): Hostile =>
  changed(name, (document) => put(document, where.split('.'), value), refused)

const put = (at: Document, [first = '', ...rest]: readonly string[], value: unknown): void => {
  if (rest.length === 0) at[first] = value
  else {
    at[first] ??= {}
    put(at[first], rest, value)
  }
}

const namespace = (document: Document, type: string, file: string): void => {
  document.linux.namespaces = document.linux.namespaces
    .filter((each: Document) => each.type !== type)
    .concat({ type, path: file })
}

const link = (name: string, target: (place: Place) => string): NonNullable<Hostile['rootfs']> => {
  return (rootfs, place) => {
    rmSync(path.join(rootfs, name), { recursive: true, force: true })
    symlinkSync(target(place), path.join(rootfs, name))
  }
}

const MAP = { containerID: 0, hostID: 100_000, size: 1000 }

export const HOSTILE: readonly Hostile[] = [
  // The file.
  text('no config.json', undefined, 'open: BUNDLE/config.json: ENOENT (no such file or directory)'),
  text('an empty file', '', /^BUNDLE\/config\.json: \$: not JSON: ./),
  text('no JSON', 'not json', /^BUNDLE\/config\.json: \$: not JSON: ./),
  text('cut short', '{"ociVersion": "1.0.2", "root": {"path": "r', /^BUNDLE\/config\.json: \$: not JSON: ./),
  text('with a byte order mark', '\ufeff{"ociVersion":"1.0.2"}', /^BUNDLE\/config\.json: \$: not JSON: ./),
  text('a list', '[]', 'BUNDLE/config.json: $: expected an object, got []'),
  text('null', 'null', 'BUNDLE/config.json: $: expected an object, got null'),
  text('nested 100,000 deep', '['.repeat(100_000), /^BUNDLE\/config\.json: \$: not JSON: ./),
  text('a number that is none', '{"ociVersion": 1e}', /^BUNDLE\/config\.json: \$: not JSON: ./),
  text(
    'a control character in a string',
    '{"ociVersion": "1.0\u00012"}',
    /^BUNDLE\/config\.json: \$: not JSON: ./,
  ),
  // Versions and the root.
  set('no version', 'ociVersion', undefined, 'BUNDLE/config.json: $.ociVersion: is required'),
  set(
    'a version of the future',
    'ociVersion',
    '2.0.0',
    'BUNDLE/config.json: $.ociVersion: only version 1 of the specification is understood, got "2.0.0"',
  ),
  set(
    'a version that is a number',
    'ociVersion',
    1,
    'BUNDLE/config.json: $.ociVersion: expected a string, got 1',
  ),
  set('no root', 'root', undefined, 'BUNDLE/config.json: $.root: is required'),
  set('a root without a path', 'root', {}, 'BUNDLE/config.json: $.root.path: is required'),
  set('an empty path of the root', 'root.path', '', 'BUNDLE/config.json: $.root.path: is empty, got ""'),
  set(
    'a root with a NUL',
    'root.path',
    '/tmp\0/x',
    'BUNDLE/config.json: $.root.path: contains a NUL character, got "/tmp\\u0000/x"',
  ),
  set(
    'a root that is not there',
    'root.path',
    '/no/such/rootfs',
    'stat: /no/such/rootfs: ENOENT (no such file or directory)',
  ),
  set(
    'a root that is a file',
    'root.path',
    '/etc/passwd',
    'config.json: $.root.path: /etc/passwd is no directory',
  ),
  // The process.
  set('no process', 'process', undefined, 'BUNDLE/config.json: $.process.args: is required'),
  set(
    'no arguments',
    'process.args',
    [],
    'BUNDLE/config.json: $.process.args: at least one argument is required, got []',
  ),
  set(
    'an argument that is a number',
    'process.args',
    [7],
    'BUNDLE/config.json: $.process.args[0]: expected a string, got 7',
  ),
  set(
    'an argument with a NUL',
    'process.args',
    ['sh\0x'],
    'BUNDLE/config.json: $.process.args[0]: contains a NUL character, got "sh\\u0000x"',
  ),
  set(
    'arguments of more than the kernel takes',
    'process.args',
    ['true', 'x'.repeat(200_000)],
    'true: cannot execute: E2BIG (argument list too long)',
  ),
  set(
    'a variable that is a number',
    'process.env',
    [1],
    'BUNDLE/config.json: $.process.env[0]: expected a string, got 1',
  ),
  set(
    'a variable with a NUL',
    'process.env',
    ['A=b\0c'],
    'BUNDLE/config.json: $.process.env[0]: contains a NUL character, got "A=b\\u0000c"',
  ),
  set(
    'a relative working directory',
    'process.cwd',
    'tmp',
    'BUNDLE/config.json: $.process.cwd: must be an absolute path, got "tmp"',
  ),
  set('no working directory', 'process.cwd', undefined, 'BUNDLE/config.json: $.process.cwd: is required'),
  set(
    'a working directory with a NUL',
    'process.cwd',
    '/tmp\0',
    'BUNDLE/config.json: $.process.cwd: contains a NUL character, got "/tmp\\u0000"',
  ),
  set(
    'a working directory that leads out by a descriptor',
    'process.cwd',
    '/proc/self/fd/7/../..',
    'open working directory: /proc/self/fd/7/../..: ELOOP (too many symbolic links)',
  ),
  set(
    'a negative uid',
    'process.user.uid',
    -1,
    'BUNDLE/config.json: $.process.user.uid: is not between 0 and 4294967294, got -1',
  ),
  set(
    'a uid beyond 32 bits',
    'process.user.uid',
    2 ** 32,
    'BUNDLE/config.json: $.process.user.uid: is not between 0 and 4294967294, got 4294967296',
  ),
  set(
    'a uid that is text',
    'process.user.uid',
    '0',
    'BUNDLE/config.json: $.process.user.uid: expected a whole number, got "0"',
  ),
  set(
    'a group that is text',
    'process.user.additionalGids',
    ['wheel'],
    'BUNDLE/config.json: $.process.user.additionalGids[0]: expected a whole number, got "wheel"',
  ),
  set(
    'capabilities that are text',
    'process.capabilities',
    'all',
    'BUNDLE/config.json: $.process.capabilities: expected an object, got "all"',
  ),
  set(
    'an unknown limit',
    'process.rlimits',
    [{ type: 'RLIMIT_NO_SUCH', soft: 1, hard: 1 }],
    'BUNDLE/config.json: $.process.rlimits[0].type: expected one of RLIMIT_CPU, RLIMIT_FSIZE, RLIMIT_DATA, RLIMIT_STACK, RLIMIT_CORE, RLIMIT_RSS, RLIMIT_NPROC, RLIMIT_NOFILE, RLIMIT_MEMLOCK, RLIMIT_AS, RLIMIT_LOCKS, RLIMIT_SIGPENDING, RLIMIT_MSGQUEUE, RLIMIT_NICE, RLIMIT_RTPRIO, RLIMIT_RTTIME, got "RLIMIT_NO_SUCH"',
  ),
  set(
    'a soft limit above the hard one',
    'process.rlimits',
    [{ type: 'RLIMIT_NOFILE', soft: 2, hard: 1 }],
    'BUNDLE/config.json: $.process.rlimits[0]: the soft limit is above the hard one, got {"type":"RLIMIT_NOFILE","soft":2,"hard":1}',
  ),
  set(
    'the same limit twice',
    'process.rlimits',
    [
      { type: 'RLIMIT_NOFILE', soft: 9, hard: 9 },
      { type: 'RLIMIT_NOFILE', soft: 8, hard: 8 },
    ],
    'BUNDLE/config.json: $.process.rlimits: the same limit is given twice, got [{"type":"RLIMIT_NOFILE","soft":9,"hard":9},{"type":"RLIMIT_…',
  ),
  set(
    'an OOM score that is none',
    'process.oomScoreAdj',
    5000,
    'BUNDLE/config.json: $.process.oomScoreAdj: is not between -1000 and 1000, got 5000',
  ),
  set(
    'an unknown scheduler',
    'process.scheduler',
    { policy: 'SCHED_LUCK' },
    'BUNDLE/config.json: $.process.scheduler.policy: expected one of SCHED_OTHER, SCHED_FIFO, SCHED_RR, SCHED_BATCH, SCHED_ISO, SCHED_IDLE, SCHED_DEADLINE, got "SCHED_LUCK"',
  ),
  set(
    'an unknown class of I/O',
    'process.ioPriority',
    { class: 'IOPRIO_CLASS_FAST', priority: 1 },
    'BUNDLE/config.json: $.process.ioPriority.class: expected one of IOPRIO_CLASS_RT, IOPRIO_CLASS_BE, IOPRIO_CLASS_IDLE, got "IOPRIO_CLASS_FAST"',
  ),
  set(
    'a profile of AppArmor',
    'process.apparmorProfile',
    'none-such',
    'process.apparmorProfile: not available on this host: this kernel has no AppArmor, or it is not enabled',
  ),
  set(
    'a label of SELinux',
    'process.selinuxLabel',
    'a:b:c',
    'process.selinuxLabel: not available on this host: this kernel has no SELinux, or it is not enabled',
  ),
  set(
    'a program that is a directory',
    'process.args',
    ['/tmp'],
    '/tmp: cannot execute: EACCES (permission denied)',
  ),
  set(
    'a program that is not there',
    'process.args',
    ['/no/such'],
    '/no/such: command not found in the container',
  ),
  changed(
    'a program that links out of the root',
    (document) => {
      document.process.args = ['/bin/out']
    },
    '/bin/out: command not found in the container',
    (rootfs, { outside }) => symlinkSync(path.join(outside, 'secret'), path.join(rootfs, 'bin/out')),
  ),
  changed(
    'a program without the right to be run',
    (document) => {
      document.process.args = ['/plain']
    },
    '/plain: cannot execute: EACCES (permission denied)',
    (rootfs) => writeFileSync(path.join(rootfs, 'plain'), '#!/bin/sh\n', { mode: 0o644 }),
  ),
  changed(
    'a program whose interpreter is itself',
    (document) => {
      document.process.args = ['/self']
    },
    '/self: cannot execute: ELOOP (too many symbolic links)',
    (rootfs) => writeFileSync(path.join(rootfs, 'self'), '#!/self\n', { mode: 0o755 }),
  ),
  // Namespaces and mappings.
  set(
    'an unknown namespace',
    'linux.namespaces',
    [{ type: 'time-travel' }],
    'BUNDLE/config.json: $.linux.namespaces[0].type: expected one of pid, network, mount, ipc, uts, user, cgroup, time, got "time-travel"',
  ),
  set(
    'the same namespace twice',
    'linux.namespaces',
    [{ type: 'pid' }, { type: 'pid' }, { type: 'mount' }],
    'BUNDLE/config.json: $.linux.namespaces: the pid namespace is named twice, got [{"type":"pid"},{"type":"pid"},{"type":"mount"}]',
  ),
  set(
    'a namespace without a type',
    'linux.namespaces',
    [{}],
    'BUNDLE/config.json: $.linux.namespaces[0].type: is required',
  ),
  changed(
    'a namespace that is not there',
    (document) => namespace(document, 'uts', '/no/such/ns'),
    'open namespace: /no/such/ns: ENOENT (no such file or directory)',
  ),
  changed(
    'a namespace of another type',
    (document) => namespace(document, 'uts', '/proc/self/ns/net'),
    'verify namespace: uts /proc/self/ns/net: EINVAL (invalid argument)',
  ),
  changed(
    'a namespace that is a plain file',
    (document) => namespace(document, 'uts', '/etc/passwd'),
    'verify namespace: uts /etc/passwd: EINVAL (invalid argument)',
  ),
  changed(
    'a namespace that is a FIFO',
    (document, { outside }) => {
      const fifo = path.join(outside, 'fifo')
      execFileSync('mkfifo', [fifo])
      namespace(document, 'uts', fifo)
    },
    'verify namespace: uts OUTSIDE/fifo: EINVAL (invalid argument)',
  ),
  set(
    'mappings without a user namespace',
    'linux.uidMappings',
    [MAP],
    'BUNDLE/config.json: $.linux.uidMappings: needs a user namespace',
  ),
  changed(
    'a user namespace without mappings',
    (document) => {
      document.linux.namespaces.push({ type: 'user' })
    },
    'BUNDLE/config.json: $.linux.namespaces: a new user namespace needs uidMappings and gidMappings',
  ),
  changed(
    'mappings that overlap',
    (document) => {
      document.linux.namespaces.push({ type: 'user' })
      document.linux.uidMappings = [MAP, { ...MAP, hostID: 200_000 }]
      document.linux.gidMappings = [MAP]
    },
    'BUNDLE/config.json: $.linux.uidMappings: ranges overlap, got [{"containerID":0,"hostID":100000,"size":1000},{"containerID…',
  ),
  changed(
    'a mapping of nothing',
    (document) => {
      document.linux.namespaces.push({ type: 'user' })
      document.linux.uidMappings = [{ ...MAP, size: 0 }]
      document.linux.gidMappings = [MAP]
    },
    'BUNDLE/config.json: $.linux.uidMappings[0].size: is not between 1 and 4294967296, got 0',
  ),
  changed(
    'more mappings than the kernel takes',
    (document) => {
      document.linux.namespaces.push({ type: 'user' })
      document.linux.uidMappings = Array.from({ length: 341 }, (_, at) => ({
        containerID: at,
        hostID: at,
        size: 1,
      }))
      document.linux.gidMappings = [MAP]
    },
    'BUNDLE/config.json: $.linux.uidMappings: the kernel takes 340 id maps at most, got [{"containerID":0,"hostID":0,"size":1},{"containerID":1,"hos…',
  ),
  changed(
    'a user that is not mapped',
    (document) => {
      document.linux.namespaces.push({ type: 'user' })
      document.linux.uidMappings = [MAP]
      document.linux.gidMappings = [MAP]
      document.process.user.uid = 5000
    },
    'setresuid: uid 5000: EINVAL (invalid argument)',
  ),
  changed(
    'a hostname in the host’s own namespace',
    (document) => {
      document.linux.namespaces = document.linux.namespaces.filter(({ type }: Document) => type !== 'uts')
      document.hostname = 'hijacked'
    },
    'BUNDLE/config.json: $.hostname: needs a uts namespace',
  ),
  set(
    'time offsets without a time namespace',
    'linux.timeOffsets',
    { monotonic: { secs: 1 } },
    'BUNDLE/config.json: $.linux.timeOffsets: needs a time namespace',
  ),
  // Kernel parameters.
  set(
    'a parameter of the whole kernel',
    'linux.sysctl',
    { 'kernel.panic': '1' },
    'BUNDLE/config.json: $.linux.sysctl["kernel.panic"]: belongs to no namespace: it would change the whole host',
  ),
  set(
    'a parameter of a network that is the host’s',
    'linux.sysctl',
    { 'net.ipv4.ip_forward': '0' },
    'BUNDLE/config.json: $.linux.sysctl["net.ipv4.ip_forward"]: belongs to the network namespace, which is the host\'s here',
  ),
  set(
    'a parameter with a path of its own',
    'linux.sysctl',
    { 'kernel.msgmax/../../kernel/panic': '1' },
    'BUNDLE/config.json: $.linux.sysctl["kernel.msgmax/../../kernel/panic"]: is written with dots',
  ),
  set(
    'a parameter that is a number',
    'linux.sysctl',
    { 'kernel.msgmax': 1 },
    'BUNDLE/config.json: $.linux.sysctl["kernel.msgmax"]: expected a string, got 1',
  ),
  // Mounts.
  set('mounts that are an object', 'mounts', {}, 'BUNDLE/config.json: $.mounts: expected an array, got {}'),
  set(
    'a mount without a place',
    'mounts',
    [{ type: 'tmpfs' }],
    'BUNDLE/config.json: $.mounts[0].destination: is required',
  ),
  set(
    'a mount with an empty place',
    'mounts',
    [{ destination: '', type: 'tmpfs' }],
    'BUNDLE/config.json: $.mounts[0].destination: is empty, got ""',
  ),
  set(
    'a mount with a NUL in its place',
    'mounts',
    [{ destination: '/a\0b', type: 'tmpfs' }],
    'BUNDLE/config.json: $.mounts[0].destination: contains a NUL character, got "/a\\u0000b"',
  ),
  set(
    'a mount of a source that is not there',
    'mounts',
    [{ destination: '/m', type: 'bind', source: '/no/such', options: ['bind'] }],
    'open bind source: /no/such: ENOENT (no such file or directory)',
  ),
  set(
    'a mount of an unknown file system',
    'mounts',
    [{ destination: '/m', type: 'nopefs', source: 'x' }],
    'fsopen: /m: ENODEV (no such device)',
  ),
  set(
    'a mount with an option the file system does not know',
    'mounts',
    [{ destination: '/m', type: 'tmpfs', source: 't', options: ['no-such-option=1'] }],
    'fsconfig: tmpfs no-such-option=1: EINVAL (invalid argument)',
  ),
  set(
    'a mount of the root itself',
    'mounts',
    [{ destination: '/', type: 'tmpfs', source: 't' }],
    'config.json: $.mounts[0].destination: is the root itself',
  ),
  set(
    'a folder of the host over /proc/self',
    'mounts',
    [
      { destination: '/proc', type: 'proc', source: 'proc' },
      { destination: '/proc/self', type: 'bind', source: '/tmp', options: ['bind'] },
    ],
    'open mount namespace: self/ns/mnt: ENOENT (no such file or directory)',
  ),
  set(
    'an idmapped mount of a map that is wrong',
    'mounts',
    [
      {
        destination: '/m',
        type: 'bind',
        source: '/tmp',
        options: ['bind', 'idmap'],
        uidMappings: [{ containerID: -1, hostID: 0, size: 1 }],
      },
    ],
    'BUNDLE/config.json: $.mounts[0].uidMappings[0].containerID: is not between 0 and 4294967295, got -1',
  ),
  changed(
    '/proc that links out',
    () => {},
    'open directory: /proc: ENOENT (no such file or directory)',
    link('proc', ({ outside }) => outside),
  ),
  changed(
    '/dev that links out',
    () => {},
    'open directory: /dev: ENOENT (no such file or directory)',
    link('dev', ({ outside }) => outside),
  ),
  changed(
    '/sys that links out',
    (document) => {
      document.mounts.push({ destination: '/sys', type: 'sysfs', source: 'sysfs', options: ['ro'] })
    },
    'open directory: /sys: ENOENT (no such file or directory)',
    link('sys', ({ outside }) => outside),
  ),
  changed(
    '/etc that links out, with a bind below',
    (document) => {
      document.mounts.push({
        destination: '/etc/made-by-a-mount',
        type: 'bind',
        source: '/etc/hostname',
        options: ['bind', 'ro'],
      })
    },
    'open directory: /etc: ENOENT (no such file or directory)',
    (rootfs, { outside }) => {
      rmSync(path.join(rootfs, 'etc'), { recursive: true, force: true })
      symlinkSync(`${'../'.repeat(20)}${outside}`, path.join(rootfs, 'etc'))
    },
  ),
  changed(
    '/proc that is a file',
    () => {},
    'open mount target: /proc: ENOTDIR (not a directory)',
    (rootfs) => {
      rmSync(path.join(rootfs, 'proc'), { recursive: true, force: true })
      writeFileSync(path.join(rootfs, 'proc'), 'plain')
    },
  ),
  // Devices.
  set(
    'a device of an unknown type',
    'linux.devices',
    [{ path: '/dev/x', type: 'q' }],
    'BUNDLE/config.json: $.linux.devices[0].type: expected one of c, b, u, p, got "q"',
  ),
  set(
    'a device with a relative path',
    'linux.devices',
    [{ path: 'dev/x', type: 'c', major: 1, minor: 3 }],
    'BUNDLE/config.json: $.linux.devices[0].path: must be an absolute path, got "dev/x"',
  ),
  set(
    'a device without numbers',
    'linux.devices',
    [{ path: '/dev/x', type: 'c' }],
    'BUNDLE/config.json: $.linux.devices[0]: major and minor are required, got {"path":"/dev/x","type":"c"}',
  ),
  set(
    'a device whose number is too large',
    'linux.devices',
    [{ path: '/dev/x', type: 'c', major: 2 ** 20, minor: 0 }],
    'BUNDLE/config.json: $.linux.devices[0].major: is not between 0 and 4095, got 1048576',
  ),
  set(
    'a device with a mode beyond 07777',
    'linux.devices',
    [{ path: '/dev/x', type: 'c', major: 1, minor: 3, fileMode: 65_536 }],
    'BUNDLE/config.json: $.linux.devices[0].fileMode: is not between 0 and 65535, got 65536',
  ),
  set(
    'a device outside of the root',
    'linux.devices',
    [{ path: '/../../../../dev/x', type: 'q', major: 1, minor: 3 }],
    'BUNDLE/config.json: $.linux.devices[0].type: expected one of c, b, u, p, got "q"',
  ),
  // Groups and limits.
  set(
    'a group that is a number',
    'linux.cgroupsPath',
    5,
    'BUNDLE/config.json: $.linux.cgroupsPath: expected a string, got 5',
  ),
  set(
    'a group with a NUL',
    'linux.cgroupsPath',
    '/a\0b',
    'BUNDLE/config.json: $.linux.cgroupsPath: contains a NUL character, got "/a\\u0000b"',
  ),
  set(
    'a memory limit that is text',
    'linux.resources.memory.limit',
    '1g',
    'BUNDLE/config.json: $.linux.resources.memory.limit: expected a whole number, got "1g"',
  ),
  set(
    'a memory limit below any',
    'linux.resources.memory.limit',
    -2,
    'BUNDLE/config.json: $.linux.resources.memory.limit: is not between -1 and 9223372036854776000, got -2',
  ),
  set(
    'a quota that is a fraction',
    'linux.resources.cpu.quota',
    0.5,
    'BUNDLE/config.json: $.linux.resources.cpu.quota: expected a whole number, got 0.5',
  ),
  set(
    'processors that are none',
    'linux.resources.cpu.cpus',
    'first',
    'set cgroup limit: cpuset.cpus = first: EINVAL (invalid argument)',
  ),
  set(
    'processors this machine has not',
    'linux.resources.cpu.cpus',
    '4000',
    'set cgroup limit: cpuset.cpus = 4000: ERANGE (numerical result out of range)',
  ),
  set(
    'a limit of processes that is text',
    'linux.resources.pids.limit',
    'many',
    'BUNDLE/config.json: $.linux.resources.pids.limit: expected a whole number, got "many"',
  ),
  set(
    'a rule of devices with an unknown access',
    'linux.resources.devices',
    [{ allow: true, access: 'rwx' }],
    'BUNDLE/config.json: $.linux.resources.devices[0].access: expected any of r, w and m, got "rwx"',
  ),
  set(
    'a unified file that leads out',
    'linux.resources.unified',
    { '../cgroup.procs': '1' },
    'BUNDLE/config.json: $.linux.resources.unified: "../cgroup.procs" is not a file of a cgroup, got {"../cgroup.procs":"1"}',
  ),
  set(
    'a unified file that is no limit',
    'linux.resources.unified',
    { 'cgroup.procs': '1' },
    'linux.resources.unified: not available on this host: it is for cgroup v2, and the container has no group of it here',
  ),
  set(
    'huge pages of no size',
    'linux.resources.hugepageLimits',
    [{ pageSize: '3QB', limit: 1 }],
    'BUNDLE/config.json: $.linux.resources.hugepageLimits[0].pageSize: expected a size such as 2MB, got "3QB"',
  ),
  set(
    'bandwidth of the cache',
    'linux.intelRdt',
    { l3CacheSchema: 'L3:0=f' },
    'linux.intelRdt: not supported: groups of resctrl are not made',
  ),
  // The filter.
  set(
    'an unknown action',
    'linux.seccomp',
    { defaultAction: 'SCMP_ACT_SHRUG' },
    'BUNDLE/config.json: $.linux.seccomp.defaultAction: expected one of SCMP_ACT_KILL, SCMP_ACT_KILL_PROCESS, SCMP_ACT_KILL_THREAD, SCMP_ACT_TRAP, SCMP_ACT_ERRNO, SCMP_ACT_TRACE, SCMP_ACT_ALLOW, SCMP_ACT_LOG, SCMP_ACT_NOTIFY, got "SCMP_ACT_SHRUG"',
  ),
  set(
    'an unknown architecture',
    'linux.seccomp',
    { defaultAction: 'SCMP_ACT_ALLOW', architectures: ['SCMP_ARCH_PDP11'] },
    'seccomp profile: $.architectures[0]: unknown architecture SCMP_ARCH_PDP11',
  ),
  set(
    'an argument of a call that has none',
    'linux.seccomp',
    {
      defaultAction: 'SCMP_ACT_ALLOW',
      syscalls: [
        { names: ['read'], action: 'SCMP_ACT_ERRNO', args: [{ index: 6, value: 0, op: 'SCMP_CMP_EQ' }] },
      ],
    },
    'BUNDLE/config.json: $.linux.seccomp.syscalls[0].args[0].index: is not between 0 and 5, got 6',
  ),
  set(
    'an unknown operator',
    'linux.seccomp',
    {
      defaultAction: 'SCMP_ACT_ALLOW',
      syscalls: [
        { names: ['read'], action: 'SCMP_ACT_ERRNO', args: [{ index: 0, value: 0, op: 'SCMP_CMP_ABOUT' }] },
      ],
    },
    'BUNDLE/config.json: $.linux.seccomp.syscalls[0].args[0].op: expected one of SCMP_CMP_NE, SCMP_CMP_LT, SCMP_CMP_LE, SCMP_CMP_EQ, SCMP_CMP_GE, SCMP_CMP_GT, SCMP_CMP_MASKED_EQ, got "SCMP_CMP_ABOUT"',
  ),
  set(
    'a filter that lets nothing through',
    'linux.seccomp',
    { defaultAction: 'SCMP_ACT_ERRNO' },
    'this seccomp profile: not supported: it refuses execve, which the start needs after the filter is loaded',
  ),
  set(
    'an error number that is none',
    'linux.seccomp',
    { defaultAction: 'SCMP_ACT_ERRNO', defaultErrnoRet: 5000 },
    'seccomp profile: $.defaultErrnoRet: 5000 is not between 0 and 4095',
  ),
  set(
    'an unknown flag of the filter',
    'linux.seccomp',
    { defaultAction: 'SCMP_ACT_ALLOW', flags: ['SECCOMP_FILTER_FLAG_MAYBE'] },
    'BUNDLE/config.json: $.linux.seccomp.flags[0]: expected one of SECCOMP_FILTER_FLAG_TSYNC, SECCOMP_FILTER_FLAG_LOG, SECCOMP_FILTER_FLAG_SPEC_ALLOW, SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, got "SECCOMP_FILTER_FLAG_MAYBE"',
  ),
  // The rest.
  set(
    'a masked path with a NUL',
    'linux.maskedPaths',
    ['/proc\0'],
    'BUNDLE/config.json: $.linux.maskedPaths[0]: contains a NUL character, got "/proc\\u0000"',
  ),
  set(
    'an unknown propagation',
    'linux.rootfsPropagation',
    'sideways',
    'BUNDLE/config.json: $.linux.rootfsPropagation: expected one of shared, slave, private, unbindable, rshared, rslave, rprivate, runbindable, got "sideways"',
  ),
  set(
    'an unknown personality',
    'linux.personality',
    { domain: 'PDP11' },
    'BUNDLE/config.json: $.linux.personality.domain: expected one of LINUX, LINUX32, got "PDP11"',
  ),
  set(
    'a network device that is not there',
    'linux.netDevices',
    { nosuch0: { name: 'eth0' } },
    'BUNDLE/config.json: $.linux.netDevices: needs a network namespace',
  ),
  set(
    'a hook without a path',
    'hooks.createRuntime',
    [{ args: ['x'] }],
    'BUNDLE/config.json: $.hooks.createRuntime[0].path: is required',
  ),
  set(
    'a hook with a relative path',
    'hooks.createRuntime',
    [{ path: 'bin/true' }],
    'BUNDLE/config.json: $.hooks.createRuntime[0].path: must be an absolute path, got "bin/true"',
  ),
  set(
    'a hook that may take no time',
    'hooks.createRuntime',
    [{ path: '/bin/true', timeout: 0 }],
    'BUNDLE/config.json: $.hooks.createRuntime[0].timeout: must be above zero, got 0',
  ),
  set(
    'a hook that is not there',
    'hooks.createRuntime',
    [{ path: '/no/such/hook' }],
    'createRuntime hook: /no/such/hook: spawn /no/such/hook ENOENT',
  ),
  set(
    'a hook that fails',
    'hooks.createRuntime',
    [{ path: '/bin/false' }],
    'createRuntime hook: /bin/false: exit code 1',
  ),
  set(
    'a hook of the container that fails',
    'hooks.createContainer',
    [{ path: '/bin/false' }],
    'createContainer hook: /bin/false: exit code 1',
  ),
  set(
    'annotations that are no text',
    'annotations',
    { a: 1 },
    'BUNDLE/config.json: $.annotations.a: expected a string, got 1',
  ),
]

export const makeOutside = (outside: string): void => {
  mkdirSync(outside)
  writeFileSync(path.join(outside, 'secret'), '#!/bin/sh\necho outside\n', { mode: 0o755 })
}
