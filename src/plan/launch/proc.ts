// The proc that settings are written through: the container's own, or one that is mounted nowhere.
import type { Mount, Spec } from '../../model/oci-spec.ts'
import { MOUNT_ATTR_NODEV, MOUNT_ATTR_NOEXEC, MOUNT_ATTR_NOSUID } from '../kernel.ts'
import type { Slot } from '../program.ts'
import { type LaunchBuild, newMount } from './build.ts'
import { isBind } from './mount-options.ts'
import { writeFile } from './paths.ts'

const isProc = (mount: Mount): boolean =>
  mount.destination === '/proc' && mount.type === 'proc' && !isBind(mount)

/** What `writeFile` is needed for. */
const writesToProc = ({ process, linux }: Spec): boolean =>
  process?.oomScoreAdj !== undefined ||
  (process?.apparmorProfile ?? '') !== '' ||
  (process?.selinuxLabel ?? '') !== '' ||
  linux?.timeOffsets !== undefined ||
  Object.keys(linux?.sysctl ?? {}).length > 0

/**
 * A document may leave /proc out or bind the host's there, and still ask for what is set by a file of proc. To be called in
 * `begin`, when the file systems of the spec are made.
 */
export const ownProc = (build: LaunchBuild): Slot | undefined => {
  const { begin, input, detached } = build
  const mount = input.spec.mounts?.find(isProc)
  const made = mount === undefined ? undefined : detached.get(mount)?.fd
  if (made !== undefined || !writesToProc(input.spec)) return made
  return newMount(
    begin,
    'proc',
    [],
    MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC,
    'proc of the launch',
  )
}

/** Before anybody is in the new time namespace: its offsets are fixed from then on. time_namespaces(7). */
export const setTimeOffsets = ({ begin, input, proc }: LaunchBuild): void => {
  const offsets = Object.entries(input.spec.linux?.timeOffsets ?? {})
  if (proc === undefined || offsets.length === 0) return
  const lines = offsets.map(([clock, { secs = 0, nanosecs = 0 }]) => `${clock} ${secs} ${nanosecs}\n`)
  writeFile(begin, 'set time offsets', proc, 'self/timens_offsets', lines.join(''))
}
