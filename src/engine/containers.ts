// What is there: list and remove, from records and the kernel's own word on who lives.
import { pipe } from '#fp/function'
import type { TaskEither } from '#fp/TaskEither'
import * as TE from '#fp/TaskEither'
import { statusOf } from '../model/container-status.ts'
import type { EngineError } from '../model/errors.ts'
import { type ContainerRecord, findRecord, RECORD_VERSION } from '../model/record.ts'
import { removeContainer as removeDetached } from './detached/remove.ts'
import { nameOf } from './names.ts'
import type { DetachedContainer } from './ports/detached.ts'
import type { Ports } from './ports.ts'

export interface ContainerSummary extends ContainerRecord {
  readonly status: 'created' | 'running' | 'paused' | 'restarting' | 'stopped'
  readonly pid?: number
  /** Of one that outlives its engine: when its program was executed last. */
  readonly startedMs?: number
}

/** Newest first. */
export const listContainers = (ports: Ports): ContainerSummary[] =>
  [...listAttached(ports), ...ports.detached.list().containers.map(summaryOf)].sort(
    (a, b) => b.createdMs - a.createdMs,
  )

/** A record whose engine is dead counts as stopped: the next sweep will end it. */
const listAttached = ({ host }: Ports): ContainerSummary[] =>
  host.state
    .records()
    .filter(({ parked }) => parked !== true)
    .map((stored): ContainerSummary => {
      const record = { ...stored, name: nameOf(stored) }
      if (record.finishedMs !== undefined || !host.state.isAlive(record.engine))
        return { ...record, status: 'stopped' }
      const pid = host.firstProcess(record.groups)
      return { ...record, status: 'running', ...(pid === undefined ? {} : { pid }) }
    })

const summaryOf = (container: DetachedContainer): ContainerSummary => {
  const { document, exit, state } = container
  const status = statusOf(container)
  const runs = status === 'running' || status === 'paused'
  return {
    version: RECORD_VERSION,
    id: document.id,
    name: document.name,
    engine: '',
    bootId: state?.bootId ?? '',
    image: document.image.reference,
    imageId: document.image.id,
    command: document.command,
    labels: document.options.labels ?? {},
    createdMs: document.createdMs,
    groups: state?.groups ?? [],
    keep: true,
    status: status === 'exited' ? 'stopped' : status,
    ...(runs && state !== undefined ? { pid: state.pid, startedMs: state.begunMs } : {}),
    ...(runs || exit === undefined ? {} : { finishedMs: exit.endedMs, exitCode: exit.exitCode }),
  }
}

/** Removes a stopped container, or with `force` a running one. Fails: ContainerNotFound, WrongStatus. */
export const removeContainer =
  (wanted: string, force: boolean) =>
  (ports: Ports): TaskEither<EngineError, string> => {
    const summaries = listContainers(ports)
    const found = findRecord(summaries, wanted)
    if ('_tag' in found) return TE.left(found)
    if (found.engine === '')
      return pipe(
        removeDetached(found.id, force)(ports),
        TE.map(() => found.id),
      )
    const running = summaries.find(({ id }) => id === found.id)?.status === 'running'
    if (running && !force) {
      return TE.left({
        _tag: 'WrongStatus',
        container: found.id.slice(0, 12),
        status: 'running',
        wanted: 'stopped',
      })
    }
    return pipe(
      TE.fromTask(() => discard(ports, found, running)),
      TE.map(() => found.id),
    )
  }

const discard = async ({ host }: Ports, record: ContainerRecord, running: boolean): Promise<void> => {
  if (running) await Promise.all(record.groups.map((group) => host.killGroup(group)))
  const overlays = host.overlaysOf(record.id)
  await host.cleanUp({ ...record, overlays, record: host.state.recordPath(record.id), keep: false })
  host.state.freeName(record.name)
}
