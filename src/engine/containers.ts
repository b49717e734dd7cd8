// What is there: list and remove, from records and the kernel's own word on who lives.
import * as E from '#fp/Either'
import { pipe } from '#fp/function'
import type { TaskEither } from '#fp/TaskEither'
import * as TE from '#fp/TaskEither'
import { labelsOf } from '../model/container-document.ts'
import { statusOf } from '../model/container-status.ts'
import type { EngineError } from '../model/errors.ts'
import { containerEvent } from '../model/events-of-containers.ts'
import type { MonitorHealth } from '../model/monitor-state.ts'
import { isNamed } from '../model/named-mounts.ts'
import type { LinuxResources } from '../model/oci-spec.ts'
import { type ContainerRecord, findRecord, ownVolumes, RECORD_VERSION } from '../model/record.ts'
import { removeDamaged, removeContainer as removeDetached } from './detached/remove.ts'
import { nameOf } from './names.ts'
import { noteAll } from './note.ts'
import { dropOwn } from './own-volumes.ts'
import type { DamagedContainer, DetachedContainer } from './ports/detached.ts'
import type { Ports } from './ports.ts'

export interface ContainerSummary extends ContainerRecord {
  /** `damaged`: its document cannot be read, so only that it is there is known. */
  readonly status: 'created' | 'running' | 'paused' | 'restarting' | 'stopped' | 'damaged'
  /** Of `damaged`: why. */
  readonly damage?: EngineError
  readonly pid?: number
  /** Of one that outlives its engine: when its program was executed last. */
  readonly startedMs?: number
  /** `none` or `host`. Absent: it is damaged. */
  readonly network?: string
  /** While it runs, where it has a check. */
  readonly health?: MonitorHealth['status']
  /** Limits it was given since it began. */
  readonly resources?: LinuxResources
}

/** It belongs to no engine. */
export const isDetached = ({ engine }: Pick<ContainerRecord, 'engine'>): boolean => engine === ''

/** It runs, or is held still. */
export const hasProcesses = ({ status }: Pick<ContainerSummary, 'status'>): boolean =>
  status === 'running' || status === 'paused'

/** Newest first. With a word those that it may mean: of one whose name nobody chose not by its name. */
export const listContainers = (ports: Ports, wanted?: string): ContainerSummary[] => {
  const { containers, damaged } = ports.detached.list(wanted)
  return [
    ...listAttached(ports, wanted),
    ...containers.map(summaryOf),
    ...damaged.map(summaryOfDamaged),
  ].sort((a, b) => b.createdMs - a.createdMs)
}

/** Where none was asked for. */
const NO_NETWORK = 'none'

/** A record whose engine is dead counts as stopped: the next sweep will end it. */
const listAttached = ({ host }: Ports, wanted: string | undefined): ContainerSummary[] => {
  const changes = host.state.changes()
  return host.state
    .records(wanted)
    .filter(({ parked }) => parked !== true)
    .map((stored): ContainerSummary => {
      const changed = { ...stored, ...changes.get(stored.id) }
      const record = { ...changed, name: nameOf(changed) }
      const network = record.options?.network ?? NO_NETWORK
      if (record.finishedMs !== undefined || !host.state.isAlive(record.engine))
        return { ...record, network, status: 'stopped' }
      const pid = host.firstProcess(record.groups)
      const status = host.isPaused(record.id) ? 'paused' : 'running'
      return { ...record, network, status, ...(pid === undefined ? {} : { pid }) }
    })
}

export const summaryOf = (container: DetachedContainer): ContainerSummary => {
  const { document, exit, state } = container
  const status = statusOf(container)
  const runs = status === 'running' || status === 'paused'
  const mounts = document.options.mounts?.filter(isNamed)
  return {
    version: RECORD_VERSION,
    id: document.id,
    name: document.name,
    engine: '',
    bootId: state?.bootId ?? '',
    image: document.image.reference,
    imageId: document.image.id,
    command: document.command,
    labels: labelsOf(document),
    createdMs: document.createdMs,
    groups: state?.groups ?? [],
    keep: true,
    network: document.options.network ?? NO_NETWORK,
    ...(mounts === undefined ? {} : { mounts }),
    status: status === 'exited' ? 'stopped' : status,
    ...(runs && state !== undefined
      ? {
          pid: state.pid,
          startedMs: state.begunMs,
          ...(document.health === undefined ? {} : { health: state.health?.status ?? 'starting' }),
          process: { pid: state.pid, startTime: String(state.startTime) },
        }
      : {}),
    ...(runs || exit === undefined ? {} : { finishedMs: exit.endedMs, exitCode: exit.exitCode }),
  }
}

const summaryOfDamaged = ({ id, name, error, changedMs, state }: DamagedContainer): ContainerSummary => ({
  version: RECORD_VERSION,
  id,
  name,
  engine: '',
  bootId: state?.bootId ?? '',
  image: '',
  imageId: '',
  command: [],
  labels: {},
  createdMs: changedMs,
  groups: state?.groups ?? [],
  keep: true,
  status: 'damaged',
  damage: error,
})

/** By name, id or unique beginning of an id. Fails: ContainerNotFound, AmbiguousContainer, StateDamaged. */
export const findContainer = (ports: Ports, wanted: string): E.Either<EngineError, ContainerSummary> =>
  E.flatMap(undamaged)(findAny(ports, wanted))

const undamaged = (found: ContainerSummary): E.Either<EngineError, ContainerSummary> =>
  found.damage === undefined ? E.right(found) : E.left(found.damage)

const findAny = (ports: Ports, wanted: string): E.Either<EngineError, ContainerSummary> => {
  const found = anyAmong(listContainers(ports, wanted), wanted)
  return E.isLeft(found) && found.left._tag === 'ContainerNotFound'
    ? anyAmong(listContainers(ports), wanted)
    : found
}

/** The same for whoever has the list already. */
export const findAmong = (
  summaries: readonly ContainerSummary[],
  wanted: string,
): E.Either<EngineError, ContainerSummary> => E.flatMap(undamaged)(anyAmong(summaries, wanted))

const anyAmong = (
  summaries: readonly ContainerSummary[],
  wanted: string,
): E.Either<EngineError, ContainerSummary> => {
  const found = findRecord(summaries, wanted)
  return '_tag' in found ? E.left(found) : E.right(found)
}

export interface RemoveContainerOptions {
  /** One that runs, too. */
  readonly force?: boolean
  /** Also the volumes nobody gave a name. */
  readonly volumes?: boolean
}

/**
 * Removes a stopped container, or with `force` a running one, and one whose document cannot be read. Fails: ContainerNotFound,
 * AmbiguousContainer, WrongStatus, StateDamaged, SyscallFailed.
 */
export const removeContainer =
  (wanted: string, { force = false, volumes = false }: RemoveContainerOptions = {}) =>
  (ports: Ports): TaskEither<EngineError, string> => {
    const container = findAny(ports, wanted)
    if (E.isLeft(container)) return TE.left(container.left)
    const found = container.right
    if (found.damage !== undefined)
      return force
        ? pipe(
            removeDamaged(found.id)(ports),
            TE.map(() => found.id),
          )
        : TE.left(found.damage)
    if (isDetached(found))
      return pipe(
        removeDetached(found.id, { force, volumes })(ports),
        TE.map(() => {
          ports.host.state.change(found.id, undefined)
          return found.id
        }),
      )
    const running = found.status !== 'stopped'
    if (running && !force) {
      return TE.left({
        _tag: 'WrongStatus',
        container: found.id.slice(0, 12),
        status: 'running',
        wanted: 'stopped',
      })
    }
    return pipe(
      TE.fromTask(() => discard(ports, found, running, volumes)),
      // One that its engine does not keep is its engine's to tell of.
      TE.tapTask(
        () => () => (found.keep ? noteAll(ports, [containerEvent('destroy', found)]) : Promise.resolve()),
      ),
      TE.map(() => found.id),
    )
  }

const discard = async (
  ports: Ports,
  record: ContainerRecord,
  running: boolean,
  withVolumes: boolean,
): Promise<void> => {
  const { host } = ports
  if (running) await Promise.all(record.groups.map((group) => host.killGroup(group)))
  const overlays = host.overlaysOf(record.id)
  await host.cleanUp({ ...record, overlays, record: host.state.recordPath(record.id), keep: false })
  host.state.freeName(record.name, record.id)
  host.state.change(record.id, undefined)
  if (withVolumes) await dropOwn(ports, ownVolumes(record))
}
