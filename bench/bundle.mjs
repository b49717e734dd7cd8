// OCI bundles for the peers: Docker's default shape, or part of it, as one config.json for crun and runc alike.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'

const CAPABILITIES = [
  'CAP_CHOWN',
  'CAP_DAC_OVERRIDE',
  'CAP_FSETID',
  'CAP_FOWNER',
  'CAP_MKNOD',
  'CAP_NET_RAW',
  'CAP_SETGID',
  'CAP_SETUID',
  'CAP_SETFCAP',
  'CAP_SETPCAP',
  'CAP_NET_BIND_SERVICE',
  'CAP_SYS_CHROOT',
  'CAP_KILL',
  'CAP_AUDIT_WRITE',
]

const NO_EXEC = ['nosuid', 'noexec', 'nodev']
const MOUNTS = [
  { destination: '/proc', type: 'proc', source: 'proc', options: NO_EXEC },
  {
    destination: '/dev',
    type: 'tmpfs',
    source: 'tmpfs',
    options: ['nosuid', 'strictatime', 'mode=755', 'size=65536k'],
  },
  {
    destination: '/dev/pts',
    type: 'devpts',
    source: 'devpts',
    options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620', 'gid=5'],
  },
  { destination: '/sys', type: 'sysfs', source: 'sysfs', options: [...NO_EXEC, 'ro'] },
  { destination: '/sys/fs/cgroup', type: 'cgroup', source: 'cgroup', options: [...NO_EXEC, 'ro'] },
  { destination: '/dev/mqueue', type: 'mqueue', source: 'mqueue', options: NO_EXEC },
  {
    destination: '/dev/shm',
    type: 'tmpfs',
    source: 'shm',
    options: [...NO_EXEC, 'mode=1777', 'size=67108864'],
  },
]

export const MASKED = [
  'acpi',
  'asound',
  'interrupts',
  'kcore',
  'keys',
  'latency_stats',
  'sched_debug',
  'scsi',
  'timer_list',
  'timer_stats',
]
  .map((name) => `/proc/${name}`)
  .concat('/sys/firmware', '/sys/devices/virtual/powercap')
export const READONLY = ['bus', 'fs', 'irq', 'sys', 'sysrq-trigger'].map((name) => `/proc/${name}`)

const device = (type, major, minor) => ({
  allow: true,
  type,
  access: 'rwm',
  ...(major >= 0 && { major }),
  ...(minor >= 0 && { minor }),
})
const DEVICE_RULES = [
  { allow: false, access: 'rwm' },
  { allow: true, type: 'c', access: 'm' },
  { allow: true, type: 'b', access: 'm' },
  ...[
    [1, 3],
    [1, 5],
    [1, 7],
    [1, 8],
    [1, 9],
    [5, 0],
    [5, 1],
    [5, 2],
    [136, -1],
  ].map(([major, minor]) => device('c', major, minor)),
]

export const LIMITS = { memoryBytes: 64 * 1024 * 1024, pids: 64, cpuQuotaUs: 100_000, cpuPeriodUs: 100_000 }
const RESOURCES = {
  devices: DEVICE_RULES,
  memory: { limit: LIMITS.memoryBytes },
  cpu: { quota: LIMITS.cpuQuotaUs, period: LIMITS.cpuPeriodUs },
  pids: { limit: LIMITS.pids },
}

const PROFILE = '/usr/share/containers/seccomp.json'

const applies = (rule) => {
  const held = (names) => (names ?? []).some((name) => CAPABILITIES.includes(name))
  const here = (names) => (names ?? []).includes('amd64') || (names ?? []).includes('x86_64')
  const { includes = {}, excludes = {} } = rule
  if (includes.caps?.length && !held(includes.caps)) return false
  if (includes.arches?.length && !here(includes.arches)) return false
  return !held(excludes.caps) && !here(excludes.arches)
}

/** Docker's default profile for its default capabilities, in the runtime-spec's form. */
const seccomp = () => {
  const profile = JSON.parse(readFileSync(PROFILE, 'utf8'))
  const syscalls = profile.syscalls.filter(applies).map(({ names, action, args, errnoRet }) => ({
    names,
    action,
    ...(args?.length && { args }),
    ...(errnoRet !== undefined && { errnoRet }),
  }))
  return {
    defaultAction: profile.defaultAction,
    defaultErrnoRet: profile.defaultErrnoRet,
    architectures: ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86', 'SCMP_ARCH_X32'],
    syscalls,
  }
}

/** Every capability this machine's processes may hold: the bounding set, by bit number (capabilities(7)). */
export const heldCapabilities = () => {
  const names = JSON.parse(readFileSync(new URL('./capabilities.json', import.meta.url), 'utf8'))
  const mask = BigInt(`0x${/^CapBnd:\s*(\w+)/m.exec(readFileSync('/proc/self/status', 'utf8'))[1]}`)
  return names.filter((_, bit) => (mask >> BigInt(bit)) & 1n)
}

const namespaces = (shape) =>
  [
    ['pid', shape.pid],
    ['mount', shape.mount],
    ['uts', shape.uts],
    ['ipc', shape.ipc],
    ['cgroup', shape.cgroupNamespace],
    ['network', shape.net],
  ].flatMap(([type, wanted]) => (wanted ? [{ type }] : []))

const mountsOf = (shape) =>
  MOUNTS.filter(
    ({ type }) =>
      (type !== 'mqueue' || shape.ipc) &&
      (type !== 'sysfs' || shape.net) &&
      (type !== 'cgroup' || shape.cgroupNamespace),
  )

/** The runtime-spec document of one shape. `cgroup` is the path of its cgroup below each hierarchy's root. */
export const ociSpec = (shape, { rootfs, cgroup }) => {
  const caps = shape.caps ? CAPABILITIES : heldCapabilities()
  return {
    ociVersion: '1.0.2',
    process: {
      terminal: false,
      user: { uid: 0, gid: 0 },
      args: ['/true'],
      env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', 'HOME=/root'],
      cwd: '/',
      capabilities: { bounding: caps, effective: caps, permitted: caps },
      noNewPrivileges: false,
    },
    root: { path: rootfs, readonly: false },
    ...(shape.uts && { hostname: 'bench' }),
    mounts: mountsOf(shape),
    linux: {
      cgroupsPath: cgroup,
      namespaces: namespaces(shape),
      ...(shape.limits && { resources: RESOURCES }),
      ...(shape.masks && { maskedPaths: MASKED, readonlyPaths: READONLY }),
      ...(shape.seccomp && { seccomp: seccomp() }),
    },
  }
}

/** Writes a bundle for `shape` below `directory` and returns its path. */
export const makeBundle = (directory, shape, options) => {
  const bundle = path.join(directory, `bundle-${shape.name.replaceAll('+', '-')}`)
  mkdirSync(bundle, { recursive: true })
  writeFileSync(path.join(bundle, 'config.json'), JSON.stringify(ociSpec(shape, options), null, 2))
  return bundle
}
