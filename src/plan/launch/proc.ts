// The proc that settings are written through: the container's own, or one that is mounted nowhere.
import type { Mount, Spec } from '../../model/oci-spec.ts'
import {
  CLONE_NEWTIME,
  MOUNT_ATTR_NODEV,
  MOUNT_ATTR_NOEXEC,
  MOUNT_ATTR_NOSUID,
  O_CLOEXEC,
} from '../kernel.ts'
import type { Slot } from '../program.ts'
import { hasNew, type LaunchBuild, newMount } from './build.ts'
import { isBind } from './mount-options.ts'
import { writeFile } from './paths.ts'

const isProc = (mount: Mount): boolean =>
  mount.destination === '/proc' && mount.type === 'proc' && !isBind(mount)

/** What `writeFile` is needed for. */
const writesToProc = ({ process, linux }: Spec): boolean =>
  process?.oomScoreAdj !== undefined ||
  (process?.apparmorProfile ?? '') !== '' ||
  (process?.selinuxLabel ?? '') !== '' ||
  linux?.namespaces?.some(({ type, path }) => type === 'time' && path === undefined) === true ||
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

/** Before Linux 6.2 execve(2) does not enter the new time namespace: its offsets set, the child joins it like any other. */
export const enterTime = ({ begin, input, proc }: LaunchBuild): void => {
  if (proc === undefined || !hasNew(input.spec, 'time') || input.facts.timeNamespaceAtExec) return
  const namespace = begin.slots.next()
  const path = 'self/ns/time_for_children'
  begin.call('open time namespace', 'openat', [proc, begin.text(path), O_CLOEXEC, 0], {
    into: namespace,
    path,
  })
  begin.call('enter time namespace', 'setns', [namespace, CLONE_NEWTIME], { path })
}
