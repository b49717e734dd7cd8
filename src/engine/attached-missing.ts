// What an engine that died has not told of its containers: that they have ended, and are gone.
import { eventsAt, mountedVolumes } from '../model/events-of-containers.ts'
import { nsOfMs } from '../model/moment.ts'
import type { ContainerRecord, RecordChanges } from '../model/record.ts'
import { asCalledNow } from './attached-events.ts'
import type { JournalPort, ToldActions } from './ports/journal.ts'

/**
 * Of those whose beginning was told, since others are to be told by nobody. All is looked up in the journal, so that nothing is told twice.
 * Nobody saw them end: the exit code is -1, and how long they ran is not known. The result tells that those are gone that nobody keeps.
 */
export const tellDead = (
  journal: Pick<JournalPort, 'note' | 'toldOfAll'>,
  records: readonly ContainerRecord[],
  changes: ReadonlyMap<string, RecordChanges>,
): (() => void) => {
  const since = Math.min(...records.map(({ createdMs }) => createdMs))
  const toldOf = journal.toldOfAll(
    records.map(({ id }) => id),
    nsOfMs(since),
  )
  const known = records.map((record) => ({
    record,
    told: toldOf(record.id),
    container: asCalledNow(record, changes),
  }))
  for (const { record, told, container } of known)
    if (isUntold(told, 'start', 'die'))
      for (const event of eventsAt('ended', container, mountedVolumes(record.mounts), { exitCode: '-1' }))
        journal.note(event)
  return () => {
    for (const { record, told, container } of known)
      if (!record.keep && isUntold(told, 'create', 'destroy'))
        for (const event of eventsAt('removed', container, [])) journal.note(event)
  }
}

const isUntold = (told: ToldActions, begin: string, end: string): boolean => told.has(begin) && !told.has(end)
