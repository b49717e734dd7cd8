// What a container that outlives its command was asked to be, in Docker's names. Pure.
import type { ContainerDocument } from '../model/container-document.ts'
import type {
  ContainerInspectConfig,
  ContainerInspectHost,
  ContainerInspectMount,
} from '../model/container-inspect.ts'
import { isObject } from '../model/decode.ts'
import type { HealthCheck } from '../model/health.ts'
import type { ImageInspect } from '../model/image-verbs.ts'
import type { BindMount, DecodedMount, DecodedOptions, TmpfsMount } from '../model/options-decoded.ts'

const SHORT_ID = 12
/** Docker's, where none is asked for. */
const SHM_BYTES = 64 * 1024 * 1024
const NANOS = 1_000_000_000
const SECOND_MS = 1000
const NANOS_OF_MS = 1_000_000

/** `image`: the configuration of its image, where that is still known. */
export const configOf = (
  { id, image: asked, argv, options, policies, health, stopSignal }: ContainerDocument,
  image: ImageInspect['Config'] | undefined,
): ContainerInspectConfig => {
  const entrypoint = options.entrypoint === undefined ? listIn(image?.Entrypoint) : [...options.entrypoint]
  // Docker's rule: another entrypoint goes without the image's command.
  const ownCommand = options.entrypoint === undefined ? listIn(image?.Cmd) : null
  return {
    Image: asked.reference,
    Labels: { ...recordIn(image?.Labels), ...options.labels },
    Hostname: options.hostname ?? id.slice(0, SHORT_ID),
    Domainname: options.domainname ?? '',
    User: options.user ?? textIn(image?.User),
    Tty: options.tty !== undefined && options.tty !== false,
    OpenStdin: policies.stdin,
    Env: environment(listIn(image?.Env) ?? [], options.env ?? {}),
    Cmd: argv.length > 0 ? argv : ownCommand,
    Entrypoint: entrypoint,
    ExposedPorts: recordIn(image?.ExposedPorts) ?? null,
    Volumes: recordIn(image?.Volumes) ?? null,
    WorkingDir: options.cwd ?? textIn(image?.WorkingDir),
    ...(health === undefined ? {} : { Healthcheck: checkOf(health) }),
    StopSignal: stopSignal,
    StopTimeout: policies.stopMs < 0 ? -1 : policies.stopMs / SECOND_MS,
  }
}

const checkOf = (health: HealthCheck) => ({
  Test: ['CMD', ...health.argv],
  Interval: health.intervalMs * NANOS_OF_MS,
  Timeout: health.timeoutMs * NANOS_OF_MS,
  StartPeriod: health.startPeriodMs * NANOS_OF_MS,
  StartInterval: health.startIntervalMs * NANOS_OF_MS,
  Retries: health.retries,
})

const textIn = (value: unknown): string => (typeof value === 'string' ? value : '')
const recordIn = <A>(value: unknown): Readonly<Record<string, A>> | undefined =>
  isObject(value) ? (value as Readonly<Record<string, A>>) : undefined
const listIn = (value: unknown): readonly string[] | null =>
  Array.isArray(value) ? value.filter((item) => typeof item === 'string') : null

const environment = (image: readonly string[], own: Readonly<Record<string, string>>): readonly string[] => [
  ...image.filter((entry) => !Object.hasOwn(own, entry.replace(/=.*$/s, ''))),
  ...Object.entries(own).map(([name, value]) => `${name}=${value}`),
]

export const hostOf = ({ options, policies }: ContainerDocument): ContainerInspectHost => {
  const { security = {}, mounts = [] } = options
  const { restart, log } = policies
  return {
    Binds: orNull(mounts.flatMap(bindOf)),
    Tmpfs: tmpfsOf(mounts),
    LogConfig: {
      Type: log.form === 'compact' ? 'local' : log.form,
      Config:
        log.form === 'none' ? {} : { 'max-file': String(log.maxFiles), 'max-size': String(log.maxBytes) },
    },
    NetworkMode: options.network ?? 'none',
    RestartPolicy: { Name: restart.name, MaximumRetryCount: restart.most },
    AutoRemove: policies.autoRemove,
    Privileged: security.privileged ?? false,
    ReadonlyRootfs: options.readonly ?? false,
    Init: options.init ?? false,
    CapAdd: orNull(security.capAdd),
    CapDrop: orNull(security.capDrop),
    SecurityOpt: orNull(securityOptions(security)),
    GroupAdd: orNull(options.groups),
    ExtraHosts: orNull(options.extraHosts),
    Dns: options.dns ?? [],
    DnsSearch: options.dnsSearch ?? [],
    DnsOptions: options.dnsOptions ?? [],
    PidMode: hostOnly(options.pid),
    IpcMode: options.ipc ?? 'private',
    UTSMode: hostOnly(options.uts),
    UsernsMode: security.userns === undefined ? '' : 'private',
    VolumesFrom: null,
    CgroupnsMode: options.cgroupns ?? 'private',
    ShmSize: options.shmSize ?? SHM_BYTES,
    ...limitsOf(options),
    Ulimits: orNull(
      options.ulimits?.map(({ name, soft, hard = soft }) => ({ Name: name, Soft: soft, Hard: hard })),
    ),
    Devices: (options.devices ?? []).map(({ source, target, permissions }) => ({
      PathOnHost: source,
      PathInContainer: target,
      CgroupPermissions: permissions,
    })),
    DeviceCgroupRules: orNull(options.deviceCgroupRules),
    Sysctls: options.sysctls ?? null,
  }
}

const limitsOf = (options: DecodedOptions) => ({
  Memory: options.memory ?? 0,
  MemorySwap: options.memorySwap ?? 0,
  MemoryReservation: options.memoryReservation ?? 0,
  NanoCpus: Math.round((options.cpus ?? 0) * NANOS),
  CpuPeriod: 0 as const,
  CpuQuota: 0 as const,
  CpuShares: options.cpuShares ?? 0,
  CpusetCpus: options.cpusetCpus ?? '',
  CpusetMems: options.cpusetMems ?? '',
  PidsLimit: options.pids ?? null,
  OomScoreAdj: options.oomScoreAdj ?? 0,
  OomKillDisable: false as const,
})

const orNull = <A>(list: readonly A[] | undefined): readonly A[] | null =>
  list === undefined || list.length === 0 ? null : list
const hostOnly = (mode: string | undefined): string => (mode === 'host' ? mode : '')

const securityOptions = ({
  noNewPrivileges,
  seccomp,
  systemPaths,
}: NonNullable<DecodedOptions['security']>): readonly string[] => [
  ...(noNewPrivileges === true ? ['no-new-privileges'] : []),
  ...(seccomp === undefined
    ? []
    : [`seccomp=${typeof seccomp === 'string' ? seccomp : JSON.stringify(seccomp)}`]),
  ...(systemPaths === undefined ? [] : [`systempaths=${systemPaths}`]),
]

/** As `-v` has it: binds, and volumes that have a name of their own. */
const bindOf = (mount: DecodedMount): readonly string[] => {
  const hasName = mount.type === 'bind' || (mount.type === 'volume' && mount.anonymous !== true)
  if (!hasName) return []
  return [`${mount.source}:${mount.target}${mount.readonly === true ? ':ro' : ''}`]
}

const isBind = (mount: DecodedMount): mount is BindMount => mount.type === 'bind'

const tmpfsOf = (mounts: readonly DecodedMount[]): Readonly<Record<string, string>> | null => {
  const entries = mounts.flatMap((mount) =>
    mount.type === 'tmpfs' ? [[mount.target, tmpfsMode(mount)] as const] : [],
  )
  return entries.length === 0 ? null : Object.fromEntries(entries)
}
const tmpfsMode = ({ size, mode, readonly: ro, options = [] }: TmpfsMount): string =>
  [
    ...(ro === true ? ['ro'] : []),
    ...options,
    ...(size === undefined ? [] : [`size=${size}`]),
    ...(mode === undefined ? [] : [`mode=${mode.toString(8)}`]),
  ].join(',')

export const mountsOf = ({ options: { mounts = [] } }: ContainerDocument): readonly ContainerInspectMount[] =>
  mounts.map((mount) => {
    const isReadonly = mount.type === 'image' || mount.readonly === true
    return {
      Type: mount.type,
      Name: mount.type === 'volume' ? (mount.source ?? '') : '',
      Source: mount.type === 'bind' || mount.type === 'image' ? mount.source : '',
      Destination: mount.target,
      Driver: mount.type === 'volume' ? 'local' : '',
      Mode: mount.type === 'tmpfs' ? tmpfsMode(mount) : isReadonly ? 'ro' : '',
      RW: !isReadonly,
      Propagation: isBind(mount) ? (mount.propagation ?? 'rprivate') : '',
    }
  })
