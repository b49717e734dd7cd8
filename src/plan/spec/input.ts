// What an OCI runtime spec is made from.

import type { HostDevice } from '../../model/devices.ts'
import type { HostFacts } from '../../model/host-facts.ts'
import type { LinuxSeccomp } from '../../model/oci-spec.ts'
import type { PlannedOptions } from '../../model/options-decoded.ts'
import type { PreparedImage } from '../../model/prepared-image.ts'
import type { ResolvedUser } from '../../model/user-db.ts'

export interface SpecInput {
  readonly image: PreparedImage
  /** What to run; empty: the image's own command. */
  readonly argv: readonly string[]
  readonly options: PlannedOptions
  readonly user: ResolvedUser
  /** 64 lower-case hex digits. */
  readonly id: string
  readonly facts: HostFacts
  /** The profile to use where the options do not say `unconfined`. */
  readonly seccomp: LinuxSeccomp | undefined
  readonly cgroupsPath: string
  /** The nodes `options.devices` names, looked up; with `privileged` all of the host's. */
  readonly devices?: readonly HostDevice[]
  /** The host's own name: used where its UTS or network namespace is shared. */
  readonly hostHostname?: string
}

export const isPrivileged = ({ options }: Pick<SpecInput, 'options'>): boolean =>
  options.security?.privileged === true

/** The name the container sees: asked for, the host's with the host's network or UTS namespace, else from the id. */
export const hostnameOf = ({
  options,
  id,
  hostHostname,
}: Pick<SpecInput, 'options' | 'id' | 'hostHostname'>): string | undefined => {
  if (options.uts === 'host') return hostHostname
  const shared = options.network === 'host' ? hostHostname : undefined
  return options.hostname ?? shared ?? id.slice(0, 12)
}
