// What a container has of volumes for as long as it is there; the programs behind it are loaded where there are any.
import type { NamedMount } from '../model/options-decoded.ts'
import type { Ports } from './ports.ts'

/** What of a container is on record for others: what it lends, and what must stay while it is there. */
export interface RememberedMounts {
  readonly mounts?: readonly NamedMount[]
}

/** Volumes of a container's own go with it. Never fails. */
export const dropOwn = async (ports: Ports, volumes: readonly string[]): Promise<void> => {
  if (volumes.length === 0) return
  const { dropVolumes } = await import('./volumes-of-start.ts')
  await dropVolumes(ports, volumes)
}
