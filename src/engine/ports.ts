// What every program of the engine is given.
import type { LinuxSeccomp } from '../model/oci-spec.ts'
import type { ResolvedUser } from '../model/user-db.ts'
import type { planLaunch } from '../plan/launch/index.ts'
import type { DetachedStore, Monitors } from './ports/detached.ts'
import type { HostPort } from './ports/host.ts'
import type { JournalPort } from './ports/journal.ts'
import type { Launcher } from './ports/launcher.ts'
import type { Replacements } from './ports/replacements.ts'
import type { StdioPort } from './ports/stdio.ts'
import type { VolumeStore } from './ports/volumes.ts'
import type { CompiledFilter } from './seccomp.ts'
import type { Template } from './start.ts'

export interface Ports {
  readonly host: HostPort
  readonly launcher: Launcher
  readonly stdio: StdioPort
  readonly detached: DetachedStore
  readonly monitors: Monitors
  readonly replacements: Replacements
  /** Loaded with its first use: most starts have no volumes. */
  readonly volumes: () => Promise<VolumeStore>
  /** Where verbs tell what they did; loaded with its first use. */
  readonly journal: () => Promise<JournalPort>
  /** Users looked up before, by image and name: an image's files never change. */
  readonly users: Map<string, ResolvedUser>
  /** In place of the engine's own planner: `slipway bench` plans containers that lack a part. */
  readonly planLaunch?: typeof planLaunch
  /** Plans made before, by everything that shapes them. */
  readonly templates: Map<string, Template>
  /** Docker's default profile, by capabilities. */
  readonly profiles: Map<string, LinuxSeccomp>
  /** Filters compiled before, by profile. */
  readonly filters: WeakMap<LinuxSeccomp, CompiledFilter>
}
