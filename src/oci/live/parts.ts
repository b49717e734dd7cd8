// What every operation on a live container works with: the addon, what this host can do, and where the state is.
import { type FilterStore, filterStore } from '../../adapters/filter-store.ts'
import { hostFacts } from '../../adapters/host-facts-cache.ts'
import { ownCgroups } from '../../adapters/host-facts-delegated.ts'
import { NetworksAhead } from '../../adapters/networks-ahead.ts'
import { type HostFacts, isOrdinary } from '../../model/host-facts.ts'
import type { Spec } from '../../model/oci-spec.ts'
import type { Addon } from '../../native/addon.ts'
import { loadAddon } from '../../native/load.ts'
import type { ParentsPlan } from '../../plan/cgroup-parents.ts'
import type { LaunchPlan } from '../../plan/launch/index.ts'
import type { CompiledFilter } from '../../plan/seccomp/compile.ts'
import type { RuntimeSettings } from '../runtime.ts'
import { FILTERS } from '../state-dir.ts'
import { inUserNamespace } from '../user-namespace.ts'
import type { LastingLaunch } from './launch.ts'
import { noPlans, type Plans } from './plans.ts'

export interface Parts extends RuntimeSettings {
  readonly addon: Addon
  readonly facts: HostFacts
  /** Documents that containers were made of, by their text. */
  readonly documents: Map<string, Spec>
  /** Documents of containers, by what tells one from a later one of its name. */
  readonly configs: Map<string, Spec>
  /** Compiled seccomp profiles, by their key: those of this process, and those on disk. */
  readonly filters: { readonly known: Map<string, CompiledFilter>; readonly store: FilterStore }
  /** Plans of processes that have joined a container, by all that shapes them. */
  readonly joins: Map<string, LaunchPlan>
  /** Of the directories that groups are made in, by their paths. */
  readonly parents: Map<string, ParentsPlan>
  /** Those of containers; undefined where this process makes one alone. */
  readonly plans: Plans | undefined
  /** Containers of this process that wait to be started, by what tells one from a later one of its name. */
  readonly waiting: Map<string, LastingLaunch>
  readonly networks: NetworksAhead
}

/**
 * `again`: of a process that makes containers again and again, with so many network namespaces kept ready. Throws where there is no
 * addon for this machine.
 */
export const partsOf = (settings: RuntimeSettings, again?: { readonly networksAhead: number }): Parts => {
  const addon = loadAddon()
  const { root } = settings.globals
  // The root is there once a container is, and facts are probed anew as long as it is not.
  const facts = ownFacts(hostFacts(root))
  return {
    ...settings,
    addon,
    facts,
    documents: new Map(),
    configs: new Map(),
    filters: { known: new Map(), store: filterStore(`${root}/${FILTERS}`) },
    joins: new Map(),
    parents: new Map(),
    plans: again && noPlans(),
    waiting: new Map(),
    networks: new NetworksAhead(addon, facts.arch, isOrdinary(facts) ? 0 : (again?.networksAhead ?? 0)),
  }
}

const ownFacts = (facts: HostFacts): HostFacts => ({
  ...facts,
  ...(inUserNamespace() ? { isNamespaced: true } : {}),
  ...(isOrdinary(facts) ? { cgroup: ownCgroups(facts) } : {}),
})
