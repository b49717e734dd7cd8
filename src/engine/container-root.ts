// The root of a container, held open: of one that runs by its first process, of one that does not by a sandbox made of its files alone.
//
//   runs, paused     /proc/<first process>/root: all it has mounted is seen, also what is in memory only
//   does not run     its plan, less everything but its root and mounts, up to where a payload would be executed: a mount namespace of its
//                    own, whose one process is ours and ends with us. Nobody starts or removes the container meanwhile, nor does its
//                    monitor, where it waits for its next start
import * as E from '#fp/Either'
import { pipe } from '#fp/function'
import type { TaskEither } from '#fp/TaskEither'
import * as TE from '#fp/TaskEither'
import { runs, statusOf } from '../model/container-status.ts'
import type { DecodedDetached } from '../model/detached-options.ts'
import type { EngineError } from '../model/errors.ts'
import type { Mount, Spec } from '../model/oci-spec.ts'
import type { DecodedOptions } from '../model/options-decoded.ts'
import type { ResolvedUser } from '../model/user-db.ts'
import { type ArmedPlan, type LaunchInput, planArmed } from '../plan/launch/index.ts'
import { ownText } from '../plan/launch/own-text.ts'
import { type ContainerSummary, findContainer, hasProcesses, isDetached } from './containers.ts'
import { withVolumes } from './detached/mounts.ts'
import { planDetached } from './detached/plan.ts'
import type { CopyPort, HeldRoot, OpenRoot } from './ports/copies.ts'
import type { ArmedProcess } from './ports/launcher.ts'
import type { Ports } from './ports.ts'
import { startFds } from './start.ts'

export interface CopyTools {
  readonly ports: Ports
  readonly copies: CopyPort
}

/** Resolves when nothing of it is left, and others may start the container. May be called again. */
export interface ContainerRoot extends OpenRoot {
  readonly id: string
  readonly close: () => Promise<void>
}

const SHORT_ID = 12
/** One that ends, or is started, between two looks. */
const MOST_LOOKS = 100
const LOOK_MS = 10
const EBUSY = 16
const ECONNRESET = 104

/** By name, id or unique beginning of an id. Fails: ContainerNotFound, AmbiguousContainer; WrongStatus where it is never seen running or at rest; as a start does. */
export const openContainerRoot =
  (wanted: string) =>
  (tools: CopyTools): TaskEither<EngineError, ContainerRoot> =>
  async () => {
    for (let looks = 0; looks < MOST_LOOKS; looks++) {
      const found = findContainer(tools.ports, wanted)
      if (E.isLeft(found)) return found
      const opened = await rootNow(tools, found.right)
      if (E.isLeft(opened)) return opened
      if (opened.right !== undefined) return E.right(opened.right)
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
    }
    return E.left(restless(wanted))
  }

const restless = (container: string): EngineError => ({
  _tag: 'WrongStatus',
  container,
  status: 'restarting',
  wanted: 'running or stopped',
})

/** Undefined: it is no longer what it was when it was looked at. */
const rootNow = (
  tools: CopyTools,
  found: ContainerSummary,
): Promise<E.Either<EngineError, ContainerRoot | undefined>> => {
  const name = found.name === '' ? found.id.slice(0, SHORT_ID) : found.name
  if (hasProcesses(found)) {
    const held = tools.copies.rootOf(found, name)
    return Promise.resolve(
      E.map(
        (root: HeldRoot | undefined) => root && { ...root, id: found.id, close: async () => root.close() },
      )(held),
    )
  }
  return rootAtRest(tools, found, name)
}

/** Resolves with the root once it is there; the lock is held until it is closed. */
const rootAtRest = (
  tools: CopyTools,
  found: ContainerSummary,
  name: string,
): Promise<E.Either<EngineError, ContainerRoot | undefined>> =>
  new Promise((resolve) => {
    const hold = async (options: DecodedOptions): Promise<E.Either<EngineError, void>> => {
      const made = await makeRoot(tools, found, options, name)()
      if (E.isLeft(made)) return made
      const { root, process } = made.right
      await new Promise<void>((closed) => {
        const close = (): Promise<void> => {
          closed()
          return over.then(() => undefined)
        }
        resolve(E.right({ ...root, id: found.id, close }))
      })
      root.close()
      process.abandon()
      await process.end
      return E.right(undefined)
    }
    const over = lockedWhile(tools.ports, found, hold)()
    over.then((ended) => resolve(E.isLeft(ended) ? ended : E.right(undefined)))
  })

/** Those who change the container wait, and it is looked at once more. */
const lockedWhile = (
  { detached, monitors }: Ports,
  found: ContainerSummary,
  hold: (options: DecodedOptions) => Promise<E.Either<EngineError, void>>,
): TaskEither<EngineError, void> =>
  isDetached(found)
    ? detached.locked(found.id, async (container) => {
        const status = statusOf(container)
        const body = () => hold(container.document.options)
        if (status === 'restarting') return beforeNextStart(monitors, found.id, body)
        return runs(status) ? E.right(undefined) : body()
      })
    : heldAttached(detached, found, () => hold({ ...rootOptionsOf(found), mounts: found.mounts ?? [] }))

/** Its monitor begins no start as long as it hears from us. Nothing is done where it has begun one, or is gone. */
const beforeNextStart = async (
  { connect }: Ports['monitors'],
  id: string,
  body: () => Promise<E.Either<EngineError, void>>,
): Promise<E.Either<EngineError, void>> => {
  const connected = await connect(id)()
  if (E.isLeft(connected)) return connected
  const connection = connected.right
  if (connection === undefined) return E.right(undefined)
  try {
    const asked = await connection.ask({ _tag: 'HoldStarts' })()
    if (E.isRight(asked)) return await body()
    return isNoLonger(asked.left) ? E.right(undefined) : asked
  } finally {
    connection.close()
  }
}

const isNoLonger = (error: EngineError): boolean =>
  error._tag === 'SyscallFailed' && (error.errno === EBUSY || error.errno === ECONNRESET)

/** All of them that its root is made by. */
const rootOptionsOf = ({ options = {} }: ContainerSummary): DecodedOptions => {
  const { readonly, security: { userns } = {} } = options
  return {
    ...(readonly === undefined ? {} : { readonly }),
    ...(userns === undefined ? {} : { security: { userns } }),
  }
}

/** One whose root is a directory of the caller's has none of its own. */
const heldAttached = (
  { held }: Ports['detached'],
  { id, imageId }: ContainerSummary,
  body: () => Promise<E.Either<EngineError, void>>,
): TaskEither<EngineError, void> => (imageId.startsWith('/') ? body : held(id, body))

interface MadeRoot {
  readonly root: HeldRoot
  readonly process: ArmedProcess
}

/** It is removed by nobody, and logs nothing. */
const POLICIES = { autoRemove: false } as DecodedDetached['policies']
const ROOT: ResolvedUser = { uid: 0, gid: 0, additionalGids: [0], home: '/' }

const makeRoot = (
  { ports, copies }: CopyTools,
  { id, imageId }: ContainerSummary,
  { mounts, readonly, security }: DecodedOptions,
  name: string,
): TaskEither<EngineError, MadeRoot> => {
  let armed: ArmedPlan | undefined
  const planOf = (input: LaunchInput): ArmedPlan => {
    armed = planArmed(false)(atRest(input))
    return armed
  }
  const options: DecodedOptions = {
    ...(mounts === undefined ? {} : { mounts }),
    ...(readonly === undefined ? {} : { readonly }),
    ...(security?.userns === undefined ? {} : { security: { userns: security.userns } }),
  }
  const document = { id, options, policies: POLICIES }
  return pipe(
    ports.host.prepareImage(imageId.startsWith('/') ? { rootfs: imageId } : imageId),
    TE.bindTo('image'),
    TE.bind('made', ({ image }) =>
      planDetached(ports, { ...document, image, argv: ['-'], user: ROOT }, planOf),
    ),
    TE.tap(({ made }) => ports.host.makeBindSources(made.options, undefined)),
    TE.flatMap(({ image, made }) =>
      withVolumes(ports, document, image.rootfs, () =>
        armed === undefined
          ? Promise.reject(new Error('it was not planned'))
          : ports.launcher.arm(
              armed,
              ownText(id, made.record.createdMs),
              { ...startFds(ports, []), cgroups: [] },
              false,
            )(),
      ),
    ),
    TE.flatMap((process) => () => {
      const root = copies.rootOfChild(process.pid, name)
      if (E.isRight(root) && root.right !== undefined)
        return Promise.resolve(E.right({ root: root.right, process }))
      const error: EngineError = E.isLeft(root)
        ? root.left
        : { _tag: 'LaunchDied', step: 'open root of process' }
      process.abandon()
      return process.end.then(() => E.left(error))
    }),
  )
}

/** Its root and what is mounted there by somebody's wish; no groups, no record of its own, no device, nothing in memory. */
const atRest = ({ spec, ...input }: LaunchInput): LaunchInput => {
  const { filter: _, ...rest } = input
  return {
    ...rest,
    spec: specAtRest(spec),
    files: [],
    cgroups: [],
    keep: true,
    init: false,
    isOnRecord: true,
  }
}

const specAtRest = ({ ociVersion, root, mounts = [], linux }: Spec): Spec => ({
  ociVersion,
  ...(root === undefined ? {} : { root }),
  process: { args: ['-'], cwd: '/', user: { uid: 0, gid: 0 } },
  mounts: mounts.filter(isWished).map(withoutMemory),
  linux: {
    namespaces: (linux?.namespaces ?? []).filter(({ type }) => type === 'mount' || type === 'user'),
    ...(linux?.uidMappings === undefined ? {} : { uidMappings: linux.uidMappings }),
    ...(linux?.gidMappings === undefined ? {} : { gidMappings: linux.gidMappings }),
  },
})

const MADE_BY_KERNEL = ['proc', 'sysfs', 'mqueue', 'devpts', 'cgroup', 'cgroup2']
const isWished = ({ type = '', destination }: Mount): boolean =>
  !MADE_BY_KERNEL.includes(type) && !(type === 'tmpfs' && /^\/dev(\/|$)/.test(destination))

/** What is written into memory would be gone when the container starts: there it is read-only. */
const withoutMemory = (mount: Mount): Mount =>
  mount.type === 'tmpfs' ? { ...mount, options: [...(mount.options ?? []), 'ro'] } : mount
