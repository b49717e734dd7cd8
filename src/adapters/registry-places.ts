// Where to ask for what a reference names: mirrors first, and those that do not answer left alone for a while.
import { SlipwayError } from '../model/errors.ts'
import type { ImageReference } from '../model/reference.ts'
import { placesOf, type RegistriesRules } from '../model/registry-settings.ts'

/** How long a mirror that could not be reached is not asked again, in milliseconds. */
const AWAY_MS = 60_000

export interface Places {
  /** In order; the last one is the registry itself. */
  readonly of: (reference: ImageReference) => Promise<readonly ImageReference[]>
  /** True where the next place may do better. Notes those that are away. */
  readonly gaveUp: (place: ImageReference, error: unknown) => boolean
}

export const openPlaces = (rules: () => Promise<RegistriesRules>, now: () => number = Date.now): Places => {
  const awayUntil = new Map<string, number>()
  return {
    of: async (reference) => {
      const all = placesOf(await rules(), reference)
      return all.filter(
        ({ registry }, at) => at === all.length - 1 || (awayUntil.get(registry) ?? 0) <= now(),
      )
    },
    gaveUp: ({ registry }, error) => {
      if (!(error instanceof SlipwayError)) return false
      const { error: problem } = error
      if (problem._tag === 'RegistryFailed' && problem.status === undefined)
        awayUntil.set(registry, now() + AWAY_MS)
      return ['RegistryFailed', 'ImageNotFound', 'DigestMismatch'].includes(problem._tag)
    },
  }
}
