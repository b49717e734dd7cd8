// The life of containers that belong to this engine, in the journal: for engines that were asked to tell it.
import {
  containerEvent,
  type EventContainer,
  eventsAt,
  type MountedVolume,
  mountedVolumes,
} from '../model/events-of-containers.ts'
import type { RecordChanges } from '../model/record.ts'
import type { Container, Ended } from './container.ts'
import { nameOf } from './names.ts'
import { noteAll } from './note.ts'
import type { Ports } from './ports.ts'
import type { Prepared } from './start.ts'

/** Nothing is written before a payload has been executed, and whoever waits for that has been told. */
export class AttachedEvents {
  readonly #ports: Pick<Ports, 'host' | 'journal'>
  readonly #telling = new Set<Promise<void>>()

  constructor(ports: Pick<Ports, 'host' | 'journal'>) {
    this.#ports = ports
  }

  readonly started = (container: Container, prepared: Prepared): void => {
    const telling = this.#tell(container, prepared)
    this.#telling.add(telling)
    telling.finally(() => this.#telling.delete(telling))
  }

  /** Resolves when all is told of containers that are gone. */
  async settled(): Promise<void> {
    await Promise.all(this.#telling)
  }

  async #tell({ exit, removed }: Container, { record }: Prepared): Promise<void> {
    const volumes = mountedVolumes(record.mounts)
    await nextTurn()
    const begun = asCalledNow(record, this.#ports.host.state.changes())
    await noteAll(this.#ports, [containerEvent('create', begun), ...eventsAt('started', begun, volumes)])
    const ended = await exit
    const last = asCalledNow(record, this.#ports.host.state.changes())
    await noteAll(this.#ports, endOf(ended, last, volumes))
    await removed
    if (!record.keep) await noteAll(this.#ports, eventsAt('removed', last, []))
  }
}

/** It may have been renamed by whomever. */
export const asCalledNow = (
  record: Prepared['record'],
  changes: ReadonlyMap<string, RecordChanges>,
): EventContainer => {
  const { id, image, labels } = record
  return { id, image, labels, name: nameOf({ ...record, ...changes.get(id) }) }
}

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

const endOf = (
  { exitCode, usage }: Ended,
  container: EventContainer,
  volumes: readonly MountedVolume[],
): ReturnType<typeof eventsAt> => [
  ...((usage.oomKills ?? 0) > 0 ? eventsAt('oom', container, []) : []),
  ...eventsAt('ended', container, volumes, {
    exitCode: String(exitCode),
    execDuration: String(Math.floor(usage.wallMs / 1000)),
  }),
]
