// events: what a container uses, as runc tells it, and when it runs out of memory.
import * as E from '#fp/Either'
import { groupStats, oomKills } from '../../adapters/group-stats.ts'
import type { EngineError } from '../../model/errors.ts'
import type { EventsRequest } from '../../model/oci-requests.ts'
import type { OciEvent } from '../../model/oci-stats.ts'
import { isAlive } from './process-handle.ts'

const POLL_MS = 200

/** Resolves when the container has ended, or after the one event that was asked for. */
export const events = async (
  { container: { record }, intervalMs }: EventsRequest,
  tell: (event: OciEvent) => void,
): Promise<E.Either<EngineError, void>> => {
  const { id, cgroup, init } = record
  tell({ type: 'stats', id, data: groupStats(cgroup.paths) })
  if (intervalMs === undefined) return E.right(undefined)
  let kills = oomKills(cgroup.paths)
  for (let next = Date.now() + intervalMs; init !== undefined && isAlive(init); await pause(POLL_MS)) {
    const now = oomKills(cgroup.paths)
    if (now > kills) tell({ type: 'oom', id })
    kills = now
    if (Date.now() < next) continue
    tell({ type: 'stats', id, data: groupStats(cgroup.paths) })
    next += intervalMs
  }
  return E.right(undefined)
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
