// The options of `run` and `start` as they come from untyped JavaScript → options that are known to be usable.

import type { Either } from '#fp/Either'
import * as E from '#fp/Either'
import {
  array,
  check,
  type Decoder,
  exactObject,
  firstRepeated,
  integer,
  isObject,
  type Mismatch,
  mismatch,
  noSuchName,
  oneOf,
  optional,
  show,
  text,
} from './decode.ts'
import type { EngineError, InvalidOption } from './errors.ts'
import type { ContainerOptions, ImageSource, RunOptions, StartOptions } from './options.ts'
import { collectConflict, conflictOf, type OptionLimits } from './options-decode-conflicts.ts'
import { mounts, volumesFrom } from './options-decode-mounts.ts'
import { abortSignal, errorOutput, output, stdin } from './options-decode-streams.ts'
import * as value from './options-decode-values.ts'
import type { DecodedOptions, DecodedRunOptions, DecodedStartOptions } from './options-decoded.ts'
import { POOL_CHOICES, type PoolSize } from './pool.ts'
import { registries } from './registry-settings.ts'
import { MAX_ID } from './user-db.ts'

export type { OptionLimits } from './options-decode-conflicts.ts'

export type Table = Readonly<Record<string, Decoder<unknown>>>

const idMaps = check(
  array(
    exactObject({ containerId: integer(0, MAX_ID), hostId: integer(0, MAX_ID), size: integer(1, MAX_ID) }),
  ),
  (maps) => {
    if (maps.length === 0 || maps.length > 340) return 'expected 1 to 340 id maps'
    const overlap = (a: (typeof maps)[0], b: (typeof maps)[0]): boolean =>
      a !== b &&
      (Math.max(a.containerId, b.containerId) < Math.min(a.containerId + a.size, b.containerId + b.size) ||
        Math.max(a.hostId, b.hostId) < Math.min(a.hostId + a.size, b.hostId + b.size))
    return maps.some((a) => maps.some((b) => overlap(a, b))) ? 'ranges overlap' : undefined
  },
)

const SECURITY: Table = {
  privileged: value.flag,
  capAdd: array(value.capability),
  capDrop: array(value.capability),
  noNewPrivileges: value.flag,
  seccomp: (profile) =>
    profile === 'unconfined' || isObject(profile)
      ? E.right(profile)
      : E.left({ where: '', why: "expected a profile or 'unconfined'", value: profile }),
  systemPaths: oneOf('unconfined'),
  userns: exactObject({ uidMap: idMaps, gidMap: idMaps }),
}

const ulimits: Decoder<unknown> = check(array(value.ulimit), (limits) =>
  firstRepeated(limits, ({ name }) => name.toLowerCase()) < 0 ? undefined : 'the same limit is given twice',
)

export const CONTAINER: Readonly<Record<keyof ContainerOptions, Decoder<unknown>>> = {
  network: value.network,
  name: value.containerName,
  labels: value.labels,
  entrypoint: value.entrypoint,
  env: value.environment,
  cwd: value.absolutePath,
  user: value.user,
  groups: value.names,
  hostname: value.hostname,
  domainname: value.hostname,
  mounts,
  volumesFrom,
  readonly: value.flag,
  shmSize: value.size,
  memory: value.memory,
  memorySwap: value.memorySwap,
  memoryReservation: value.memory,
  cpus: value.cpus,
  cpuShares: integer(0, 262_144),
  cpusetCpus: value.cpuList,
  cpusetMems: value.cpuList,
  pids: integer(-1, 2 ** 22),
  ulimits,
  oomScoreAdj: integer(-1000, 1000),
  devices: array(value.device),
  deviceCgroupRules: array(value.deviceRule),
  sysctls: value.mapOf((name) => (name === '' ? 'is empty' : undefined)),
  extraHosts: array(value.extraHost),
  dns: array(value.address),
  dnsSearch: array(value.resolverWord),
  dnsOptions: array(value.resolverWord),
  pid: value.host,
  ipc: value.host,
  uts: value.host,
  cgroupns: value.host,
  init: value.flag,
  tty: value.tty,
  stopSignal: value.stopSignal,
  security: (options) => named(SECURITY, options),
}

export const START: Readonly<Record<Exclude<keyof StartOptions, keyof ContainerOptions>, Decoder<unknown>>> =
  {
    stdin,
    stdout: output,
    stderr: errorOutput,
    signal: abortSignal,
    timeout: value.duration,
    grace: value.duration,
  }

const RUN: Readonly<Record<Exclude<keyof RunOptions, keyof StartOptions>, Decoder<unknown>>> = {
  maxOutput: value.size,
  encoding: oneOf('utf8', 'buffer'),
  all: value.flag,
}

const ALL_START: Table = { ...CONTAINER, ...START }
const ALL_RUN: Table = { ...ALL_START, ...RUN }
const KEPT_START: Table = { ...ALL_START, keep: value.flag }

/** Of a start from a pool. */
const FIRE: Table = { ...START, ...Object.fromEntries(POOL_CHOICES.map((name) => [name, CONTAINER[name]])) }
const FIRE_RUN: Table = { ...FIRE, ...RUN }
const { name: _name, tty: _tty, ...POOLED } = CONTAINER
const POOL: Table = { ...POOLED, lateMounts: value.flag }

/** Network namespaces that are kept ready. */
export const MAX_AHEAD = 64
const ENGINE: Table = {
  root: value.nonEmpty,
  runtime: value.nonEmpty,
  networksAhead: integer(0, MAX_AHEAD),
  events: value.flag,
  registries,
}

/** Fails: InvalidOption naming the option, its value and what is wrong with it. */
export const decodeContainerOptions = (
  options: unknown,
  limits: OptionLimits,
): Either<EngineError, DecodedOptions> => decodeTable<DecodedOptions>(CONTAINER, options, limits)

export const decodeStartOptions = (
  options: unknown,
  limits: OptionLimits,
): Either<EngineError, DecodedStartOptions> => decodeTable<DecodedStartOptions>(ALL_START, options, limits)

export const decodeRunOptions = (
  options: unknown,
  limits: OptionLimits,
): Either<EngineError, DecodedRunOptions> =>
  collectable(decodeTable<DecodedRunOptions>(ALL_RUN, options, limits))

const collectable = (
  decoded: Either<EngineError, DecodedRunOptions>,
): Either<EngineError, DecodedRunOptions> => {
  const wrong = E.isLeft(decoded) ? undefined : collectConflict(decoded.right)
  return wrong === undefined ? decoded : E.left(wrong)
}

/** What `start` takes besides: whether the record and the writable layer outlive the container. */
export const decodeKeptStart = (
  options: unknown,
  limits: OptionLimits,
): Either<EngineError, { readonly keep: boolean; readonly options: DecodedStartOptions }> =>
  E.map(({ keep = false, ...rest }: DecodedStartOptions & { readonly keep?: boolean }) => ({
    keep,
    options: rest,
  }))(decodeTable<DecodedStartOptions & { readonly keep?: boolean }>(KEPT_START, options, limits))

/** What all sandboxes of a pool have in common, from untyped JavaScript. */
export const decodePoolOptions = (
  options: unknown,
  limits: OptionLimits,
): Either<
  EngineError,
  { readonly image: ImageSource | undefined; readonly lateMounts: boolean; readonly options: DecodedOptions }
> => {
  type Pooled = DecodedOptions & { readonly lateMounts?: boolean }
  if (!isObject(options)) return E.left(problem('', { where: '', why: 'expected an object', value: options }))
  // One that was meant to be there, as from a variable that is not set.
  const meant = Object.hasOwn(options, 'image') ? decodeImage(options.image) : E.right(undefined)
  if (E.isLeft(meant)) return meant
  return E.map(({ image, options: { lateMounts = false, ...decoded } }: WithImage<Pooled>) => ({
    image,
    lateMounts,
    options: decoded,
  }))(withImage(options, (rest) => decodeTable<Pooled>(POOL, rest, limits)))
}

interface WithImage<Options> {
  readonly image: ImageSource | undefined
  readonly options: Options
}

/** Options among which there may be an image. */
const withImage = <Options>(
  wanted: unknown,
  rest: (options: unknown) => Either<EngineError, Options>,
): Either<EngineError, WithImage<Options>> => {
  const { image: source, ...others } = isObject(wanted) ? wanted : {}
  const image = source === undefined ? E.right(undefined) : decodeImage(source)
  if (E.isLeft(image)) return image
  return E.map((options: Options) => ({ image: image.right, options }))(
    rest(isObject(wanted) ? others : wanted),
  )
}

const MAX_POOL = 1024
export const decodePoolSize = (size: unknown): Either<EngineError, PoolSize> => {
  const decoded = poolSize(size ?? {})
  if (E.isLeft(decoded)) return E.left(problem('size', decoded.left))
  const { min = 1, max = Math.max(min, 1) } = decoded.right
  if (max >= Math.max(min, 1)) return E.right({ min, max })
  return E.left(
    problem('size.max', { where: '', why: `is less than the minimum, ${min}`, value: String(max) }),
  )
}
const poolSize = exactObject({
  min: optional(integer(0, MAX_POOL)),
  max: optional(integer(1, MAX_POOL)),
})

/**
 * What one start from a pool chooses, `imaged` or not; how it goes with what the pool has, the pool tells. Fails: InvalidOption, also
 * for what the pool alone decides.
 */
export const decodePoolStart = (
  options: unknown,
  limits: OptionLimits,
  imaged: boolean,
): Either<EngineError, WithImage<DecodedStartOptions>> =>
  poolsAlone(options, imaged) ??
  withImage(options, (rest) => decodeTable<DecodedStartOptions>(FIRE, rest, limits))

export const decodePoolRun = (
  options: unknown,
  limits: OptionLimits,
  imaged: boolean,
): Either<EngineError, WithImage<DecodedRunOptions>> =>
  poolsAlone(options, imaged) ??
  withImage(options, (rest) => collectable(decodeTable<DecodedRunOptions>(FIRE_RUN, rest, limits)))

const poolsAlone = (options: unknown, imaged: boolean): Either<EngineError, never> | undefined => {
  if (!isObject(options)) return undefined
  const isFixed = (name: string): boolean =>
    name === 'image' ? imaged : Object.hasOwn(POOL, name) && !Object.hasOwn(FIRE, name)
  const fixed = Object.keys(options).find((name) => options[name] !== undefined && isFixed(name))
  if (fixed === undefined) return undefined
  return E.left(problem(fixed, { where: '', why: 'is decided when the pool is made', value: options[fixed] }))
}

/** Which image, from untyped JavaScript. What a reference may look like is decided where it is read. */
export const decodeImage = (image: unknown): Either<EngineError, ImageSource> => {
  const decoded: Either<Mismatch, ImageSource> = isObject(image) ? rootfsImage(image) : imageName(image)
  return E.mapLeft((found: Mismatch) => problem('image', found))(decoded)
}
const rootfsImage = exactObject({ rootfs: value.absolutePath })
const imageName: Decoder<string> = (image) => {
  if (typeof image !== 'string') return mismatch("expected a reference, 'host' or { rootfs: path }", image)
  return image === '' ? mismatch('is empty', image) : text(image)
}

/** Where an engine keeps what it has, from untyped JavaScript. */
export const decodeEngineOptions = <A>(options: unknown): Either<EngineError, A> =>
  E.bimap(
    (found: Mismatch) => problem('', found),
    (decoded: Readonly<Record<string, unknown>>) => decoded as A,
  )(named(ENGINE, options))

/** What to run, from untyped JavaScript. An empty list stands for the image's own command. */
export const decodeArgv = (argv: unknown): Either<EngineError, readonly string[]> =>
  E.mapLeft((found: Mismatch) => problem('argv', found))(value.texts(argv ?? []))

/** Options of a table, settled, and free of contradictions. Fails: InvalidOption. */
export const decodeTable = <A extends DecodedOptions>(
  table: Table,
  options: unknown,
  limits: OptionLimits,
): Either<EngineError, A> => {
  const decoded = named(table, options ?? {})
  if (E.isLeft(decoded)) return E.left(problem('', decoded.left))
  const settled = settle(decoded.right) as A
  const conflict = conflictOf(settled, limits)
  return conflict === undefined ? E.right(settled) : E.left(conflict)
}

/** Options of one table, all of which may be left out. */
export const optionsOf =
  <A>(table: Table) =>
  (options: unknown): Either<EngineError, A> =>
    E.bimap(
      (found: Mismatch) => problem('', found),
      (decoded: Readonly<Record<string, unknown>>) => decoded as A,
    )(named(table, options ?? {}))

/** Every name must be one of the table's; undefined is the same as absent. */
export const named = (
  table: Table,
  options: unknown,
): Either<Mismatch, Readonly<Record<string, unknown>>> => {
  if (!isObject(options)) return E.left({ where: '', why: 'expected an object', value: options })
  const result: Record<string, unknown> = {}
  for (const name of Object.keys(options)) {
    const given = options[name]
    if (given === undefined) continue
    const decoder = Object.hasOwn(table, name) ? table[name] : undefined
    if (decoder === undefined)
      return E.left({ where: `.${name}`, why: unknownName(table, name), value: given })
    const decoded = decoder(given)
    if (E.isLeft(decoded)) return E.left({ ...decoded.left, where: `.${name}${decoded.left.where}` })
    result[name] = decoded.right
  }
  return E.right(result)
}

/** What other tools call it. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  net: 'network',
  volumes: 'mounts',
  binds: 'mounts',
  environment: 'env',
  workdir: 'cwd',
  workingDir: 'cwd',
  cpu: 'cpus',
  pidsLimit: 'pids',
  readOnly: 'readonly',
  privileged: 'security.privileged',
  capAdd: 'security.capAdd',
  capDrop: 'security.capDrop',
}

const unknownName = (table: Table, name: string): string => {
  const known = Object.hasOwn(ELSEWHERE, name) ? ELSEWHERE[name] : undefined
  return known !== undefined && Object.hasOwn(table, known.split('.')[0] ?? '')
    ? `no such option; did you mean ${known}?`
    : noSuchName('option', name, Object.keys(table))
}

/** Zeros that mean "no limit" become absent, and times get their unit into their name. */
const settle = (options: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> => {
  const { timeout, grace, maxOutput, ...rest } = options
  const settled: Record<string, unknown> = rest
  for (const name of ['memory', 'memorySwap', 'memoryReservation', 'cpus', 'cpuShares'] as const) {
    if (settled[name] === 0) delete settled[name]
  }
  if (timeout !== undefined && timeout !== 0) settled.timeoutMs = timeout
  if (grace !== undefined) settled.graceMs = grace
  if (maxOutput !== undefined) settled.maxOutputBytes = maxOutput
  return settled
}

const MAX_SHOWN = 200
export const problem = (option: string, { where, why, value: found }: Mismatch): InvalidOption => ({
  _tag: 'InvalidOption',
  option: `${option}${where}`.replace(/^\./, '') || 'options',
  value: typeof found === 'string' ? cut(found) : found === undefined ? '' : show(found),
  why,
})
const cut = (long: string): string => (long.length > MAX_SHOWN ? `${long.slice(0, MAX_SHOWN)}…` : long)
