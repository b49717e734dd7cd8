// Tells the journal what was done, once it is done.
import type { TaskEither } from '#fp/TaskEither'
import * as TE from '#fp/TaskEither'
import type { ContainerDocument } from '../model/container-document.ts'
import type { EngineError } from '../model/errors.ts'
import type { NewEvent } from '../model/events.ts'
import { containerEvent, eventContainer } from '../model/events-of-containers.ts'
import type { Ports } from './ports.ts'

export const noteAll = async (
  { journal }: Pick<Ports, 'journal'>,
  events: readonly NewEvent[],
): Promise<void> => {
  const { note } = await journal()
  for (const event of events) note(event)
}

/** An action on a container that outlives its engine. `more`: what it adds. */
export const noteOf = (
  ports: Pick<Ports, 'journal'>,
  action: string,
  document: ContainerDocument,
  more?: Readonly<Record<string, string>>,
): TaskEither<EngineError, void> =>
  TE.fromTask(() => noteAll(ports, [containerEvent(action, eventContainer(document), more)]))
