// What every operation on a live container works with: the addon, what this host can do, and where the state is.
import { type FilterStore, filterStore } from '../../adapters/filter-store.ts'
import { hostFacts } from '../../adapters/host-facts-cache.ts'
import { ownCgroups } from '../../adapters/host-facts-delegated.ts'
import { type HostFacts, isOrdinary } from '../../model/host-facts.ts'
import type { Spec } from '../../model/oci-spec.ts'
import type { Addon } from '../../native/addon.ts'
import { loadAddon } from '../../native/load.ts'
import type { LaunchPlan } from '../../plan/launch/index.ts'
import type { CompiledFilter } from '../../plan/seccomp/compile.ts'
import type { RuntimeSettings } from '../runtime.ts'
import { FILTERS } from '../state-dir.ts'
import { inUserNamespace } from '../user-namespace.ts'

export interface Parts extends RuntimeSettings {
  readonly addon: Addon
  readonly facts: HostFacts
  /** Documents of containers, by what tells one from a later one of its name. */
  readonly configs: Map<string, Spec>
  /** Compiled seccomp profiles, by their key: those of this process, and those on disk. */
  readonly filters: { readonly known: Map<string, CompiledFilter>; readonly store: FilterStore }
  /** Plans of processes that have joined a container, by all that shapes them. */
  readonly joins: Map<string, LaunchPlan>
}

/** Throws where there is no addon for this machine. */
export const partsOf = (settings: RuntimeSettings): Parts => ({
  ...settings,
  addon: loadAddon(),
  // The root is there once a container is, and facts are probed anew as long as it is not.
  facts: ownFacts(hostFacts(settings.globals.root)),
  configs: new Map(),
  filters: { known: new Map(), store: filterStore(`${settings.globals.root}/${FILTERS}`) },
  joins: new Map(),
})

const ownFacts = (facts: HostFacts): HostFacts => ({
  ...facts,
  ...(inUserNamespace() ? { isNamespaced: true } : {}),
  ...(isOrdinary(facts) ? { cgroup: ownCgroups(facts) } : {}),
})
