// Turns the decoded flags of `slipway run` into the library's options. Pure: files are read by a function that is passed in.
import * as E from '#fp/Either'
import type { EngineError } from '../model/errors.ts'
import type { DeviceOption, ImageSource, MountOption, SecurityOptions, Ulimit } from '../model/options.ts'
import type { Args } from './command.ts'
import { outlivesUs } from './detached-options.ts'
import type { CliStartOptions } from './engine.ts'
import { given } from './given.ts'
import { environment, labels, type ReadFile } from './key-value-files.ts'
import { parseMount, parseTmpfs, parseVolume, split } from './mount-flags.ts'
import type { RunFlags } from './run-flags.ts'

type Result<A> = E.Either<EngineError, A>
type Part = Result<Partial<Mutable<CliStartOptions>>>
type Mutable<T> = { -readonly [K in keyof T]: T[K] }

/** What the caller's own surroundings contribute. */
export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
  readonly readFile: ReadFile
}

export interface RunRequest {
  readonly image: ImageSource
  readonly argv: readonly string[]
  readonly options: CliStartOptions
  readonly cidfile?: string
  readonly timing: boolean
  readonly sigProxy: boolean
}

type RunArgs = Args<RunFlags>
type F = RunArgs['flags']

/**
 * The request a command line makes. Fails: InvalidOption with the flag as it is written, Unsupported. What a value
 * means on this host (sizes, users, devices) is left to the library, which has the same errors.
 */
export const runArgsToOptions = (written: RunArgs, around: Surroundings): Result<RunRequest> => {
  const args = { ...written, flags: withoutEmpty(written.flags) }
  const f = args.flags
  const subject = subjectOf(args, around.cwd)
  if (E.isLeft(subject)) return subject
  const options = merge([
    E.right(given(plain(f)) as Partial<CliStartOptions>),
    streams(f),
    namespaces(f),
    cpus(f),
    numbers(f),
    variables(f, around),
    mounts(f, around.cwd),
    devices(f),
    keyed(f),
    security(f, around.readFile),
    onlyDefaults(f),
  ])
  if (E.isLeft(options)) return options
  return E.right({
    ...subject.right,
    options: options.right,
    ...(f.cidfile === undefined ? {} : { cidfile: f.cidfile }),
    timing: f.timing,
    sigProxy: f['sig-proxy'],
  })
}

/** Scripts write `--user "$X"`: for these an empty value is no value, as in Docker. */
const EMPTY_IS_ABSENT = [
  'name',
  'hostname',
  'domainname',
  'cidfile',
  'stop-signal',
  'workdir',
  'user',
  'pull',
  'platform',
  'cpuset-cpus',
  'cpuset-mems',
  'pid',
  'ipc',
  'uts',
  'cgroupns',
  'userns',
  'restart',
  'log-driver',
] as const
/** Sizes whose zero is the default: docker-run(1). */
const ZERO_IS_ABSENT = ['memory', 'memory-swap', 'memory-reservation', 'shm-size'] as const

const withoutEmpty = (flags: F): F => {
  const kept: { -readonly [K in keyof F]: F[K] } = { ...flags }
  for (const name of EMPTY_IS_ABSENT) if (kept[name] === '') kept[name] = undefined
  for (const name of ZERO_IS_ABSENT) if (/^0+[a-z]*$/i.test(kept[name] ?? '')) kept[name] = undefined
  return kept
}

const invalid = (option: string, value: string, why: string): E.Either<EngineError, never> =>
  E.left({ _tag: 'InvalidOption', option, value, why })
const unsupported = (feature: string, why: string): E.Either<EngineError, never> =>
  E.left({ _tag: 'Unsupported', feature, why })

const merge = (parts: readonly Part[]): Result<CliStartOptions> => {
  const options: Partial<Mutable<CliStartOptions>> = {}
  for (const part of parts) {
    if (E.isLeft(part)) return part
    Object.assign(options, part.right)
  }
  return E.right(options)
}

/** With `--rootfs` there is no IMAGE: every positional belongs to the program. */
const subjectOf = (args: RunArgs, cwd: string): Result<Pick<RunRequest, 'image' | 'argv'>> => {
  const { rootfs } = args.flags
  if (rootfs !== undefined) {
    if (rootfs === '') return invalid('--rootfs', rootfs, 'the directory is empty')
    const path = rootfs.startsWith('/') ? rootfs : `${cwd}/${rootfs}`
    return E.right({ image: { rootfs: path }, argv: args.positionals })
  }
  const [image, ...argv] = args.positionals
  return image === undefined
    ? invalid('IMAGE', '', 'name an image, or a directory with --rootfs')
    : E.right({ image, argv })
}

const nonEmpty = <A>(values: readonly A[]): readonly A[] | undefined =>
  values.length === 0 ? undefined : values
const whenTrue = (value: boolean): true | undefined => (value ? true : undefined)

/** Flags whose value is the option's value. Docker's `--entrypoint ""` means none at all. */
const plain = (f: F): Partial<Undefinable<CliStartOptions>> => ({
  keep: whenTrue(!f.rm),
  name: f.name,
  hostname: f.hostname,
  domainname: f.domainname,
  entrypoint: f.entrypoint === '' ? [] : f.entrypoint,
  cwd: f.workdir,
  user: f.user,
  groups: nonEmpty(f['group-add']),
  init: whenTrue(f.init),
  stopSignal: f['stop-signal'],
  timeout: f.timeout,
  platform: f.platform,
  quiet: whenTrue(f.quiet),
  readonly: whenTrue(f['read-only']),
  shmSize: f['shm-size'],
  extraHosts: nonEmpty(f['add-host'].map(hostLine)),
  dns: nonEmpty(f.dns),
  dnsSearch: nonEmpty(f['dns-search']),
  dnsOptions: nonEmpty(f['dns-option']),
  memory: f.memory,
  memorySwap: f['memory-swap'] === '-1' ? -1 : f['memory-swap'],
  memoryReservation: f['memory-reservation'],
  cpusetCpus: f['cpuset-cpus'],
  cpusetMems: f['cpuset-mems'],
  deviceCgroupRules: nonEmpty(f['device-cgroup-rule']),
})
type Undefinable<T> = { readonly [K in keyof T]: T[K] | undefined }

/** `name=ip` is the newer spelling of `name:ip`, for IPv6's sake. */
const hostLine = (text: string): string => {
  const [name, address] = split(text)
  return address === undefined || name.includes(':') ? text : `${name}:${address}`
}

const STREAMS = ['stdin', 'stdout', 'stderr'] as const

/** Without a terminal the container gets our own descriptors: its bytes never pass through this process. */
const streams = (f: F): Part => {
  const attached = f.attach.map((name) => name.toLowerCase())
  const wrong = f.attach.find((_, i) => !STREAMS.some((name) => name === attached[i]))
  if (wrong !== undefined) return invalid('--attach', wrong, 'must be stdin, stdout or stderr')
  const [one] = f.attach
  if (f.detach && one !== undefined)
    return invalid('--attach', one, 'cannot be combined with --detach, which passes nothing on')
  const all = attached.length === 0
  const out = (name: string) => (all || attached.includes(name) ? 'inherit' : 'ignore')
  const stdin = f.interactive || attached.includes('stdin')
  if (f.tty) return E.right({ tty: true, stdin: stdin ? 'pipe' : 'ignore', stdout: 'pipe' })
  return E.right({ stdin: stdin ? 'inherit' : 'ignore', stdout: out('stdout'), stderr: out('stderr') })
}

const NO_BRIDGE = 'only none and host work so far'

const namespaces = (f: F): Part => {
  const networks = f.network.filter((name) => name !== '')
  const network = networks.at(-1)
  if (networks.length > 1) return unsupported('several --network flags', NO_BRIDGE)
  if (network !== undefined && network !== 'none' && network !== 'host')
    return unsupported(`--network ${network}`, NO_BRIDGE)
  const { pid, ipc, uts, cgroupns, userns } = f
  if (pid !== undefined && pid !== 'host') return unsupported(`--pid ${pid}`, 'only host works so far')
  if (uts !== undefined && uts !== 'host') return unsupported(`--uts ${uts}`, 'only host works so far')
  // Shareable is private until another container joins, which none can so far.
  const ownIpc = ipc === 'shareable' ? 'private' : ipc
  if (ownIpc !== undefined && ownIpc !== 'private' && ownIpc !== 'host')
    return unsupported(`--ipc ${ipc}`, 'only private, shareable and host work so far')
  if (userns !== undefined && userns !== 'host')
    return unsupported(`--userns ${userns}`, 'only host works so far')
  if (cgroupns !== undefined && cgroupns !== 'private' && cgroupns !== 'host')
    return invalid('--cgroupns', cgroupns, 'must be private or host')
  return E.right({
    ...given({ network }),
    ...given({ pid }),
    ...given({ ipc: ownIpc }),
    ...given({ uts }),
    ...given({ cgroupns }),
  })
}

const DEFAULT_PERIOD_US = 100_000

/** The library knows whole and part CPUs; a quota of a period is the same share. */
const cpus = (f: F): Part => {
  const quota = f['cpu-quota']
  const period = f['cpu-period']
  if (f.cpus !== undefined) {
    if (quota !== undefined || period !== undefined)
      return invalid('--cpus', String(f.cpus), 'cannot be combined with --cpu-quota or --cpu-period')
    if (f.cpus < 0) return invalid('--cpus', String(f.cpus), 'must not be negative')
    return E.right(f.cpus === 0 ? {} : { cpus: f.cpus })
  }
  if (period !== undefined && (period < 1000 || period > 1_000_000))
    return invalid('--cpu-period', String(period), 'must be between 1000 and 1000000 microseconds')
  if (quota === undefined || quota <= 0) return E.right({})
  if (quota < 1000) return invalid('--cpu-quota', String(quota), 'must be at least 1000 microseconds')
  return E.right({ cpus: quota / (period ?? DEFAULT_PERIOD_US) })
}

const numbers = (f: F): Part => {
  const shares = f['cpu-shares']
  const pids = f['pids-limit']
  const score = f['oom-score-adj']
  const grace = f['stop-timeout']
  if (shares !== undefined && shares < 0)
    return invalid('--cpu-shares', String(shares), 'must not be negative')
  if (score !== undefined && Math.abs(score) > 1000)
    return invalid('--oom-score-adj', String(score), 'must be between -1000 and 1000')
  if (grace !== undefined && grace < 0 && !outlivesUs(f))
    return unsupported(
      '--stop-timeout -1',
      'an attached container is not waited for for ever; give a large number',
    )
  return E.right({
    // 0 asks for the default weight, and for no limit of processes: docker-run(1).
    ...(shares === undefined || shares === 0 ? {} : { cpuShares: shares }),
    ...(pids === undefined ? {} : { pids: pids <= 0 ? -1 : pids }),
    ...(score === undefined ? {} : { oomScoreAdj: score }),
    ...(grace === undefined || grace < 0 ? {} : { grace: grace * 1000 }),
  })
}

const variables = (f: F, around: Surroundings): Part => {
  const env = environment(f['env-file'], f.env, around.env, around.readFile)
  if (E.isLeft(env)) return env
  const marks = labels(f['label-file'], f.label, around.readFile)
  if (E.isLeft(marks)) return marks
  return E.right({
    ...(Object.keys(env.right).length === 0 ? {} : { env: env.right }),
    ...(Object.keys(marks.right).length === 0 ? {} : { labels: marks.right }),
  })
}

const mounts = (f: F, cwd: string): Part => {
  const parsed = [
    ...f.volume.map((value) => parseVolume(value, cwd)),
    ...f.mount.map((value) => parseMount(value, cwd)),
    ...f.tmpfs.map(parseTmpfs),
  ]
  const all = sequence<MountOption>(parsed)
  if (E.isLeft(all)) return all
  const driver = f['volume-driver'] ?? 'local'
  if (driver !== 'local')
    return unsupported(`--volume-driver ${driver}`, 'volumes have the driver local alone')
  return E.right(given({ mounts: nonEmpty(all.right), volumesFrom: nonEmpty(f['volumes-from']) }))
}

const sequence = <A>(results: readonly Result<A>[]): Result<readonly A[]> => {
  const values: A[] = []
  for (const result of results) {
    if (E.isLeft(result)) return result
    values.push(result.right)
  }
  return E.right(values)
}

const devices = (f: F): Part => {
  const all = sequence(f.device.map(parseDevice))
  return E.isLeft(all) ? all : E.right(given({ devices: nonEmpty(all.right) }))
}

/** `HOST[:PATH][:rwm]`: a second part that is no path is the permissions. */
const parseDevice = (value: string): Result<DeviceOption> => {
  const [source = '', second, third, ...rest] = value.split(':')
  if (!source.startsWith('/'))
    return unsupported(`--device ${value}`, 'only device nodes work so far; give an absolute path')
  const permissions = third ?? (second?.startsWith('/') === false ? second : undefined)
  const target = second?.startsWith('/') === true ? second : undefined
  const bad = rest.length > 0 || (third !== undefined && target === undefined)
  if (bad) return invalid('--device', value, 'the form is HOST[:PATH][:rwm]')
  if (permissions !== undefined && !/^(?!.*(.).*\1)[rwm]+$/.test(permissions))
    return invalid('--device', value, 'permissions are any of r, w and m, each once')
  return E.right({ source, ...given({ target, permissions }) } as DeviceOption)
}

const keyed = (f: F): Part => {
  const ulimits = sequence(f.ulimit.map(parseUlimit))
  if (E.isLeft(ulimits)) return ulimits
  const bad = f.sysctl.find((value) => split(value)[1] === undefined)
  if (bad !== undefined) return invalid('--sysctl', bad, 'the form is NAME=VALUE')
  const sysctls = Object.fromEntries(f.sysctl.map((value) => [split(value)[0], split(value)[1] ?? '']))
  return E.right({
    // As Docker: of several for one limit the last one counts.
    ...given({ ulimits: nonEmpty([...new Map(ulimits.right.map((one) => [one.name, one])).values()]) }),
    ...(f.sysctl.length === 0 ? {} : { sysctls }),
  })
}

/** `nofile=1024:2048`; -1 and `unlimited` are no limit. */
const parseUlimit = (value: string): Result<Ulimit> => {
  const [name, limits = ''] = split(value)
  const [soft, hard] = limits.split(':').map(limitNumber)
  const malformed =
    name === '' ||
    soft === undefined ||
    limits.split(':').length > 2 ||
    (limits.includes(':') && hard === undefined)
  if (malformed) return invalid('--ulimit', value, 'the form is NAME=SOFT[:HARD], numbers or -1')
  if (hard !== undefined && hard !== -1 && (soft > hard || soft === -1))
    return invalid('--ulimit', value, 'the soft limit is above the hard one')
  return E.right({ name, soft, ...(hard === undefined ? {} : { hard }) })
}
const limitNumber = (text: string): number | undefined => {
  if (text === '-1' || text === 'unlimited') return -1
  return /^\d{1,15}$/.test(text) ? Number(text) : undefined
}

const security = (f: F, read: ReadFile): Part => {
  let options: Mutable<SecurityOptions> = {
    ...given({ privileged: whenTrue(f.privileged) }),
    ...given({ capAdd: nonEmpty(f['cap-add']) }),
    ...given({ capDrop: nonEmpty(f['cap-drop']) }),
  }
  for (const text of f['security-opt']) {
    const one = securityOption(text, read)
    if (E.isLeft(one)) return one
    options = { ...options, ...one.right }
  }
  return E.right(Object.keys(options).length === 0 ? {} : { security: options })
}

/** docker-run(1), --security-opt; the older `name:value` is understood too. */
const securityOption = (text: string, read: ReadFile): Result<Partial<SecurityOptions>> => {
  const [name = '', value] = (/^([^=:]+)(?:[=:](.*))?$/s.exec(text) ?? []).slice(1)
  switch (`${name}=${value ?? 'true'}`) {
    case 'no-new-privileges=true':
      return E.right({ noNewPrivileges: true })
    case 'no-new-privileges=false':
      return E.right({ noNewPrivileges: false })
    case 'seccomp=unconfined':
      return E.right({ seccomp: 'unconfined' })
    case 'systempaths=unconfined':
      return E.right({ systemPaths: 'unconfined' })
    // Nothing is confined by these two here, which is what they ask for; builtin is the default.
    case 'apparmor=unconfined':
    case 'label=disable':
    case 'seccomp=builtin':
      return E.right({})
  }
  if (name === 'seccomp' && value !== undefined) return seccompProfile(value, read)
  return name === 'apparmor' || name === 'label'
    ? unsupported(`--security-opt ${text}`, 'profiles and labels are not applied so far')
    : invalid('--security-opt', text, 'is not a security option')
}

const seccompProfile = (path: string, read: ReadFile): Result<Partial<SecurityOptions>> => {
  const text = read(path)
  if (E.isLeft(text)) return invalid('--security-opt seccomp', path, text.left)
  try {
    const profile: unknown = JSON.parse(text.right)
    if (typeof profile === 'object' && profile !== null) return E.right({ seccomp: profile })
  } catch {}
  return invalid('--security-opt seccomp', path, 'is not a JSON object')
}

const PULLS = ['missing', 'always', 'never'] as const

/** Flags that are accepted as long as they ask for what happens anyway, and the policy of --pull. */
const onlyDefaults = (f: F): Part => {
  if ((f['memory-swappiness'] ?? -1) !== -1)
    return unsupported(`--memory-swappiness ${f['memory-swappiness']}`, 'only -1, the default, works so far')
  if (!f['disable-content-trust'])
    return unsupported('--disable-content-trust=false', 'signatures are not checked so far')
  const pull = PULLS.find((name) => name === f.pull)
  if (f.pull !== undefined && pull === undefined)
    return invalid('--pull', f.pull, 'must be missing, always or never')
  return E.right(given({ pull }))
}
