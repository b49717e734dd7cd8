// start: image, argv and options become a running container. Everything up to the launch is decided here, by pure functions.
import * as E from '#fp/Either'
import { pipe } from '#fp/function'
import type { TaskEither } from '#fp/TaskEither'
import * as TE from '#fp/TaskEither'
import type { EngineError, SyscallFailed } from '../model/errors.ts'
import { type HostFacts, isAtLeast } from '../model/host-facts.ts'
import { isPlanned } from '../model/named-mounts.ts'
import type { Spec } from '../model/oci-spec.ts'
import type { ImageSource } from '../model/options.ts'
import type { DecodedStartOptions, PlannedStartOptions } from '../model/options-decoded.ts'
import type { PreparedImage } from '../model/prepared-image.ts'
import { type ContainerRecord, RECORD_VERSION, type RecordedOptions } from '../model/record.ts'
import { remember } from '../model/remember.ts'
import { type ResolvedUser, resolveUser } from '../model/user-db.ts'
import type { Cleanup } from '../plan/cleanup.ts'
import { hasNew } from '../plan/launch/build.ts'
import { type LaunchInput, type LaunchPlan, planLaunch } from '../plan/launch/index.ts'
import { overlayCount } from '../plan/launch/layer-names.ts'
import { ownText } from '../plan/launch/own-text.ts'
import { ownerOf } from '../plan/launch/owner.ts'
import { buildEngineFiles, buildSpec } from '../plan/spec/index.ts'
import { Container } from './container.ts'
import { abortable, limited } from './deadline.ts'
import { imageGone, unlessGone } from './image-gone.ts'
import { dropOwn, type RememberedMounts } from './own-volumes.ts'
import type { OpenCgroupParent } from './ports/host.ts'
import type { LaunchedProcess, StartFds } from './ports/launcher.ts'
import type { OpenStdio, StdioOptions } from './ports/stdio.ts'
import type { Ports } from './ports.ts'
import { filterFor, profileFor } from './seccomp.ts'

export interface StartRequest {
  readonly image: ImageSource
  readonly argv: readonly string[]
  readonly options: DecodedStartOptions
  /** Keep the record and the writable layer after the end. */
  readonly keep: boolean
  /** Told of the container as soon as it runs. */
  readonly onStart?: (container: Container, prepared: Prepared) => void
}

/** Whose volumes and images have been looked up. */
export interface PlannedRequest extends Omit<StartRequest, 'options'> {
  readonly options: PlannedStartOptions
}

/** A start that is fully decided: printing it, timing it and carrying it out all begin here. */
export interface Prepared {
  readonly id: string
  readonly request: PlannedRequest
  readonly image: PreparedImage
  readonly spec: Spec
  readonly parents: readonly OpenCgroupParent[]
  /** Of the first start of this shape; `own` turns it into this one's. */
  readonly plan: LaunchPlan
  readonly own: string
  readonly record: ContainerRecord
  /** Of the first start of this shape, too. */
  readonly cleanup: Cleanup
  /** Volumes of the container's own. */
  readonly volumes: readonly string[]
  /** Lets go of the volumes it mounts: once it is on record, or has failed. */
  readonly release: () => void
  /** CLOCK_MONOTONIC at the call. */
  readonly calledNs: number
}

/** What starts of the same shape have in common. Its ids are those of the first one. */
export type Template<Plan extends LaunchPlan = LaunchPlan> = Pick<
  Prepared,
  'spec' | 'parents' | 'record' | 'cleanup'
> & { readonly plan: Plan }

/** Of a start without volumes. */
export const NOTHING_HELD = { volumes: [], remembered: {}, release: (): void => {} } as const

// From here to the launch the steps are awaited one by one: each link of a chain of tasks would cost a start some 5 µs, since
// little of it is in the caches of a process that has been waiting.

/** Everything but the launch. Fails as its parts do: ImageNotFound, UnknownUser, InvalidOption, HostUnfit … */
export const prepare =
  (request: StartRequest, signal: AbortSignal | undefined = request.options.signal, carriedOut = false) =>
  (ports: Ports): TaskEither<EngineError, Prepared> => {
    const calledNs = ports.host.nowNs()
    return async () => {
      const image = await ports.host.prepareImage(request.image)()
      if (E.isLeft(image)) return image
      if (!isPlanned(request.options, image.right))
        return prepareMounts(ports, request, image.right, { calledNs, signal, carriedOut })
      const planned = { ...request, options: request.options }
      const user = await userOf(ports, image.right, planned.options, signal)
      return E.isLeft(user)
        ? user
        : decide(ports, planned, image.right, user.right, {
            ...NOTHING_HELD,
            remembered: ofBinds(planned.options),
            calledNs,
          })
    }
  }

interface Preparing {
  readonly calledNs: number
  readonly signal: AbortSignal | undefined
  /** False: it is only looked at, and no volume is made for it. */
  readonly carriedOut: boolean
}

const prepareMounts = async (
  ports: Ports,
  request: StartRequest,
  image: PreparedImage,
  { calledNs, signal, carriedOut }: Preparing,
): Promise<E.Either<EngineError, Prepared>> => {
  const { mountsOfStart, remembered, takeVolumes } = await import('./volumes-of-start.ts')
  const mounts = await mountsOfStart(ports, request.options, image)
  if (E.isLeft(mounts)) return mounts
  const { volumesFrom: _, ...rest } = request.options
  const options = { ...rest, mounts: mounts.right.planned }
  const taking = { rootfs: image.rootfs, passing: !request.keep, signal }
  const release = carriedOut ? await takeVolumes(ports, mounts.right, taking) : E.right(() => {})
  if (E.isLeft(release)) return release
  const held = { volumes: mounts.right.fresh, remembered: remembered(mounts.right), release: release.right }
  const user = await userOf(ports, image, options, signal)
  const decided = E.isLeft(user)
    ? user
    : decide(ports, { ...request, options }, image, user.right, { ...held, calledNs })
  if (E.isRight(decided)) return decided
  release.right()
  if (carriedOut) await dropOwn(ports, held.volumes)
  return decided
}

/** Resolves when the payload has been executed. A failure leaves nothing behind. */
export const start =
  (request: StartRequest) =>
  (ports: Ports): TaskEither<EngineError, Container> =>
    limited(request.options, (signal) => async () => {
      const prepared = await prepare(request, signal, true)(ports)()
      if (E.isLeft(prepared)) return unlessGone(ports, request.image, prepared, request.options.mounts)
      const started = await launchPrepared(ports, prepared.right, signal)
      const { image, record } = prepared.right
      const gone = await imageGone(ports, prepared.right.request.image, image, record.mounts)
      if (gone === undefined) return started
      if (E.isRight(started)) await started.right[Symbol.asyncDispose]()
      return gone
    })

const wantedUser = (image: PreparedImage, options: PlannedStartOptions): string =>
  options.user ?? image.config.User ?? ''

/** Of an image whose user files nothing can change: undefined for any other. */
const userKey = (image: PreparedImage, options: PlannedStartOptions): string | undefined =>
  image.rootfs.kind === 'directory' || (options.mounts ?? []).some(({ target }) => target.startsWith('/etc'))
    ? undefined
    : `${image.id} ${wantedUser(image, options)} ${(options.groups ?? []).join()}`

const knownUser = (
  ports: Ports,
  image: PreparedImage,
  options: PlannedStartOptions,
): E.Either<never, ResolvedUser> | undefined => {
  const key = userKey(image, options)
  const known = key === undefined ? undefined : ports.users.get(key)
  return known === undefined ? undefined : E.right(known)
}

/** Known at once where nothing can have changed the image's user files. */
export const userOf = (
  ports: Ports,
  image: PreparedImage,
  options: PlannedStartOptions,
  signal: AbortSignal | undefined,
): E.Either<EngineError, ResolvedUser> | Promise<E.Either<EngineError, ResolvedUser>> =>
  knownUser(ports, image, options) ?? lookUpUser(ports, image, options, signal)()

const lookUpUser = (
  ports: Ports,
  image: PreparedImage,
  options: PlannedStartOptions,
  signal: AbortSignal | undefined,
): TaskEither<EngineError, ResolvedUser> =>
  pipe(
    abortable(signal, ports.host.userFiles(image.rootfs, options, signal)),
    TE.flatMapEither(({ passwd, group }) =>
      resolveUser(wantedUser(image, options), passwd, group, options.groups),
    ),
    TE.map((user) => {
      const key = userKey(image, options)
      if (key !== undefined) ports.users.set(key, user)
      return user
    }),
  )

const decide = (
  ports: Ports,
  request: PlannedRequest,
  image: PreparedImage,
  user: ResolvedUser,
  held: Held,
): E.Either<EngineError, Prepared> => {
  const key = templateKey(ports, request, image, user, held)
  const known = ports.templates.get(key)
  const template =
    known === undefined
      ? decideTemplate(ports, { ...request, ...held }, image, user, ports.planLaunch ?? planLaunch)
      : E.right(known)
  if (E.isLeft(template)) return template
  if (known === undefined) remember(ports.templates, key, template.right)
  return E.right(
    preparedFrom(template.right, {
      id: ports.host.randomId(),
      createdMs: Date.now(),
      request,
      image,
      ...held,
    }),
  )
}

/** What a start has of volumes. */
export interface HeldMounts extends Pick<Prepared, 'volumes' | 'release'> {
  readonly remembered: RememberedMounts
}
interface Held extends HeldMounts, Pick<Prepared, 'calledNs'> {}

/** Those that need no look-up are remembered, too: another container may borrow them. */
export const ofBinds = ({ mounts = [] }: PlannedStartOptions): RememberedMounts => {
  const binds = mounts.filter((mount) => mount.type === 'bind')
  return binds.length === 0 ? {} : { mounts: binds }
}

interface OneOfTemplate extends Held, Pick<Prepared, 'id' | 'request' | 'image'> {
  readonly createdMs: number
}

/** One start of a template's shape. */
export const preparedFrom = (
  { plan, spec, parents, record, cleanup }: Template,
  { id, createdMs, remembered: mounts, ...rest }: OneOfTemplate,
): Prepared => ({
  ...rest,
  id,
  spec,
  parents,
  plan,
  own: ownText(id, createdMs, rest.volumes),
  record: {
    ...record,
    ...mounts,
    id,
    createdMs,
    groups: record.groups.map((group) => group.replace(record.id, id)),
  },
  cleanup,
})

/** All that shapes a start, and what its record has of it; streams, signals and time limits do not. */
export const templateKey = (
  ports: Ports,
  { argv, options, keep }: PlannedRequest,
  image: PreparedImage,
  user: ResolvedUser,
  { volumes, remembered: mounts }: Pick<HeldMounts, 'volumes' | 'remembered'>,
): string => {
  const { stdin: _in, stdout: _out, stderr: _err, signal: _signal, timeoutMs: _timeout, ...shape } = options
  const text = JSON.stringify([image, user, argv, keep, shape, mounts, ports.host.hostFiles(options)])
  // Names that were drawn differ and matter to nobody.
  return volumes.reduce((key, name, index) => key.replaceAll(name, `drawn ${index}`), text)
}

/** A start whose plan is told with these volumes of its own. */
export interface RequestWithVolumes extends PlannedRequest, Pick<HeldMounts, 'volumes' | 'remembered'> {}

/** Whose plan it is. */
export interface PlannedFor {
  readonly id: string
  /** A sandbox that waits: the id is only what it is told with. */
  readonly isParked: boolean
}

/** `planOf`: what becomes of the input, e.g. a start, or a sandbox that waits. */
export const decideTemplate = <Plan extends LaunchPlan>(
  ports: Ports,
  request: RequestWithVolumes,
  image: PreparedImage,
  user: ResolvedUser,
  planOf: (input: LaunchInput) => Plan,
  { id, isParked }: PlannedFor = { id: ports.host.randomId(), isParked: false },
): E.Either<EngineError, Template<Plan>> => {
  const { host } = ports
  const { options, argv } = request
  const own = { options, id, facts: host.facts, image, user, argv }
  const files = host.hostFiles(options)
  const named = files.hostname === undefined ? {} : { hostHostname: files.hostname }
  return pipe(
    E.Do,
    E.bind('devices', () => host.devices(options)),
    E.bind('profile', () => profileFor(ports, options)),
    E.bind('spec', ({ devices, profile }) =>
      buildSpec({ ...own, ...named, devices, seccomp: profile, cgroupsPath: `/slipway/${id}` }),
    ),
    E.filterOrElse(
      ({ spec }) => !needsNewerKernel(spec, image, host.facts),
      (): EngineError => ({
        _tag: 'HostUnfit',
        need: 'a user namespace over image layers',
        why: `Linux ${host.facts.kernelRelease} cannot take their mounts by descriptor`,
        remedy: 'run Linux 6.15 or newer, or an unpacked directory that belongs to the mapped ids',
      }),
    ),
    E.bind('parents', ({ spec }) => host.cgroupParents(spec.linux?.resources ?? {})),
    E.bind('filter', ({ spec }) => filterFor(ports, spec, options.init === true)),
    E.map(({ spec, parents, filter }) => {
      const engineFiles = buildEngineFiles(options, id, files)
      const record = {
        ...recordOf(ports, request, image, spec, id, parents),
        ...(isParked ? { parked: true, command: [] } : {}),
      }
      const text = JSON.stringify(record)
      const plan = planOf({
        id,
        spec,
        rootfs: image.rootfs,
        files: engineFiles,
        ...(filter === undefined ? {} : { filter }),
        facts: host.facts,
        root: host.state.root,
        scratch: host.state.scratch,
        record: text,
        createdMs: record.createdMs,
        volumes: request.volumes,
        cgroups: parents,
        keep: request.keep,
        init: options.init === true,
      })
      const cleanup = cleanupOf(ports, record, image)
      return { plan, spec, parents, record, cleanup }
    }),
  )
}

/** overlayfs takes detached mounts as layers from Linux 6.15 on. */
const needsNewerKernel = (spec: Spec, { rootfs }: PreparedImage, { kernel }: HostFacts): boolean =>
  rootfs.kind !== 'directory' && hasNew(spec, 'user') && !isAtLeast(kernel, 6, 15)

const recordOf = (
  ports: Ports,
  request: RequestWithVolumes,
  image: PreparedImage,
  spec: Spec,
  id: string,
  parents: readonly OpenCgroupParent[],
): ContainerRecord => ({
  version: RECORD_VERSION,
  id,
  name: request.options.name ?? '',
  engine: ports.host.state.engine,
  bootId: ports.host.facts.bootId,
  image: image.reference,
  imageId: image.id,
  command: spec.process?.args ?? [],
  labels: { ...image.config.Labels, ...request.options.labels },
  createdMs: Date.now(),
  groups: parents.map((parent) => `${parent.mountpoint}${parent.path}/${id}`),
  keep: request.keep,
  ...request.remembered,
  options: recordedOptions(request.options),
})

/** In the order in which they are given, and no more than was: a record is a part of every start. */
export const recordedOptions = ({
  name: _name,
  labels: _labels,
  mounts: _mounts,
  stdin: _in,
  stdout: _out,
  stderr: _err,
  signal: _signal,
  timeoutMs: _timeout,
  ...options
}: PlannedStartOptions): RecordedOptions => options

const cleanupOf = (ports: Ports, record: ContainerRecord, image: PreparedImage): Cleanup => ({
  id: record.id,
  groups: record.groups,
  overlays: overlayCount(image.rootfs),
  record: ports.host.state.recordPath(record.id),
  keep: record.keep,
})

const launchPrepared = async (
  ports: Ports,
  prepared: Prepared,
  signal: AbortSignal | undefined,
): Promise<E.Either<EngineError, Container>> => {
  const launched = await launchHeld(ports, prepared, signal)
  prepared.release()
  if (E.isLeft(launched)) await dropOwn(ports, prepared.volumes)
  return launched
}

const launchHeld = async (
  ports: Ports,
  prepared: Prepared,
  signal: AbortSignal | undefined,
): Promise<E.Either<EngineError, Container>> => {
  const { options } = prepared.request
  const locked = ports.host.state.demandLock()
  if (E.isLeft(locked)) return locked
  if (options.mounts !== undefined) {
    const sources = await abortable(signal, ports.host.makeBindSources(options, signal))()
    if (E.isLeft(sources)) return sources
  }
  if (options.name !== undefined) {
    const taken = ports.host.state.takeName(options.name, prepared.id)
    if (E.isLeft(taken)) return taken
  }
  const stdio = ports.stdio.open(streamsOf(options), ownerOf(prepared.spec))
  if (E.isRight(stdio)) return launchWith(ports, prepared, stdio.right, signal)
  if (options.name !== undefined) ports.host.state.freeName(options.name, prepared.id)
  return stdio
}

/** With a terminal they are all its own. */
export const streamsOf = ({ tty, stdin, stdout, stderr }: PlannedStartOptions): StdioOptions =>
  tty === undefined || tty === false
    ? { stdin: stdin ?? 'ignore', stdout: stdout ?? 'pipe', stderr: stderr ?? 'pipe' }
    : { stdin: 'ignore', stdout: 'ignore', stderr: 'ignore' }

/** What a start needs besides its streams. */
export const startFds = ({ host: { state } }: Ports, parents: readonly OpenCgroupParent[]): StartFds => ({
  containers: state.containersFd,
  records: state.recordsFd,
  cgroups: parents.map(({ fd }) => fd),
})

const launchWith = async (
  ports: Ports,
  prepared: Prepared,
  stdio: OpenStdio,
  signal: AbortSignal | undefined,
): Promise<E.Either<EngineError, Container>> => {
  let late: Promise<void> | undefined
  const fds = { ...stdio.fds, ...startFds(ports, prepared.parents) }
  const launched = await ports.launcher.launch(prepared.plan, prepared.own, fds, {
    command: prepared.spec.process?.args?.[0] ?? '',
    ...(signal === undefined ? {} : { signal }),
    onLate: (end) => {
      late = end
    },
  })()
  if (E.isRight(launched)) return E.right(running(ports, prepared, stdio, launched.right))
  stdio.abandon()
  return E.left(await afterFailure(ports, prepared, launched.left, late))
}

export const running = (
  ports: Ports,
  prepared: Prepared,
  stdio: OpenStdio,
  process: LaunchedProcess,
): Container => {
  stdio.started()
  if (prepared.record.groups.length === 0) ports.host.state.addProcess(prepared.record, process.pid)
  const container = new Container(ports, prepared, stdio, process)
  prepared.request.onStart?.(container, prepared)
  return container
}

/**
 * The same cleaning as after an end, and before the error is told: what failed to start leaves nothing behind. `late`: the
 * first process still waits for a dead file system; what it holds is removed at its end.
 */
export const afterFailure = async (
  ports: Ports,
  prepared: Prepared,
  error: EngineError,
  late: Promise<void> | undefined,
): Promise<EngineError> => {
  const told = withCause(ports, prepared, error)
  if (late === undefined) await removeFailed(ports, prepared)
  else late.then(() => removeFailed(ports, prepared))
  return told
}

export const removeFailed = async (
  ports: Ports,
  { id, cleanup, record, request, volumes, release }: Prepared,
): Promise<void> => {
  const { host } = ports
  // Behind a small init the payload's process outlives the first one.
  await Promise.all(record.groups.map((group) => host.killGroup(group)))
  await host.cleanUp({ ...cleanup, keep: false }, id)
  release()
  await dropOwn(ports, volumes)
  if (request.options.name !== undefined) host.state.freeName(request.options.name, id)
}

const withCause = ({ host }: Ports, { record, image }: Prepared, error: EngineError): EngineError => {
  if (host.facts.users !== undefined && error._tag === 'SyscallFailed') return withoutRoot(image, error)
  return error._tag === 'LaunchDied' && error.hint === undefined && host.ranOutOfMemory(record.groups)
    ? { ...error, hint: 'it ran out of memory: raise the memory limit' }
    : error
}

const EINVAL = 22
/** What overlayfs asks of its layers besides, when it is no root of the machine who mounts it. */
const withoutRoot = ({ rootfs }: PreparedImage, error: SyscallFailed): EngineError => {
  if (error.step !== 'create file system' || error.errno !== EINVAL || error.hint !== undefined) return error
  const isShared = rootfs.kind === 'host' && rootfs.directories.includes(error.path ?? '')
  if (error.path !== '/' && !isShared) return error
  return {
    ...error,
    hint: isShared
      ? 'a file system that is mounted below it keeps an ordinary user from using it: run another image, or the host image as root'
      : 'overlayfs does not take this file system from an ordinary user: put the state on ext4, xfs, btrfs, or on tmpfs from Linux 6.6, with --root',
  }
}
