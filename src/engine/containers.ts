// What is there: list and remove, from records and the kernel's own word on who lives.
import { pipe } from '#fp/function'
import type { TaskEither } from '#fp/TaskEither'
import * as TE from '#fp/TaskEither'
import type { EngineError } from '../model/errors.ts'
import { type ContainerRecord, findRecord } from '../model/record.ts'
import { nameOf } from './names.ts'
import type { Ports } from './ports.ts'

export interface ContainerSummary extends ContainerRecord {
  readonly status: 'running' | 'stopped'
  readonly pid?: number
}

/** Newest first. A record whose engine is dead counts as stopped: the next sweep will end it. */
export const listContainers = ({ host }: Ports): ContainerSummary[] =>
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
    .sort((a, b) => b.createdMs - a.createdMs)

/** Removes a stopped container, or with `force` a running one. Fails: ContainerNotFound, WrongStatus. */
export const removeContainer =
  (wanted: string, force: boolean) =>
  (ports: Ports): TaskEither<EngineError, string> => {
    const summaries = listContainers(ports)
    const found = findRecord(summaries, wanted)
    if ('_tag' in found) return TE.left(found)
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
