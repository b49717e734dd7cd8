// The store of volumes, telling the journal which came and went, by whatever verb or start.
import { pipe } from '#fp/function'
import * as TE from '#fp/TaskEither'
import { volumeEvent } from '../model/events-of-containers.ts'
import { noteAll } from './note.ts'
import type { JournalPort } from './ports/journal.ts'
import type { VolumeStore } from './ports/volumes.ts'

export const journalledVolumes = (store: VolumeStore, journal: () => Promise<JournalPort>): VolumeStore => {
  const note = (action: string, name: string): Promise<void> =>
    noteAll({ journal }, [volumeEvent(action, name)])
  return {
    ...store,
    create: (document) =>
      pipe(
        store.create(document),
        TE.tapTask((isNew) => async () => {
          if (isNew) await note('create', document.name)
        }),
      ),
    remove: (volume) =>
      pipe(
        store.remove(volume),
        TE.tapTask(() => () => note('destroy', volume.document.name)),
      ),
  }
}
