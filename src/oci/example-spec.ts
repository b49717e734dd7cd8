// The config.json that `spec` writes: a shell in a container that may do little. A start to be edited, as runc's and crun's.
import { posix } from 'node:path'
import type { IdMapping, Linux, Mount, Namespace, NamespaceType, Spec } from '../model/oci-spec.ts'
import { SPEC_VERSIONS } from './spec-version.ts'

export interface ExampleFor {
  readonly rootless: boolean
  readonly euid: number
  readonly egid: number
  /** The machine has v2 alone, so the container's view of it should begin at its own cgroup. */
  readonly cgroup2: boolean
}

export const exampleSpec = (caller: ExampleFor): Spec => ({
  ociVersion: SPEC_VERSIONS.max,
  process: {
    terminal: true,
    user: { uid: 0, gid: 0 },
    args: ['sh'],
    env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', 'TERM=xterm'],
    cwd: '/',
    capabilities: { bounding: CAPABILITIES, effective: CAPABILITIES, permitted: CAPABILITIES },
    rlimits: [{ type: 'RLIMIT_NOFILE', hard: 1024, soft: 1024 }],
    noNewPrivileges: true,
  },
  root: { path: 'rootfs', readonly: true },
  hostname: 'slipway',
  mounts: caller.rootless ? MOUNTS.map(withoutIds) : MOUNTS,
  linux: caller.rootless ? rootless(caller) : { resources: NO_DEVICES, ...common(caller) },
})

const CAPABILITIES = ['CAP_AUDIT_WRITE', 'CAP_KILL', 'CAP_NET_BIND_SERVICE']

const mount = (destination: string, type: string, source: string, options?: string): Mount => ({
  destination,
  type,
  source,
  ...(options === undefined ? {} : { options: options.split(' ') }),
})

const MOUNTS: readonly Mount[] = [
  mount('/proc', 'proc', 'proc'),
  mount('/dev', 'tmpfs', 'tmpfs', 'nosuid strictatime mode=755 size=65536k'),
  mount('/dev/pts', 'devpts', 'devpts', 'nosuid noexec newinstance ptmxmode=0666 mode=0620 gid=5'),
  mount('/dev/shm', 'tmpfs', 'shm', 'nosuid noexec nodev mode=1777 size=65536k'),
  mount('/dev/mqueue', 'mqueue', 'mqueue', 'nosuid noexec nodev'),
  mount('/sys', 'sysfs', 'sysfs', 'nosuid noexec nodev ro'),
  mount('/sys/fs/cgroup', 'cgroup', 'cgroup', 'nosuid noexec nodev relatime ro'),
]

/** No id but root's is mapped, and a new sysfs needs a network namespace of one's own: the host's is shown instead. */
const withoutIds = (found: Mount): Mount => {
  if (posix.normalize(found.destination) === '/sys')
    return mount('/sys', 'none', '/sys', 'rbind nosuid noexec nodev ro')
  const options = found.options?.filter((option) => !/^[ug]id=/.test(option))
  return options === undefined ? found : { ...found, options }
}

const NO_DEVICES = { devices: [{ allow: false, access: 'rwm' }] }

const namespaces = (types: readonly NamespaceType[]): readonly Namespace[] => types.map((type) => ({ type }))

const common = ({ cgroup2 }: ExampleFor): Linux => ({
  namespaces: namespaces([
    'pid',
    'network',
    'ipc',
    'uts',
    'mount',
    ...(cgroup2 ? (['cgroup'] as const) : []),
  ]),
  maskedPaths: [
    '/proc/acpi',
    '/proc/asound',
    '/proc/kcore',
    '/proc/keys',
    '/proc/latency_stats',
    '/proc/timer_list',
    '/proc/timer_stats',
    '/proc/sched_debug',
    '/sys/firmware',
    '/proc/scsi',
  ],
  readonlyPaths: ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'],
})

/** No limits, since nothing of the cgroup tree need be ours, and the host's network. */
const rootless = (caller: ExampleFor): Linux => {
  const { namespaces: all = [], ...rest } = common(caller)
  const kept = all.filter(({ type }) => type !== 'network')
  return {
    uidMappings: [onlyRoot(caller.euid)],
    gidMappings: [onlyRoot(caller.egid)],
    namespaces: [...kept, { type: 'user' }],
    ...rest,
  }
}

const onlyRoot = (hostID: number): IdMapping => ({ containerID: 0, hostID, size: 1 })
