// What every operation on a live container works with: the addon, what this host can do, and where the state is.
import { hostFacts } from '../../adapters/host-facts-cache.ts'
import type { HostFacts } from '../../model/host-facts.ts'
import type { Addon } from '../../native/addon.ts'
import { loadAddon } from '../../native/load.ts'
import type { RuntimeSettings } from '../runtime.ts'

export interface Parts extends RuntimeSettings {
  readonly addon: Addon
  readonly facts: HostFacts
}

/** Throws where there is no addon for this machine. */
export const partsOf = (settings: RuntimeSettings): Parts => ({
  ...settings,
  addon: loadAddon(),
  // The root is there once a container is, and facts are probed anew as long as it is not.
  facts: hostFacts(settings.globals.root),
})
