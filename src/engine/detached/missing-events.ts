// What a monitor that was killed has not told: that its container began to run, and how that ended.
import { runs, statusOf } from '../../model/container-status.ts'
import { eventContainer, eventsAt, mountedVolumes } from '../../model/events-of-containers.ts'
import { nsOfMs } from '../../model/moment.ts'
import type { NamedMount } from '../../model/options-decoded.ts'
import type { DetachedContainer } from '../ports/detached.ts'
import type { JournalPort } from '../ports/journal.ts'

/**
 * For one that has no monitor any more. What has been told since the run began is looked up in the journal, so that nothing is told
 * twice; a run that another boot ended is told by nobody.
 */
export const tellMissing = (journal: JournalPort, container: DetachedContainer): void => {
  const { document, state, exit } = container
  if (state === undefined || state.begunMs === 0) return
  // Nobody knows whether it became the program before it died.
  if (state.status === 'starting' && !runs(statusOf(container))) return
  const told = journal.toldOf(document.id, nsOfMs(state.begunMs))
  const volumes = mountedVolumes(document.options.mounts as readonly NamedMount[] | undefined)
  const note = (moment: 'started' | 'ended', more?: Readonly<Record<string, string>>): void => {
    for (const event of eventsAt(moment, eventContainer(document), volumes, more)) journal.note(event)
  }
  if (!told.has('start')) note('started')
  if (runs(statusOf(container)) || told.has('die')) return
  // How long one ran that nobody saw end is not known either.
  const isItsEnd = exit?.begunMs === state.begunMs && exit.endedMs > exit.begunMs
  note(
    'ended',
    isItsEnd
      ? {
          exitCode: String(exit.exitCode),
          execDuration: String(Math.floor((exit.endedMs - exit.begunMs) / 1000)),
        }
      : { exitCode: '-1' },
  )
}
