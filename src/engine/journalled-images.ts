// The image verbs, each telling the journal what it did once that is done.
import { pipe } from '#fp/function'
import type { TaskEither } from '#fp/TaskEither'
import * as TE from '#fp/TaskEither'
import type { EngineError } from '../model/errors.ts'
import type { NewEvent } from '../model/events.ts'
import * as tell from '../model/events-of-images.ts'
import type { Images } from './images-verbs.ts'
import type { JournalPort } from './ports/journal.ts'

export const journalled = (images: Images, journal: Pick<JournalPort, 'note'>): Images => {
  const note = (events: readonly NewEvent[]): void => {
    for (const event of events) journal.note(event)
  }
  const noting = <A>(
    task: TaskEither<EngineError, A>,
    events: (result: A) => readonly NewEvent[],
  ): TaskEither<EngineError, A> => TE.tapIO((result: A) => () => note(events(result)))(task)
  /** Docker's event has the id. Where there is none, what it was called has to do. */
  const idOf =
    (reference: string): (() => Promise<string>) =>
    async () => {
      const found = await images.inspect(reference)()
      return found._tag === 'Right' ? found.right.Id : reference
    }
  return {
    ...images,
    pull: (...args) => noting(images.pull(...args), tell.pulled),
    push: (...args) => noting(images.push(...args), tell.pushed),
    load: (...args) => noting(images.load(...args), tell.loaded),
    import: (...args) => noting(images.import(...args), tell.imported),
    commit: (...args) => noting(images.commit(...args), tell.committed),
    prune: (...args) => noting(images.prune(...args), tell.pruned),
    save: (references, ...rest) =>
      noting<void>(images.save(references, ...rest), () => tell.saved(references)),
    remove: (reference, options) =>
      pipe(
        TE.fromTask<string, EngineError>(idOf(reference)),
        TE.flatMap((id) => noting(images.remove(reference, options), (result) => tell.removed(result, id))),
      ),
    tag: (source, name) =>
      pipe(
        images.tag(source, name),
        TE.flatMap(() => TE.fromTask<string, EngineError>(idOf(name))),
        TE.map((id) => note(tell.tagged(id, name))),
      ),
  }
}
